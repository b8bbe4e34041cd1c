//! How a semaphore is used by this process: how often, how long waited for, how long held.

use std::time::Duration;

/// How a semaphore is used. Moments are counted from the process's start.
#[derive(Debug, Default)]
pub(super) struct Usage {
    acquisitions: u64,
    waiting: Now,
    holding: Now,
}

/// How many do something now, and how long that was done by those who have ended.
#[derive(Debug, Default)]
struct Now {
    count: u32,
    /// Of the moments at which they began.
    sum_of_starts: Duration,
    ended: Duration,
}

impl Now {
    fn begin(&mut self, at: Duration) {
        self.count += 1;
        self.sum_of_starts += at;
    }

    fn end(&mut self, began: Duration, at: Duration) {
        self.count -= 1;
        self.sum_of_starts -= began;
        self.ended += at.saturating_sub(began);
    }

    fn total(&self, at: Duration) -> Duration {
        self.ended + (at * self.count).saturating_sub(self.sum_of_starts)
    }
}

impl Usage {
    pub(super) fn begin_waiting(&mut self, at: Duration) {
        self.waiting.begin(at);
    }

    pub(super) fn end_waiting(&mut self, began: Duration, at: Duration) {
        self.waiting.end(began, at);
    }

    pub(super) fn begin_holding(&mut self, at: Duration) {
        self.acquisitions += 1;
        self.holding.begin(at);
    }

    pub(super) fn end_holding(&mut self, began: Duration, at: Duration) {
        self.holding.end(began, at);
    }

    /// How many wait and how many hold it now.
    pub(super) fn now(&self) -> (u32, u32) {
        (self.waiting.count, self.holding.count)
    }

    /// How often it was had, and how long it was waited for and held, also by those who do so now.
    pub(super) fn totals(&self, at: Duration) -> (u64, Duration, Duration) {
        (self.acquisitions, self.waiting.total(at), self.holding.total(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_summed_over_all_and_up_to_now() {
        let at = Duration::from_secs;
        let mut usage = Usage::default();
        usage.begin_waiting(at(1));
        usage.begin_waiting(at(2));
        assert_eq!((usage.now(), usage.totals(at(4))), ((2, 0), (0, at(5), at(0))));
        usage.end_waiting(at(1), at(4));
        usage.begin_holding(at(4));
        assert_eq!((usage.now(), usage.totals(at(6))), ((1, 1), (1, at(7), at(2))));
        usage.end_holding(at(4), at(10));
        usage.end_waiting(at(2), at(3));
        assert_eq!((usage.now(), usage.totals(at(20))), ((0, 0), (1, at(4), at(6))));
    }
}
