//! What the slots do and have done, readable while they work.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::places::Places;

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
    /// One for each loop that takes tasks.
    slots: Box<[Tally]>,
    places: usize,
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
    is_waiting: AtomicBool,
}

/// An attempt that waits; ends when dropped.
pub(crate) struct Waits<'a>(&'a Tally);

impl Activity {
    pub(crate) fn new(slots: usize) -> Self {
        let users = Places::users(slots);
        Self { slots: (0..users).map(|_| Tally::default()).collect(), places: slots }
    }

    /// The tally of one slot.
    pub(crate) fn slot(&self, number: usize) -> &Tally {
        &self.slots[number]
    }

    /// How many slots there are.
    pub(crate) fn slots(&self) -> usize {
        self.places
    }

    /// How many tasks have been begun, or wait to be, and have not ended.
    pub(crate) fn busy(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_running.load(Ordering::Relaxed)).count()
    }

    /// How many tasks wait for semaphores before they begin.
    pub(crate) fn waiting(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_waiting.load(Ordering::Relaxed)).count()
    }

    /// How many tasks run.
    pub(crate) fn running(&self) -> usize {
        self.busy().saturating_sub(self.waiting())
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

    /// The attempt waits before it begins, until this is dropped.
    pub(crate) fn wait(&self) -> Waits<'_> {
        self.is_waiting.store(true, Ordering::Relaxed);
        Waits(self)
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

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.is_waiting.store(false, Ordering::Relaxed);
    }
}

/// Adds one; there is one writer only.
fn increment(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}
