//! The coordinator's side of the distributed broker, for one execution.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use protocol::{Envelope, ExecutionId, IdMap, IdSet, Outcome, Outcomes, Presence, SessionId, Task, TaskId};
use serde_bytes::ByteBuf;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::blobs;
use super::connect::Shared;
use super::copy::SIGNATURE;
use super::crash;
use super::sweep::{InFlight, sweep};
use crate::broker::{Error, News, Receipt, TaskProducer};
use crate::lease::Withdrawal;
use crate::rabbitmq::{Acks, Delivery, Subscription, Ticket};

/// Messages of outcomes that may be unacknowledged.
const PREFETCH: u16 = 2_048;
/// Outcomes wait in the broker while those that nobody has taken have more bytes than this.
const MOST_WAITING: usize = 32 << 20;
/// Most tasks that are published in one go.
const MOST_PUBLISHED: usize = 1_024;
/// How often workers are asked what they run.
const LOOK: Duration = Duration::from_secs(1);
/// How long sessions live after their last heartbeat, as workers have it by default.
const LEASE: Duration = Duration::from_secs(30);
/// Pause before something that failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Publishes one execution's tasks and hears what becomes of them.
pub struct RemoteProducer {
    core: Arc<Core>,
    acks: Acks,
    to_publish: mpsc::UnboundedSender<Arc<Task>>,
    last_receipt: AtomicU64,
    running: JoinSet<()>,
}

pub(super) struct Core {
    pub(super) shared: Arc<Shared>,
    pub(super) execution: ExecutionId,
    incarnation: u32,
    /// A std mutex: held for a few instructions, never across an await.
    desk: Mutex<Desk>,
    arrived: Notify,
    /// Told when news was taken.
    taken: Notify,
    /// Cancelled when no more outcomes are wanted.
    over: CancellationToken,
    /// Cancelled when none are being collected.
    deaf: CancellationToken,
}

#[derive(Default)]
pub(super) struct Desk {
    /// Tasks without an outcome.
    pub(super) in_flight: IdMap<TaskId, InFlight>,
    outcomes: Vec<Outcome>,
    /// Bytes of their values.
    bytes: usize,
    /// What the outcomes came in.
    ended: Ended,
    /// Tasks whose outcomes were told and whose messages are not acknowledged.
    reported: IdSet<TaskId>,
    /// What was told as leased.
    leased: IdSet<TaskId>,
    newly_leased: Vec<TaskId>,
    released: Vec<TaskId>,
    /// Deliveries of each piece of news that was told and not acknowledged.
    told: BTreeMap<Receipt, Ended>,
    /// Deliveries whose outcomes are recorded, until that is on the store's disk.
    recorded: VecDeque<(Instant, Ended)>,
    withdrawn: IdSet<TaskId>,
    /// Outcomes of earlier runs that do not count any more.
    void: IdMap<TaskId, Origin>,
    error: Option<String>,
}

/// Deliveries, and the tasks whose outcomes came in them.
#[derive(Default)]
struct Ended {
    tickets: Vec<Ticket>,
    tasks: Vec<TaskId>,
}

impl RemoteProducer {
    pub(super) async fn start(
        shared: Arc<Shared>,
        execution: ExecutionId,
        incarnation: u32,
    ) -> Result<Self, Error> {
        if incarnation > 1 {
            // All that is still wanted is published again; copies of earlier runs would only run it twice.
            shared.arbiter.end(&execution, incarnation - 1).await.map_err(Error::server)?;
        }
        let queue = shared.copies.names.outcome_queue(&execution);
        shared.declare(&queue).await.map_err(Error::server)?;
        let (subscription, acks) =
            shared.rabbit.subscribe(queue, format!("coordinator of {execution}"), PREFETCH);
        let core = Arc::new(Core {
            shared,
            execution,
            incarnation,
            desk: Mutex::default(),
            arrived: Notify::new(),
            taken: Notify::new(),
            over: CancellationToken::new(),
            deaf: CancellationToken::new(),
        });
        let (to_publish, publishing) = mpsc::unbounded_channel();
        let mut running = JoinSet::new();
        running.spawn(publish(Arc::clone(&core), publishing));
        running.spawn(collect(Arc::clone(&core), subscription, acks.clone()));
        running.spawn(look(Arc::clone(&core)));
        running.spawn(sweep(Arc::clone(&core), to_publish.clone()));
        running.spawn(acknowledge(Arc::clone(&core), acks.clone()));
        Ok(Self { core, acks, to_publish, last_receipt: AtomicU64::new(0), running })
    }
}

