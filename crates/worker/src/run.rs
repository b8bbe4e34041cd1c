//! The slots: each takes a task, runs it, reports it, until the worker is told to stop.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;

use backends::broker::{self, Delivery, Settled, TaskConsumer};
use futures::FutureExt;
use otaman::{Registry, Resources};
use protocol::{Cause, RetryPolicy, Session};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::execute::Executor;
use crate::panics;
use crate::settle::{Settlement, settle};

/// How many tasks a slot runs before it lets others run. Quick operations never wait for anything,
/// so the scheduler would otherwise not get a turn.
const TURNS: u64 = 100;

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

/// What a worker has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Tasks that ended with a value.
    pub succeeded: u64,
    /// Tasks that ended in failure for good.
    pub failed: u64,
    /// Attempts that failed and are to be tried again.
    pub retried: u64,
    /// Attempts that were handed back because the worker had to leave.
    pub preempted: u64,
    /// Attempts that counted for nothing, because their lease had been lost.
    pub stale: u64,
}

impl Report {
    fn add(&mut self, other: &Self) {
        let Self { succeeded, failed, retried, preempted, stale } = other;
        self.succeeded += succeeded;
        self.failed += failed;
        self.retried += retried;
        self.preempted += preempted;
        self.stale += stale;
    }
}

/// Runs tasks until `stop` is cancelled or the broker is closed. Once stopped it leases nothing
/// more; running tasks may finish within the drain time-out and are then handed back.
///
/// # Errors
/// If the worker is not fit to start, or the broker fails; running tasks are drained even so.
pub async fn run(
    config: Config,
    registry: Arc<Registry>,
    resources: Arc<Resources>,
    consumer: Arc<dyn TaskConsumer>,
    session: Session,
    stop: CancellationToken,
) -> Result<Report, Error> {
    if config.concurrency == 0 {
        return Err(Error::NoSlots);
    }
    check_resources(&registry, &resources, &session)?;
    panics::install();
    let stop = stop.child_token();
    let cut = CancellationToken::new();
    let executor = Executor { registry, resources, consumer, stop_grace: config.stop_grace.0 };
    let slot =
        Arc::new(Slot { executor, session, retry: config.retry, stop: stop.clone(), cut: cut.clone() });
    let mut slots = JoinSet::new();
    for _ in 0..config.concurrency {
        slots.spawn(Arc::clone(&slot).work());
    }
    let mut drained = pin!(
        async {
            stop.cancelled().await;
            tokio::time::sleep(config.drain_timeout.0).await;
            cut.cancel();
        }
        .fuse()
    );
    let mut report = Report::default();
    let mut first_error = None;
    loop {
        let ended = tokio::select! {
            ended = slots.join_next() => ended,
            () = &mut drained => continue,
        };
        match ended {
            None => return first_error.map_or(Ok(report), Err),
            Some(Ok((done, result))) => {
                report.add(&done);
                if let Err(error) = result {
                    first_error.get_or_insert(error);
                    stop.cancel();
                }
            }
            Some(Err(ended)) => std::panic::resume_unwind(ended.into_panic()),
        }
    }
}

fn check_resources(registry: &Registry, resources: &Resources, session: &Session) -> Result<(), Error> {
    let takes_from_all = session.worker_types.is_empty();
    let missing: Vec<MissingResource> = registry
        .operations()
        .filter(|operation| takes_from_all || session.worker_types.contains(&operation.info.worker_type))
        .flat_map(|operation| operation.entry.needs().iter().map(move |need| (operation, need)))
        .filter(|(_, need)| !resources.contains((need.id)()))
        .map(|(operation, need)| MissingResource {
            operation: format!("{}@{}", operation.info.name, operation.info.version),
            resource: (need.name)(),
        })
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::MissingResources(missing)) }
}

/// What every slot works with.
struct Slot {
    executor: Executor,
    session: Session,
    retry: RetryPolicy,
    /// Cancelled when nothing more is to be leased.
    stop: CancellationToken,
    /// Cancelled when running tasks are to be handed back.
    cut: CancellationToken,
}

impl Slot {
    async fn work(self: Arc<Self>) -> (Report, Result<(), Error>) {
        let mut report = Report::default();
        let result = self.take_turns(&mut report).await;
        (report, result)
    }

    async fn take_turns(&self, report: &mut Report) -> Result<(), Error> {
        let consumer = &self.executor.consumer;
        // One for all turns, so that a quick task costs no registration with the token.
        let mut cut = pin!(self.cut.cancelled().fuse());
        for turn in 1u64.. {
            if self.stop.is_cancelled() {
                break;
            }
            let leased = tokio::select! {
                biased;
                leased = consumer.lease() => leased,
                () = self.stop.cancelled() => break,
            };
            let leased = leased.map_err(|source| Error::Broker { action: "leasing a task", source })?;
            let Some(delivery) = leased else { break };
            let ended = self.executor.execute(&delivery, cut.as_mut()).await;
            self.report(delivery, ended, report).await?;
            if turn % TURNS == 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn report(
        &self,
        delivery: Delivery,
        ended: crate::execute::Ended,
        report: &mut Report,
    ) -> Result<(), Error> {
        let lease = delivery.lease;
        let consumer = &self.executor.consumer;
        let settlement = settle(delivery, ended, &self.session, &self.retry, rand::random);
        let (settled, counter) = match settlement {
            Settlement::Complete(outcome) => {
                let is_success = outcome.value().is_some();
                let counter = if is_success { &mut report.succeeded } else { &mut report.failed };
                (consumer.complete(lease, outcome).await, counter)
            }
            Settlement::Retry { failed, after } => {
                let is_preempted = failed.failure.cause == Cause::Preempted;
                let counter = if is_preempted { &mut report.preempted } else { &mut report.retried };
                (consumer.retry(lease, failed, after).await, counter)
            }
        };
        match settled.map_err(|source| Error::Broker { action: "reporting a task", source })? {
            Settled::Accepted => *counter += 1,
            Settled::Stale => {
                tracing::warn!(task = %lease.task, attempt = lease.token.attempt, "the lease was lost; the attempt counts for nothing");
                report.stale += 1;
            }
        }
        Ok(())
    }
}
