//! One session of the worker program: from its announcement to its end.

use std::sync::Arc;
use std::time::Duration;

use backends::distributed::{Distributed, Means, RemoteConsumer, Standing};
use otaman::{Registry, Resources};
use protocol::{Session, SessionId};
use tokio::runtime::Handle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use crate::colleagues::Colleagues;
use crate::config::Config;
use crate::doubts::Doubts;
use crate::failed::Failed;
use crate::learned::Learned;
use crate::lifetime::Lifetime;
use crate::observed::Observed;
use crate::operations;
use crate::peers::Peers;
use crate::run::{Crew, Error};
use crate::shortage::Fitness;

/// How often it is looked whether the session is still ours.
const LOOK: Duration = Duration::from_secs(1);
/// Far enough off to be no limit.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// What all sessions of a worker have in common.
pub(crate) struct Sessions {
    pub(crate) distributed: Distributed,
    pub(crate) config: Config,
    pub(crate) registry: Arc<Registry>,
    pub(crate) resources: Arc<Resources>,
    pub(crate) observed: Arc<Observed>,
    pub(crate) fitness: Arc<Fitness>,
    pub(crate) doubts: Arc<Doubts>,
    pub(crate) learned: Arc<Learned>,
    /// Absent if the worker goes on for ever.
    pub(crate) lifetime: Option<Lifetime>,
    /// Where operations run: not where signals are heard and health is told.
    pub(crate) operations: Handle,
}

/// How a session ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// In order: the worker leaves.
    Left,
    /// Others took it for dead. A new one may begin.
    Lost,
}

impl Sessions {
    /// Starts a session.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub(crate) async fn start(&self) -> Result<(Session, Arc<RemoteConsumer>), Failed> {
        let session = Session {
            id: SessionId::from_uuid(uuid::Uuid::new_v4()),
            node: self.observed.node.clone(),
            pid: std::process::id(),
            worker_types: self.observed.queues.clone(),
            concurrency: self.config.concurrency as u32,
            lease: self.observed.lease,
        };
        let announcement = operations::announcement(&self.registry);
        let drains_at = self.lifetime.map(|lifetime| lifetime.drains_at);
        let means = Means { drains_at, semaphores: self.observed.semaphores.given() };
        let consumer = self.distributed.consumer_with(session.clone(), Some(announcement), means).await?;
        self.observed.begin_session(Arc::clone(consumer.vitals()));
        tracing::debug!(session = %session.id, "a session has started");
        Ok((session, consumer))
    }

    /// Works for a session until the worker leaves, or the session is lost.
    pub(crate) async fn work(
        &self,
        session: Session,
        consumer: Arc<RemoteConsumer>,
    ) -> Result<Ended, Failed> {
        let leaving = &self.observed.leaving;
        let (stop, cut) = (leaving.stop.child_token(), leaving.cut.child_token());
        let crew = Crew {
            config: self.config.clone(),
            registry: Arc::clone(&self.registry),
            resources: Arc::clone(&self.resources),
            consumer: Arc::clone(&consumer) as _,
            peers: Some(Peers {
                colleagues: Colleagues::new(self.distributed.control(), session.clone()),
                fitness: Arc::clone(&self.fitness),
                doubts: Arc::clone(&self.doubts),
                learned: Arc::clone(&self.learned),
                lifetime: self.lifetime,
            }),
            session,
            semaphores: Arc::clone(&self.observed.semaphores),
            activity: Arc::clone(&self.observed.activity),
            stop: stop.clone(),
            cut: cut.clone(),
        };
        let mut working = self.operations.spawn(crew.work());
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut is_leaving, mut is_lost) = (false, false);
        let mut limit = NEVER;
        let mut deadline = Instant::now() + NEVER;
        let ended = loop {
            tokio::select! {
                ended = &mut working => break ended,
                () = leaving.stop.cancelled(), if !is_leaving => {
                    is_leaving = true;
                    consumer.drain();
                    limit = self.config.drain_timeout.0 + self.config.stop_grace.0 + leaving.telling();
                    deadline = deadline.min(Instant::now() + limit);
                }
                _ = look.tick(), if !is_lost => {
                    if consumer.vitals().standing() == Standing::Ended {
                        is_lost = true;
                        stop.cancel();
                        // Others run them by now.
                        cut.cancel();
                        limit = self.config.stop_grace.0 + leaving.telling();
                        deadline = deadline.min(Instant::now() + limit);
                    }
                }
                () = sleep_until(deadline) => {
                    consumer.abandon();
                    return Err(Failed::Stuck(limit));
                }
            }
        };
        match ended.unwrap_or_else(|ended| Err(Error::panicked(ended))) {
            Ok(()) if !is_lost => {}
            Ok(()) | Err(Error::SessionLost) => is_lost = true,
            Err(error) => return Err(Failed::Work(error)),
        }
        let telling = leaving.telling();
        match timeout(telling, consumer.close()).await {
            Ok(()) if is_lost => Ok(Ended::Lost),
            Ok(()) => Ok(Ended::Left),
            Err(_) => Err(Failed::Untold(telling)),
        }
    }
}
