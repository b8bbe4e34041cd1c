//! A worker from start to end: its slots, how they are stopped, and why they may not start.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use backends::broker::{self, TaskConsumer};
use futures::FutureExt;
use otaman::{Registry, Resources};
use protocol::error::TwiceError;
use protocol::{SemaphoreWidths, Session, WorkerType};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::activity::{Activity, Report};
use crate::config::Config;
use crate::execute::Executor;
use crate::isolated::{Isolates, Machine};
use crate::panics;
use crate::peers::Peers;
use crate::places::Places;
use crate::semaphores::{self, MachineSemaphores};
use crate::slot::Slots;

/// Why a worker did not start, or ended otherwise than by being told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration gives no slot.
    #[error("concurrency is 0; it must be at least 1")]
    NoSlots,
    /// Operations need resources that the worker was not given.
    #[error("missing resources, which must be given with Resources::with: {}", Listed(.0))]
    MissingResources(Vec<MissingResource>),
    /// The configuration gives a semaphore two widths.
    #[error(transparent)]
    SemaphoreTwice(#[from] TwiceError),
    /// A semaphore cannot be had as configured.
    #[error(transparent)]
    Semaphore(#[from] semaphores::Error),
    /// Others took the worker's session for dead: what it ran is theirs. It may go on with a new one.
    #[error("the session was taken for dead by others; its tasks go to other workers")]
    SessionLost,
    /// A fault of the worker itself; what it ran goes to others.
    #[error("a part of the worker panicked, which is a fault of this program: {0}")]
    Panicked(String),
    /// The broker failed.
    #[error("the broker failed while {action}")]
    Broker {
        /// What was being done.
        action: &'static str,
        /// Why.
        #[source]
        source: broker::Error,
    },
}

impl Error {
    /// What a failure of the broker in the middle of something means.
    pub(crate) fn broker(action: &'static str) -> impl FnOnce(broker::Error) -> Self {
        move |source| match source {
            broker::Error::SessionLost => Self::SessionLost,
            broker::Error::Closed
            | broker::Error::Server(_)
            | broker::Error::Keep { .. }
            | broker::Error::Progress { .. } => Self::Broker { action, source },
        }
    }

    /// Of a part that ended without a result. The hook for panics has printed where.
    pub(crate) fn panicked(ended: JoinError) -> Self {
        Self::Panicked(match ended.try_into_panic() {
            Ok(payload) => panics::text(&*payload).to_owned(),
            Err(ended) => ended.to_string(),
        })
    }
}

/// A resource that an operation needs and the worker was not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingResource {
    /// The operation, with its version.
    pub operation: String,
    /// The resource's type.
    pub resource: &'static str,
}

