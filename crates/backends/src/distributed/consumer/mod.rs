//! A worker's side of the distributed broker.

mod actor;
mod effects;
mod held;
mod lookahead;
mod source;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use protocol::{Attempt, ExecutionId, IdMap, IdSet, Lease, Outcome, SemaphoreName, Session, TaskId};
use tokio::sync::{mpsc, oneshot};

use self::actor::{Actor, Command};
use self::effects::Tools;
use self::lookahead::Lookahead;
use self::source::Source;
use super::announcement::Announcement;
use super::connect::Shared;
use super::heartbeat::{Heartbeat, Identity};
use super::vitals::{Means, Standing, Vitals};
use crate::broker::{Delivery, Error, Settled, TaskConsumer};
use crate::lease::{Arbiter, Assertion, Held};

/// Leases tasks for one session.
pub struct RemoteConsumer {
    shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
    vitals: Arc<Vitals>,
    /// A std mutex: held to take it out.
    heartbeat: Mutex<Option<Heartbeat>>,
    /// On a connection of its own: it is asked from where operations run.
    arbiter: Arbiter,
    /// Tasks of which progress is remembered, with their executions. A std mutex: held to look one up.
    progressed: Mutex<IdMap<TaskId, ExecutionId>>,
}

impl RemoteConsumer {
    /// Starts a session; `operations` describes those that it has, and `means` is what others may lack.
    pub(super) async fn start(
        shared: Arc<Shared>,
        session: Session,
        operations: Option<Vec<u8>>,
        means: Means,
    ) -> Result<Self, super::connect::Error> {
        shared.refuse_strangers(&session).await?;
        let vitals = Arc::new(Vitals::new(means));
        let identity = Identity {
            session: session.clone(),
            started_at_us: protocol::to_unix_micros(std::time::SystemTime::now()),
            announcement: operations
                .map(|described| Announcement::new(shared.redis.clone(), &shared.prefix, described)),
            fingerprint: shared.copies.fingerprint(),
        };
        let heartbeat = Heartbeat::start(shared.arbiter.clone(), identity, Arc::clone(&vitals)).await?;
        let (commands, commanded) = mpsc::unbounded_channel();
        let (arriving, arrivals) = mpsc::unbounded_channel();
        let names = &shared.copies.names;
        for worker_type in &session.worker_types {
            shared.declare(&names.task_queue(worker_type)).await?;
        }
        let sources = session.worker_types.iter().enumerate().map(|(number, worker_type)| {
            let queue = names.task_queue(worker_type);
            let subscription =
                shared.rabbit.subscribe(Arc::clone(&queue), format!("worker {}", session.id), 0);
            Source::start(number, queue.name.to_string(), subscription, arriving.clone())
        });
        let sources: Vec<_> = sources.collect();
        let tools = Tools {
            session: session.id,
            arbiter: shared.arbiter.clone(),
            rabbit: shared.rabbit.clone(),
            copies: shared.copies.clone(),
            delayed: shared.delayed.to_vec(),
            vitals: Arc::clone(&vitals),
        };
        let now = Instant::now();
        let actor = Actor {
            tools: Arc::new(tools),
            sources,
            hand_over_after: shared.hand_over_after,
            lookahead: Lookahead::new(session.concurrency),
            waiters: VecDeque::new(),
            buffered: VecDeque::new(),
            held: IdMap::default(),
            ready: VecDeque::new(),
            to_complete: Vec::new(),
            replies: IdMap::default(),
            to_tell: Vec::new(),
            to_park: Vec::new(),
            to_bury: Vec::new(),
            alone: None,
            claims: 0,
            claiming: IdSet::default(),
            completions: 0,
            tellings: 0,
            effects: FuturesUnordered::new(),
            last_given: now,
            last_listed: now,
            last_asked: now,
            closing: None,
        };
        tokio::spawn(actor.run(commanded, arrivals));
        let arbiter = shared.arbiter.with_own_connection();
        let heartbeat = Mutex::new(Some(heartbeat));
        Ok(Self { shared, commands, vitals, heartbeat, arbiter, progressed: Mutex::default() })
    }

    /// What the session knows of its own health.
    pub fn vitals(&self) -> &Arc<Vitals> {
        &self.vitals
    }

    /// Says to others that no more tasks are taken.
    pub fn drain(&self) {
        self.vitals.drain();
    }

    /// Ends the session in order: gives back what no slot has, tells what has ended, leaves.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.commands.send(Command::Close { reply }).is_ok() {
            let _ = closed.await;
        }
        let heartbeat = self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(heartbeat) = heartbeat {
            heartbeat.leave().await;
        }
    }

    /// Ends the session as a kill would: nothing is handed back by itself.
    pub fn abandon(&self) {
        let heartbeat = self.heartbeat.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(heartbeat) = heartbeat {
            heartbeat.abandon();
        }
        self.vitals.standing.send_replace(Standing::Ended);
    }
}

