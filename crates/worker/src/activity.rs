//! What the slots do and have done, readable while they work.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
    /// Tasks that were left to other workers before they were begun.
    pub declined: u64,
    /// Attempts that counted for nothing, because their lease had been lost.
    pub stale: u64,
}

/// What becomes of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Succeeded,
    Failed,
    Retried,
    Preempted,
    Declined,
    Stale,
}

/// The tallies of all slots. They outlive sessions.
#[derive(Debug)]
pub(crate) struct Activity {
    slots: Box<[Tally]>,
}

/// The tally of one slot. Only that slot writes it, so a count needs no locked instruction; the
/// alignment keeps slots off each other's cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Tally {
    leased: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    retried: AtomicU64,
    preempted: AtomicU64,
    declined: AtomicU64,
    stale: AtomicU64,
    is_running: AtomicBool,
}

impl Activity {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots: (0..slots).map(|_| Tally::default()).collect() }
    }

    /// The tally of one slot.
    pub(crate) fn slot(&self, number: usize) -> &Tally {
        &self.slots[number]
    }

    /// How many slots there are.
    pub(crate) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// How many slots run a task.
    pub(crate) fn running(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_running.load(Ordering::Relaxed)).count()
    }

    /// How many attempts have begun.
    pub(crate) fn leased(&self) -> u64 {
        self.sum(|slot| &slot.leased)
    }

    /// How attempts have ended.
    pub(crate) fn report(&self) -> Report {
        Report {
            succeeded: self.sum(|slot| &slot.succeeded),
            failed: self.sum(|slot| &slot.failed),
            retried: self.sum(|slot| &slot.retried),
            preempted: self.sum(|slot| &slot.preempted),
            declined: self.sum(|slot| &slot.declined),
            stale: self.sum(|slot| &slot.stale),
        }
    }

    fn sum(&self, counter: impl Fn(&Tally) -> &AtomicU64) -> u64 {
        self.slots.iter().map(|slot| counter(slot).load(Ordering::Relaxed)).sum()
    }
}

impl Tally {
    /// An attempt begins.
    pub(crate) fn begin(&self) {
        increment(&self.leased);
        self.is_running.store(true, Ordering::Relaxed);
    }

    /// The operation has returned.
    pub(crate) fn pause(&self) {
        self.is_running.store(false, Ordering::Relaxed);
    }

    /// The end of an attempt has been reported.
    pub(crate) fn count(&self, end: End) {
        increment(match end {
            End::Succeeded => &self.succeeded,
            End::Failed => &self.failed,
            End::Retried => &self.retried,
            End::Preempted => &self.preempted,
            End::Declined => &self.declined,
            End::Stale => &self.stale,
        });
    }
}

/// Adds one; there is one writer only.
fn increment(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}
