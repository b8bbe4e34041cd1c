//! What a worker begins in the time that it has left: nothing that in all likelihood takes longer, as long as
//! another worker may have the time.

use std::time::{Duration, Instant};

use crate::decline::MOST;

/// A worker of which this part of its time is left has just started.
const FRESH: f64 = 0.75;

/// The time in which a worker takes tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) begins_at: Instant,
    /// From then on it takes no more tasks, and those that run should end.
    pub(crate) drains_at: Instant,
}

/// What a decision is made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    /// How long the task takes in all likelihood.
    pub(crate) expected: Duration,
    /// How long this worker goes on.
    pub(crate) left: Duration,
    /// How long it was to go on when it started.
    pub(crate) whole: Duration,
    /// How often workers have left the task to others.
    pub(crate) declined: u32,
    /// Whether another live worker has the time.
    pub(crate) fits_elsewhere: bool,
}

/// What becomes of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    Begin,
    /// It will hardly end in time, but nobody is known who has more.
    BeginAnyway,
    Decline,
}

impl Lifetime {
    pub(crate) fn left(&self) -> Duration {
        self.drains_at.saturating_duration_since(Instant::now())
    }

    pub(crate) fn whole(&self) -> Duration {
        self.drains_at.saturating_duration_since(self.begins_at)
    }
}

/// What becomes of a task about whose length something is known.
pub(crate) fn choose(facts: &Facts) -> Choice {
    let Facts { expected, left, whole, declined, fits_elsewhere } = *facts;
    if expected <= left {
        Choice::Begin
    } else if declined >= MOST || !fits_elsewhere && left >= whole.mul_f64(FRESH) {
        Choice::BeginAnyway
    } else {
        Choice::Decline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_for_who_has_the_time_or_has_just_started() {
        use Choice::{Begin, BeginAnyway, Decline};
        const MINUTE: Duration = Duration::from_secs(60);
        // A worker of an hour: minutes expected, minutes left, times declined, fits elsewhere.
        let table = [
            ((5, 60, 0, false), Begin),
            ((60, 60, 0, true), Begin),
            ((5, 5, 0, true), Begin),
            ((6, 5, 0, true), Decline),
            ((6, 5, 0, false), Decline),
            ((6, 5, MOST - 1, true), Decline),
            // Nobody has taken it for so long.
            ((6, 5, MOST, true), BeginAnyway),
            ((6, 5, MOST, false), BeginAnyway),
            // It is longer than any worker's time: one that has just started runs it.
            ((600, 60, 0, false), BeginAnyway),
            ((600, 46, 0, false), BeginAnyway),
            ((600, 44, 0, false), Decline),
            ((600, 60, 0, true), Decline),
        ];
        for ((expected, left, declined, fits_elsewhere), wanted) in table {
            let (expected, left) = (expected * MINUTE, left * MINUTE);
            let facts = Facts { expected, left, whole: 60 * MINUTE, declined, fits_elsewhere };
            assert_eq!(choose(&facts), wanted, "{facts:?}");
        }
    }
}