impl TaskConsumer for RemoteConsumer {
    fn lease(&self) -> BoxFuture<'_, Result<Option<Delivery>, Error>> {
        Box::pin(async move {
            let (reply, given) = oneshot::channel();
            self.commands.send(Command::Lease { reply }).map_err(|_| Error::Closed)?;
            Place { commands: &self.commands, given: Some(given) }.given().await
        })
    }

    fn complete(&self, lease: Lease, outcome: Outcome) -> BoxFuture<'_, Result<Settled, Error>> {
        let (reply, settled) = oneshot::channel();
        let command = Command::Complete { lease, outcome: Box::new(outcome), reply };
        let sent = self.commands.send(command);
        Box::pin(async move {
            sent.map_err(|_| Error::Closed)?;
            let settled = settled.await.unwrap_or(Settled::Stale);
            if settled == Settled::Accepted {
                self.forget_progress(lease.task).await;
            }
            Ok(settled)
        })
    }

    fn retry(&self, lease: Lease, failed: Attempt, after: Duration) -> BoxFuture<'_, Result<Settled, Error>> {
        let (reply, settled) = oneshot::channel();
        let sent = self.commands.send(Command::Retry { lease, failed: Box::new(failed), after, reply });
        Box::pin(async move {
            sent.map_err(|_| Error::Closed)?;
            Ok(settled.await.unwrap_or(Settled::Stale))
        })
    }

    fn waits(&self, lease: Lease, semaphore: Option<&SemaphoreName>) {
        // If nobody hears it, the session has ended.
        let _ = self.commands.send(Command::Waits { lease, semaphore: semaphore.cloned() });
    }

    fn decline(
        &self,
        lease: Lease,
        node: &str,
        why: String,
        after: Duration,
    ) -> BoxFuture<'_, Result<Settled, Error>> {
        let (reply, settled) = oneshot::channel();
        let sent = self.commands.send(Command::Decline { lease, node: node.to_owned(), why, after, reply });
        Box::pin(async move {
            sent.map_err(|_| Error::Closed)?;
            Ok(settled.await.unwrap_or(Settled::Stale))
        })
    }

    fn is_wanted<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            let flags = self.arbiter.flags(&delivery.execution).await.map_err(Error::server)?;
            Ok(flags.want(delivery.incarnation))
        })
    }

    fn holds<'a>(&'a self, execution: &'a ExecutionId, lease: Lease) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move { self.check(execution, lease, None).await })
    }

    fn save_progress<'a>(
        &'a self,
        execution: &'a ExecutionId,
        lease: Lease,
        progress: Bytes,
    ) -> BoxFuture<'a, Result<Settled, Error>> {
        Box::pin(async move {
            Error::check_progress(&progress)?;
            self.has_progress(execution, lease.task);
            let is_held = self.check(execution, lease, Some(&progress)).await?;
            Ok(if is_held { Settled::Accepted } else { Settled::Stale })
        })
    }

    fn saved_progress<'a>(
        &'a self,
        execution: &'a ExecutionId,
        task: TaskId,
    ) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        Box::pin(async move {
            let saved = self.arbiter.saved_progress(execution, task).await.map_err(Error::server)?;
            if saved.is_some() {
                self.has_progress(execution, task);
            }
            Ok(saved)
        })
    }

    fn keep<'a>(
        &'a self,
        execution: &'a ExecutionId,
        file: &'a Path,
    ) -> BoxFuture<'a, Result<String, Error>> {
        Box::pin(self.shared.keep(execution, file))
    }
}

impl RemoteConsumer {
    /// Whether a lease is ours; progress is remembered if it is.
    async fn check(
        &self,
        execution: &ExecutionId,
        lease: Lease,
        progress: Option<&[u8]>,
    ) -> Result<bool, Error> {
        let held = Held { execution, task: lease.task, attempt: lease.token.attempt };
        let answer =
            self.arbiter.progress(lease.token.session, &held, progress).await.map_err(Error::server)?;
        if answer == Assertion::Lost {
            self.vitals.count(|counters| counters.late += 1);
        }
        Ok(answer == Assertion::Held)
    }

    fn has_progress(&self, execution: &ExecutionId, task: TaskId) {
        let mut progressed = self.progressed.lock().unwrap_or_else(PoisonError::into_inner);
        progressed.insert(task, execution.clone());
    }

    async fn forget_progress(&self, task: TaskId) {
        let execution = self.progressed.lock().unwrap_or_else(PoisonError::into_inner).remove(&task);
        if let Some(execution) = execution
            && let Err(error) = self.arbiter.forget_progress(&execution, task).await
        {
            // It goes by itself in the end.
            tracing::debug!(%task, %error, "cannot forget how far a task was");
        }
    }
}

/// A slot's place in the line. Dropped early it leaves the line, and a task that it was given just
/// before goes to another slot.
struct Place<'a> {
    commands: &'a mpsc::UnboundedSender<Command>,
    given: Option<oneshot::Receiver<Result<Option<Delivery>, Error>>>,
}

impl Place<'_> {
    async fn given(mut self) -> Result<Option<Delivery>, Error> {
        let Some(given) = &mut self.given else { return Ok(None) };
        let result = given.await;
        self.given = None;
        result.unwrap_or(Err(Error::Closed))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(given) = &mut self.given else { return };
        given.close();
        let command = match given.try_recv() {
            Ok(Ok(Some(delivery))) => Command::Refuse { task: delivery.lease.task },
            Ok(_) | Err(_) => Command::Leave,
        };
        // If the loop is gone, so is the session.
        let _ = self.commands.send(command);
    }
}
