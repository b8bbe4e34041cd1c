//! The broker's handle, and what its parts share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::{ExecutionId, Session};

use super::board::{Board, Handover};
use super::consumer::EmbeddedConsumer;
use super::inbox::Inbox;
use super::job::Job;
use super::producer::EmbeddedProducer;
use super::slots::{Slots, Tick};
use super::sweeper::Sweeper;

/// A broker in this process's memory. Cloning is cheap; all clones are one broker.
///
/// Its tasks die with the process. That loses nothing: what has no durable outcome is expanded and
/// published again when the execution is resumed.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedBroker {
    broker: Arc<Broker>,
}

/// What producers, consumers and the sweeper share. Locks are taken in the order of the fields, and
/// none is held across an await.
#[derive(Debug, Default)]
pub(super) struct Broker {
    inboxes: Mutex<HashMap<ExecutionId, Arc<Inbox>>>,
    slots: Mutex<Vec<Arc<Slots>>>,
    board: Mutex<Board>,
    now: AtomicU32,
    pub(super) sweeper: Sweeper,
}

impl EmbeddedBroker {
    /// An open broker without tasks.
    pub fn new() -> Self {
        Self::default()
    }

    /// The coordinator's side. What an earlier producer of this execution was told but did not
    /// acknowledge is told again.
    pub fn producer(&self, execution: ExecutionId) -> EmbeddedProducer {
        let inbox = {
            let mut inboxes = lock(&self.broker.inboxes);
            let inbox = inboxes.entry(execution.clone()).or_insert_with(|| Arc::new(Inbox::new(execution)));
            if self.broker.board().is_closed() {
                inbox.close();
            }
            Arc::clone(inbox)
        };
        for slots in lock(&self.broker.slots).iter() {
            slots.forget_told(&inbox);
        }
        inbox.rewind();
        EmbeddedProducer { broker: Arc::clone(&self.broker), inbox }
    }

    /// A worker's side: takes tasks of the session's worker types, or of all if it names none, and
    /// keeps files in the directory `kept`. When it is dropped, what it had leased counts as lost.
    pub fn consumer(&self, session: Session, kept: PathBuf) -> EmbeddedConsumer {
        let wanted = session.worker_types.as_slice().into();
        let slots = Arc::new(Slots::new(session));
        lock(&self.broker.slots).push(Arc::clone(&slots));
        EmbeddedConsumer {
            broker: Arc::clone(&self.broker),
            slots,
            wanted,
            kept,
            progressed: Mutex::default(),
        }
    }

    /// Closes it for good: tasks that nobody has leased are dropped, leases come to an end, and
    /// producers get the news that there is and then an error.
    pub fn close(&self) {
        self.broker.board().close();
        for inbox in lock(&self.broker.inboxes).values() {
            inbox.close();
        }
        self.broker.sweeper.wake();
    }
}

impl Broker {
    pub(super) fn board(&self) -> MutexGuard<'_, Board> {
        lock(&self.board)
    }

    pub(super) fn now(&self) -> Tick {
        self.now.load(Ordering::Relaxed)
    }

    /// Begins a new tick: tells which leases have lasted.
    pub(super) fn tick(&self) {
        let now = self.now.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        for slots in lock(&self.slots).iter() {
            slots.tell(now);
        }
    }

    /// Puts tasks at the head of their queues.
    pub(super) fn queue_first(&self, jobs: Vec<Job>) {
        let handovers = self.board().add_first(jobs);
        self.hand_over(handovers);
    }

    /// Sends tasks to the workers that wait for them.
    pub(super) fn hand_over(&self, mut handovers: Vec<Handover>) {
        // A worker that left meanwhile makes another turn, with one worker less in the line.
        while !handovers.is_empty() {
            let refused: Vec<_> =
                handovers.into_iter().filter_map(|handover| handover.send().err()).collect();
            handovers = if refused.is_empty() { Vec::new() } else { self.board().add_first(refused) };
        }
    }

    /// Forgets a consumer.
    pub(super) fn remove(&self, slots: &Arc<Slots>) {
        lock(&self.slots).retain(|other| !Arc::ptr_eq(other, slots));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while a lock is held; were it otherwise, each step leaves the state whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