impl RemoteProducer {
    /// Makes tasks new that ended in an earlier run, with these outcomes, and are to run once more: with
    /// a fresh budget, and without an outcome that would only be repeated.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn revive(&self, ended: &[Arc<Outcome>]) -> Result<(), Error> {
        let Core { shared, execution, .. } = &*self.core;
        // The queue may still hold what an earlier coordinator recorded and did not acknowledge.
        self.core.desk().void.extend(ended.iter().map(|outcome| (outcome.task, Origin::of(outcome))));
        let tasks: Vec<TaskId> = ended.iter().map(|outcome| outcome.task).collect();
        shared.arbiter.forget(execution, &tasks).await.map_err(Error::server)
    }
}

/// Which attempt an outcome is of.
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    session: Option<SessionId>,
    attempt: u32,
    started_at_us: u64,
}

impl Origin {
    fn of(outcome: &Outcome) -> Self {
        Self { session: outcome.session, attempt: outcome.attempt, started_at_us: outcome.started_at_us }
    }
}

impl Drop for RemoteProducer {
    /// What is recorded need not be on the store's disk for us to leave in order.
    fn drop(&mut self) {
        self.running.abort_all();
        let recorded = std::mem::take(&mut self.core.desk().recorded);
        for ticket in recorded.into_iter().flat_map(|(_, ended)| ended.tickets) {
            self.acks.ack(ticket);
        }
    }
}

impl TaskProducer for RemoteProducer {
    fn publish(&self, tasks: Vec<Arc<Task>>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let mut again = Vec::new();
            let mut fresh = Vec::with_capacity(tasks.len());
            {
                let mut desk = self.core.desk();
                desk.check()?;
                for task in tasks {
                    if desk.in_flight.contains_key(&task.id) {
                        continue;
                    }
                    if desk.withdrawn.remove(&task.id) {
                        again.push(task.id);
                    }
                    let patience = self.core.shared.resend_after;
                    desk.in_flight.insert(task.id, InFlight::new(Arc::clone(&task), patience));
                    fresh.push(task);
                }
            }
            if !again.is_empty() {
                self.core
                    .shared
                    .arbiter
                    .restore(&self.core.execution, &again)
                    .await
                    .map_err(Error::server)?;
            }
            for task in fresh {
                self.to_publish.send(task).map_err(|_| Error::Closed)?;
            }
            Ok(())
        })
    }

    fn withdraw(&self) -> BoxFuture<'_, Result<Vec<TaskId>, Error>> {
        Box::pin(async move {
            let core = &self.core;
            let ids: Vec<TaskId> = core.desk().in_flight.keys().copied().collect();
            if ids.is_empty() {
                return Ok(ids);
            }
            // Also what a worker has leased and not begun is not to begin.
            let stopped = core.shared.arbiter.stop(&core.execution, core.incarnation).await;
            stopped.map_err(Error::server)?;
            let answers = core.shared.arbiter.withdraw(&core.execution, core.incarnation, &ids).await;
            let answers = answers.map_err(Error::server)?;
            let withdrawn: Vec<_> = ids
                .into_iter()
                .zip(answers)
                .filter_map(|(id, answer)| (answer == Withdrawal::Withdrawn).then_some(id))
                .collect();
            let mut desk = core.desk();
            for id in &withdrawn {
                desk.in_flight.remove(id);
                desk.leased.remove(id);
                desk.withdrawn.insert(*id);
            }
            Ok(withdrawn)
        })
    }

    fn news(&self) -> BoxFuture<'_, Result<News, Error>> {
        Box::pin(async move {
            loop {
                if let Some(news) = self.core.desk().take_news(&self.last_receipt)? {
                    self.core.taken.notify_one();
                    return Ok(news);
                }
                // A stale permit only costs one more turn: what counts is the desk.
                self.core.arrived.notified().await;
            }
        })
    }

    fn acknowledge(&self, receipt: Receipt) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let mut desk = self.core.desk();
            let later = desk.told.split_off(&Receipt(receipt.0 + 1));
            let done = std::mem::replace(&mut desk.told, later);
            let due = Instant::now() + self.core.shared.ack_delay;
            desk.recorded.extend(done.into_values().map(|ended| (due, ended)));
            let tickets = desk.due(Instant::now());
            drop(desk);
            tickets.into_iter().for_each(|ticket| self.acks.ack(ticket));
            Ok(())
        })
    }

    fn end(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let core = &self.core;
            // A queue that is deleted while somebody subscribes to it takes the connection with it.
            core.over.cancel();
            core.deaf.cancelled().await;
            core.shared.arbiter.end(&core.execution, core.incarnation).await.map_err(Error::server)?;
            core.shared.blobs().forget(&core.execution).await.map_err(Error::server)?;
            core.shared
                .rabbit
                .delete(&core.shared.copies.names.outcomes(&core.execution))
                .await
                .map_err(Error::server)
        })
    }

    fn trouble(&self) -> Option<String> {
        self.core.shared.trouble()
    }
}

