//! What a session knows of its own health, shared between its loop, its heartbeat and whoever asks.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use protocol::{Running, SemaphoreName};
use tokio::sync::watch;

/// Where a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is renewed.
    Alive,
    /// It ended: others took it for dead, or it left.
    Ended,
}

/// Numbers of one session, for metrics. All count from its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Deliveries that came from task queues.
    pub delivered: u64,
    /// Attempts that were leased.
    pub leased: u64,
    /// Tasks ended with an accepted outcome.
    pub completed: u64,
    /// Attempts handed back for another one.
    pub released: u64,
    /// Ends that counted for nothing because the lease had been lost.
    pub stale: u64,
    /// Files and progress of attempts that were refused because the lease had been lost.
    pub late: u64,
    /// Copies put aside because another session had the task.
    pub parked: u64,
    /// Copies of long tasks put aside so that no delivery is held for long.
    pub handed_over: u64,
    /// Messages put aside because they could not be read.
    pub refused: u64,
    /// Tasks ended because they had killed too many workers.
    pub poisoned: u64,
}

/// What a worker has, for others that may lack it.
#[derive(Debug, Clone, Default)]
pub struct Means {
    /// When it will stop to take tasks, if that is known.
    pub drains_at: Option<Instant>,
    /// Semaphores besides those that every worker has.
    pub semaphores: Vec<SemaphoreName>,
}

/// What a session knows of its own health.
#[derive(Debug)]
pub struct Vitals {
    started: Instant,
    /// Milliseconds after `started` at which the loop last turned.
    turned_ms: AtomicU64,
    /// Milliseconds after `started` at which the session was last renewed.
    renewed_ms: AtomicU64,
    /// The store's clock minus ours, in milliseconds.
    offset_ms: AtomicI64,
    /// How often Redis was seen to have lost writes.
    pub(super) losses: watch::Sender<u64>,
    pub(super) standing: watch::Sender<Standing>,
    pub(super) draining: AtomicBool,
    pub(super) subscribed: AtomicBool,
    means: Means,
    /// Std mutexes: held for a few instructions.
    pub(super) running: Mutex<Vec<Running>>,
    pub(super) counters: Mutex<Counters>,
}

impl Vitals {
    pub(super) fn new(means: Means) -> Self {
        Self {
            started: Instant::now(),
            turned_ms: AtomicU64::new(0),
            renewed_ms: AtomicU64::new(0),
            offset_ms: AtomicI64::new(0),
            losses: watch::Sender::new(0),
            standing: watch::Sender::new(Standing::Alive),
            draining: AtomicBool::new(false),
            subscribed: AtomicBool::new(false),
            means,
            running: Mutex::default(),
            counters: Mutex::default(),
        }
    }

    /// How long ago the session's loop last turned.
    pub fn since_turn(&self) -> Duration {
        self.since(&self.turned_ms)
    }

    /// How long ago the session was last renewed.
    pub fn since_renewal(&self) -> Duration {
        self.since(&self.renewed_ms)
    }

    /// Where the session is.
    pub fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// Whether tasks are being waited for, or all slots are busy.
    pub fn is_subscribed(&self) -> bool {
        self.subscribed.load(Ordering::Relaxed)
    }

    /// Whether no more tasks are taken.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// How long tasks will be taken yet, if that has a known end.
    pub(super) fn drains_in(&self) -> Option<Duration> {
        self.means.drains_at.map(|moment| moment.saturating_duration_since(Instant::now()))
    }

    pub(super) fn semaphores(&self) -> Vec<SemaphoreName> {
        self.means.semaphores.clone()
    }

    /// The numbers so far.
    pub fn counters(&self) -> Counters {
        *self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many tasks have been running for a while, at most [`protocol::Presence::MOST_RUNNING`].
    pub fn running(&self) -> Vec<Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The store's clock, in milliseconds since 1970.
    pub(super) fn store_now_ms(&self) -> u64 {
        now_ms().saturating_add_signed(self.offset_ms.load(Ordering::Relaxed))
    }

    pub(super) fn turned(&self) {
        self.turned_ms.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    pub(super) fn renewed(&self, store_now_ms: u64) {
        self.renewed_ms.store(self.started.elapsed().as_millis() as u64, Ordering::Relaxed);
        self.offset_ms.store(store_now_ms as i64 - now_ms() as i64, Ordering::Relaxed);
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn since(&self, at: &AtomicU64) -> Duration {
        self.started.elapsed().saturating_sub(Duration::from_millis(at.load(Ordering::Relaxed)))
    }
}

fn now_ms() -> u64 {
    protocol::to_unix_micros(std::time::SystemTime::now()) / 1000
}