struct Listed<'a>(&'a [MissingResource]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, MissingResource { operation, resource }) in self.0.iter().enumerate() {
            write!(f, "{}operation {operation} needs {resource}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Runs tasks until `stop` is cancelled or the broker is closed. Once stopped it leases nothing
/// more; running tasks may finish within the drain time-out and are then handed back.
///
/// # Errors
/// If the worker is not fit to start, the broker fails, or the session is lost. Running tasks are
/// drained even so; those of a lost session are stopped at once.
pub async fn run(
    config: Config,
    registry: Arc<Registry>,
    resources: Arc<Resources>,
    consumer: Arc<dyn TaskConsumer>,
    session: Session,
    stop: CancellationToken,
) -> Result<Report, Error> {
    let semaphores = Arc::new(semaphores(&config)?);
    semaphores.agree().await?;
    let activity = Arc::new(Activity::new(config.concurrency));
    let cut = CancellationToken::new();
    let crew = Crew {
        config,
        registry,
        resources,
        consumer,
        session,
        peers: None,
        semaphores: Arc::clone(&semaphores),
        activity: Arc::clone(&activity),
        stop,
        cut,
    };
    let ended = crew.work().await;
    for figures in semaphores.figures() {
        tracing::info!("{figures}");
    }
    ended?;
    Ok(activity.report())
}

/// The semaphores of this machine as configured here.
pub(crate) fn semaphores(config: &Config) -> Result<MachineSemaphores, TwiceError> {
    let widths = SemaphoreWidths::new(config.semaphores.iter().cloned())?;
    Ok(MachineSemaphores::new(widths, config.semaphore_dir.clone()))
}

/// All that slots need for a session.
pub(crate) struct Crew {
    pub(crate) config: Config,
    pub(crate) registry: Arc<Registry>,
    pub(crate) resources: Arc<Resources>,
    pub(crate) consumer: Arc<dyn TaskConsumer>,
    pub(crate) session: Session,
    /// What there is to mind of other workers; nothing where there are none.
    pub(crate) peers: Option<Peers>,
    pub(crate) semaphores: Arc<MachineSemaphores>,
    /// Has as many tallies as there are to be slots.
    pub(crate) activity: Arc<Activity>,
    /// Cancelled when nothing more is to be leased; the drain time-out begins.
    pub(crate) stop: CancellationToken,
    /// Cancelled when running tasks are to be handed back without waiting for that time-out.
    pub(crate) cut: CancellationToken,
}

impl Crew {
    /// Works until stopped.
    pub(crate) async fn work(self) -> Result<(), Error> {
        let Self { config, registry, resources, consumer, session, peers, semaphores, activity, stop, cut } =
            self;
        if config.concurrency == 0 {
            return Err(Error::NoSlots);
        }
        check_resources(&registry, &resources, &session.worker_types)?;
        panics::install();
        let (stop, cut) = (stop.child_token(), cut.child_token());
        let stop_grace = config.stop_grace.0;
        let machine = Machine { semaphores: config.semaphores, semaphore_dir: config.semaphore_dir };
        let isolates = Arc::new(Isolates::new(machine));
        let rules = config.rules;
        let leaving = stop.clone();
        let executor = Executor {
            registry,
            resources,
            consumer,
            stop_grace,
            isolates,
            peers,
            rules,
            semaphores,
            leaving,
        };
        let (retry, stopped, cutting) = (config.retry, stop.clone(), cut.clone());
        let places = Arc::new(Places::new(config.concurrency));
        let slots =
            Arc::new(Slots { executor, session, retry, activity, places, stop: stopped, cut: cutting });
        let mut working = JoinSet::new();
        for number in 0..Places::users(config.concurrency) {
            working.spawn(Arc::clone(&slots).work(number));
        }
        let mut drained = pin!(
            async {
                stop.cancelled().await;
                tokio::time::sleep(config.drain_timeout.0).await;
                cut.cancel();
            }
            .fuse()
        );
        let mut first_error = None;
        loop {
            let ended = tokio::select! {
                ended = working.join_next() => ended,
                () = &mut drained => continue,
            };
            let Some(ended) = ended else { return first_error.map_or(Ok(()), Err) };
            if let Err(error) = ended.unwrap_or_else(|ended| Err(Error::panicked(ended))) {
                stop.cancel();
                if matches!(error, Error::SessionLost) {
                    // Whatever they go on to do counts for nothing.
                    cut.cancel();
                }
                first_error.get_or_insert(error);
            }
        }
    }
}

/// Whether the operations of these queues, or all if there are none, have what they need.
pub(crate) fn check_resources(
    registry: &Registry,
    resources: &Resources,
    queues: &[WorkerType],
) -> Result<(), Error> {
    let missing: Vec<MissingResource> = registry
        .operations()
        .filter(|operation| queues.is_empty() || queues.contains(&operation.info.worker_type))
        .flat_map(|operation| operation.entry.needs().iter().map(move |need| (operation, need)))
        .filter(|(_, need)| !resources.contains((need.id)()))
        .map(|(operation, need)| MissingResource {
            operation: format!("{}@{}", operation.info.name, operation.info.version),
            resource: (need.name)(),
        })
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::MissingResources(missing)) }
}