impl Core {
    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        // Nothing panics while it is held; were it otherwise, each step leaves the desk whole.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until what was heard and not taken has few bytes.
    async fn make_room(&self) {
        while self.desk().bytes > MOST_WAITING {
            self.arrived.notify_one();
            // A stale permit only costs one more look.
            self.taken.notified().await;
        }
    }
}

impl Desk {
    fn check(&self) -> Result<(), Error> {
        match &self.error {
            Some(error) => Err(Error::server(std::io::Error::other(error.clone()))),
            None => Ok(()),
        }
    }

    fn take_news(&mut self, last: &AtomicU64) -> Result<Option<News>, Error> {
        if self.outcomes.is_empty() && self.newly_leased.is_empty() && self.released.is_empty() {
            return self.check().map(|()| None);
        }
        self.bytes = 0;
        let receipt = Receipt(last.fetch_add(1, Ordering::Relaxed) + 1);
        self.told.insert(receipt, std::mem::take(&mut self.ended));
        Ok(Some(News {
            receipt,
            outcomes: std::mem::take(&mut self.outcomes),
            leased: std::mem::take(&mut self.newly_leased),
            released: std::mem::take(&mut self.released),
        }))
    }

    fn report(&mut self, outcome: Outcome) {
        if self.void.get(&outcome.task).is_some_and(|void| *void == Origin::of(&outcome)) {
            return;
        }
        let was_in_flight = self.in_flight.remove(&outcome.task).is_some();
        let is_new = self.reported.insert(outcome.task);
        if !was_in_flight && !is_new {
            // The broker tells again what we have not acknowledged yet.
            return;
        }
        self.ended.tasks.push(outcome.task);
        if self.leased.remove(&outcome.task) {
            self.newly_leased.retain(|task| *task != outcome.task);
        }
        self.bytes += outcome.value().map_or(0, |value| value.as_bytes().len());
        self.outcomes.push(outcome);
    }

    /// What may be acknowledged by now.
    fn due(&mut self, now: Instant) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        while self.recorded.front().is_some_and(|(moment, _)| *moment <= now) {
            let Some((_, ended)) = self.recorded.pop_front() else { break };
            ended.tasks.iter().for_each(|task| {
                self.reported.remove(task);
            });
            tickets.extend(ended.tickets);
        }
        tickets
    }

    /// Compares what workers run with what was told.
    fn look(&mut self, running: &IdSet<TaskId>, now: Instant) {
        for task in running {
            if let Some(in_flight) = self.in_flight.get_mut(task) {
                in_flight.is_there(now);
                if self.leased.insert(*task) {
                    self.newly_leased.push(*task);
                }
            }
        }
        let gone: Vec<_> = self.leased.iter().filter(|task| !running.contains(task)).copied().collect();
        for task in gone {
            self.leased.remove(&task);
            if self.in_flight.contains_key(&task) {
                self.released.push(task);
            }
        }
    }
}

