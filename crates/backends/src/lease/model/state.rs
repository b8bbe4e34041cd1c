//! What the whole system looks like at an instant: one task, its copies, two workers, Redis, a coordinator.

use bytes::Bytes;
use protocol::SessionId;
use uuid::Uuid;

use crate::lease::record::Record;
use crate::lease::transition::Change;
use crate::lease::world::World;

/// Time stands still; sessions that are not renewed have this expiry, and so are late.
pub(super) const LATE_MS: u64 = 0;
pub(super) const NOW_MS: u64 = 1000;
pub(super) const LEASE_MS: u64 = 10;
/// How many earlier states Redis may fall back to.
const PAST: usize = 2;

/// Names the attempt that an outcome came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Told {
    pub(super) attempt: u8,
    pub(super) session: u8,
}

impl Told {
    pub(super) fn encode(self) -> Bytes {
        Bytes::copy_from_slice(&[self.attempt, self.session])
    }

    pub(super) fn decode(outcome: &[u8]) -> Self {
        Self { attempt: outcome[0], session: outcome[1] }
    }
}

/// Where a worker is with the copy it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Idle,
    Claiming,
    /// Others have the task, or an outcome was refused: the copy is to be put aside.
    Parking,
    Running,
    /// It has an outcome that Redis does not know.
    Ended,
    /// It has an outcome that Redis knows, or got it from there.
    Telling(Told),
    /// It leaves: the lease goes back.
    Releasing,
    /// A fresh copy goes back to the queue.
    SendingBack,
    /// The copy is done with.
    Acking,
    /// The same, in a mutant that has not told the outcome yet.
    AckingFirst(Told),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Worker {
    pub(super) step: Step,
    /// Whether the broker waits for its acknowledgement of a copy.
    pub(super) holds: bool,
    pub(super) attempt: u32,
    pub(super) session: u8,
    /// Not after it froze or died.
    pub(super) is_renewing: bool,
    /// Whether a copy of its running task was put aside.
    pub(super) has_handed_over: bool,
}

/// What Redis knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Redis {
    pub(super) record: Option<Record>,
    pub(super) world: World,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Snapshot {
    /// Copies in the work queue.
    pub(super) queued: u8,
    /// Copies put aside.
    pub(super) parked: u8,
    pub(super) workers: [Worker; 2],
    pub(super) redis: Redis,
    /// What Redis was before, oldest first.
    pub(super) past: Vec<Redis>,
    /// Outcomes in their queue.
    pub(super) outcomes: Vec<Told>,
    /// Outcomes delivered to the coordinator and not acknowledged.
    pub(super) unacked: Vec<Told>,
    /// What the coordinator knows.
    pub(super) known: Option<Told>,
    /// What it would know after a crash.
    pub(super) durable: Option<Told>,
    /// How many outcomes were accepted and not forgotten in a crash.
    pub(super) accepted: u8,
    /// How often the task ran to its end.
    pub(super) runs: u8,
    pub(super) faults: u8,
    /// Number of the latest session.
    pub(super) sessions: u8,
}

pub(super) fn id(session: u8) -> SessionId {
    SessionId::from_uuid(Uuid::from_u128(session.into()))
}

impl Snapshot {
    /// One copy is queued and two workers wait.
    pub(super) fn first() -> Self {
        let worker = |session| Worker {
            step: Step::Idle,
            holds: false,
            attempt: 0,
            session,
            is_renewing: true,
            has_handed_over: false,
        };
        let mut first = Self {
            queued: 1,
            parked: 0,
            workers: [worker(1), worker(2)],
            redis: Redis::default(),
            past: Vec::new(),
            outcomes: Vec::new(),
            unacked: Vec::new(),
            known: None,
            durable: None,
            accepted: 0,
            runs: 0,
            faults: 0,
            sessions: 2,
        };
        first.redis.register(1);
        first.redis.register(2);
        first
    }

    /// Copies of the obligation, in whatever form.
    pub(super) fn copies(&self) -> usize {
        let held = self.workers.iter().filter(|worker| worker.holds).count();
        usize::from(self.queued) + usize::from(self.parked) + held + self.outcomes.len() + self.unacked.len()
    }

    /// Lets Redis change the record, and remembers what was before.
    pub(super) fn change(&mut self, change: Change) {
        let record = match change {
            Change::Keep => return,
            Change::Delete => None,
            // The losses themselves are evidence for people; their number decides.
            Change::Put { record, .. } => Some(Record { losses: Vec::new(), ..record }),
        };
        if record != self.redis.record {
            self.past.push(self.redis.clone());
            if self.past.len() > PAST {
                self.past.remove(0);
            }
            self.redis.record = record;
        }
    }
}

impl Redis {
    pub(super) fn register(&mut self, session: u8) {
        self.world.register(id(session), NOW_MS, LEASE_MS, b"");
        // It only grows, and is compared by nobody here.
        self.world.canary = 0;
    }
}