/// Publishes what is asked for, as much at once as has gathered.
async fn publish(core: Arc<Core>, mut tasks: mpsc::UnboundedReceiver<Arc<Task>>) {
    let mut batch = Vec::new();
    while tasks.recv_many(&mut batch, MOST_PUBLISHED).await > 0 {
        let mut messages = Vec::with_capacity(batch.len());
        for task in batch.drain(..) {
            loop {
                match core.shared.copies.make(&core.execution, core.incarnation, Arc::clone(&task)).await {
                    Ok(copy) => break messages.push(core.shared.copies.to_work(&copy)),
                    Err(super::copy::MakeError::Blob(
                        error @ (blobs::Error::Redis(_) | blobs::Error::File { .. }),
                    )) => {
                        tracing::warn!(task = %task.id, error = &error as &dyn std::error::Error, "cannot put large arguments aside now; trying again");
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(error) => break fail(&core, &task, &error.to_string()),
                }
            }
        }
        for message in &messages {
            // If it cannot be, publishing says why.
            let _ = core.shared.declare(&message.queue).await;
        }
        crash::point("publishing");
        if let Err(error) = core.shared.rabbit.publish(messages).await {
            core.desk().error = Some(error.to_string());
            core.arrived.notify_one();
            return;
        }
        crash::point("published");
    }
}

/// A task that cannot travel has failed.
fn fail(core: &Core, task: &Task, why: &str) {
    let failure =
        protocol::Failure::new(protocol::Cause::Permanent, format!("the task cannot be published: {why}"));
    let mut outcome = Outcome::cancelled(task.id);
    outcome.ending = protocol::Ending::Failed(failure);
    core.desk().report(outcome);
    core.arrived.notify_one();
}

/// Hears outcomes.
async fn collect(core: Arc<Core>, subscription: Subscription, acks: Acks) {
    let _deaf = core.deaf.clone().drop_guard();
    tokio::select! {
        () = hear(&core, subscription, acks) => {}
        () = core.over.cancelled() => {}
    }
}

async fn hear(core: &Core, mut subscription: Subscription, acks: Acks) {
    while let Some(delivery) = subscription.next().await {
        match parts(core, &delivery) {
            Ok(parts) => {
                for part in parts {
                    core.make_room().await;
                    if let Some(outcome) = open_part(core, &part).await {
                        core.desk().report(outcome);
                    }
                }
                crash::point("collected");
                core.desk().ended.tickets.push(delivery.ticket);
                core.arrived.notify_one();
            }
            Err(reason) => {
                tracing::warn!(execution = %core.execution, reason, "a message of outcomes cannot be taken; it is put aside");
                let queue = core.shared.copies.names.outcomes(&core.execution);
                if core.shared.bury(&delivery, &queue, &reason).await {
                    acks.ack(delivery.ticket);
                }
            }
        }
    }
}

/// The outcomes in a message, each encoded or a reference.
fn parts(core: &Core, delivery: &Delivery) -> Result<Vec<ByteBuf>, String> {
    let copies = &core.shared.copies;
    if let Some(key) = &copies.key {
        let queue = copies.names.outcomes(&core.execution);
        let signature = delivery.bytes(SIGNATURE);
        if !signature.is_some_and(|signature| key.verifies(&[queue.as_bytes(), &delivery.body], signature)) {
            return Err("it is not signed with this installation's key".to_owned());
        }
    }
    let envelope = Envelope::<Outcomes>::decode(&delivery.body).map_err(|error| error.to_string())?;
    if envelope.execution != core.execution {
        return Err(format!("it is for execution {}", envelope.execution));
    }
    Ok(envelope.body.0)
}

/// One outcome; `None` if it cannot be read. Others in the message can, and its task is looked for when
/// nothing has been heard of it for long.
async fn open_part(core: &Core, part: &[u8]) -> Option<Outcome> {
    let decoded = loop {
        match core.shared.blobs().get(&core.execution, part).await {
            Ok(None) => break protocol::decode_part(part),
            Ok(Some(bytes)) => break protocol::decode_part(&bytes),
            Err(error @ (blobs::Error::Redis(_) | blobs::Error::File { .. })) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot read a large value now; trying again"
                );
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => {
                tracing::error!(execution = %core.execution, error = &error as &dyn std::error::Error, "an outcome is lost; its task runs again");
                return None;
            }
        }
    };
    decoded
        .inspect_err(
            |error| tracing::error!(execution = %core.execution, %error, "an outcome cannot be read"),
        )
        .ok()
}

/// Asks workers what they run.
async fn look(core: Arc<Core>) {
    let mut lease = LEASE;
    loop {
        tokio::time::sleep(LOOK.min(lease / 3)).await;
        // Somebody must look after the dead even when no worker is left to do it.
        if let Err(error) = core.shared.arbiter.expire(lease).await {
            tracing::debug!(%error, "cannot look for sessions that have ended");
            continue;
        }
        if core.desk().in_flight.is_empty() {
            continue;
        }
        let sessions = match core.shared.arbiter.sessions().await {
            Ok(sessions) => sessions,
            Err(error) => {
                tracing::debug!(%error, "cannot ask what workers run");
                continue;
            }
        };
        let presences: Vec<Presence> =
            sessions.iter().filter_map(|session| protocol::decode_part(&session.info).ok()).collect();
        // The dead are looked for as often as the most impatient of the living wants it.
        lease = presences.iter().map(|presence| presence.session.lease).min().unwrap_or(lease);
        let running = presences
            .into_iter()
            .flat_map(|presence| presence.running)
            .filter(|running| running.execution == core.execution)
            .map(|running| running.task)
            .collect();
        core.desk().look(&running, Instant::now());
        core.arrived.notify_one();
    }
}

/// Acknowledges outcomes once the store has had time to write them to its disk.
async fn acknowledge(core: Arc<Core>, acks: Acks) {
    let pause = (core.shared.ack_delay / 4).max(Duration::from_millis(50));
    loop {
        tokio::time::sleep(pause).await;
        let due = core.desk().due(Instant::now());
        due.into_iter().for_each(|ticket| acks.ack(ticket));
    }
}
