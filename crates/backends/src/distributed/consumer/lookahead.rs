//! How many tasks to fetch ahead of free slots: none, unless tasks are so short that waiting for each
//! would take longer than running it.

use std::time::{Duration, Instant};

/// Fetched tasks should keep the slots busy for about so long.
const HORIZON: Duration = Duration::from_millis(50);
/// Tasks that take longer are never fetched ahead.
const SHORT: Duration = Duration::from_millis(20);
/// Most tasks that are fetched ahead.
const MOST: u32 = 1024;
/// The same among junk, of which each message may suddenly be large.
const MOST_JUNK: u32 = 64;
/// The same among large junk.
const MOST_LARGE_JUNK: u32 = 16;
/// Junk of more bytes is large.
const LARGE: usize = 64 * 1024;
/// Junk is forgotten after so many messages without, and large junk likewise.
const FORGOTTEN: u32 = 64;
/// How long nothing is fetched ahead after it proved wrong.
const COOL_DOWN: Duration = Duration::from_secs(1);
/// So many attempts must have ended before anything is concluded.
const ENOUGH: u32 = 8;

/// Learns how long tasks take.
#[derive(Debug)]
pub(super) struct Lookahead {
    slots: u32,
    /// Exponentially weighted mean of durations, in seconds.
    mean: f64,
    seen: u32,
    /// After how many more messages it forgets that there was junk, and that some was large.
    junk: u32,
    large_junk: u32,
    not_before: Option<Instant>,
}

impl Lookahead {
    pub(super) fn new(slots: u32) -> Self {
        Self { slots: slots.max(1), mean: 0.0, seen: 0, junk: 0, large_junk: 0, not_before: None }
    }

    /// An attempt took so long.
    pub(super) fn learn(&mut self, duration: Duration) {
        self.junk = self.junk.saturating_sub(1);
        self.large_junk = self.large_junk.saturating_sub(1);
        self.average(duration);
    }

    /// A message of so many bytes was no task. That takes no time of a slot, but such may be large; the
    /// first ones are taken to be.
    pub(super) fn learn_of_junk(&mut self, bytes: usize) {
        let is_large = bytes > LARGE || self.junk == 0;
        self.large_junk = if is_large { FORGOTTEN } else { self.large_junk.saturating_sub(1) };
        self.junk = FORGOTTEN;
        self.average(Duration::ZERO);
    }

    fn average(&mut self, duration: Duration) {
        let weight = if self.seen < ENOUGH { 1.0 / f64::from(self.seen + 1) } else { 0.05 };
        self.mean += (duration.as_secs_f64() - self.mean) * weight;
        self.seen = self.seen.saturating_add(1);
    }

    /// What was fetched ahead had to wait: nothing is for a while.
    pub(super) fn was_wrong(&mut self, now: Instant) {
        self.not_before = Some(now + COOL_DOWN);
        self.seen = 0;
        self.mean = 0.0;
    }

    /// How many to fetch ahead: 0 or a power of four, so that it changes seldom.
    pub(super) fn count(&self, now: Instant) -> u32 {
        let is_early = self.seen < ENOUGH || self.not_before.is_some_and(|moment| now < moment);
        if is_early || self.mean > SHORT.as_secs_f64() {
            return 0;
        }
        let wanted = HORIZON.as_secs_f64() / self.mean.max(1e-6) * f64::from(self.slots);
        let mut count = match (self.junk, self.large_junk) {
            (0, _) => MOST,
            (_, 0) => MOST_JUNK,
            (_, _) => MOST_LARGE_JUNK,
        };
        while f64::from(count) > wanted && count > 0 {
            count /= 4;
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(durations: &[Duration]) -> u32 {
        let mut lookahead = Lookahead::new(2);
        for duration in durations {
            lookahead.learn(*duration);
        }
        lookahead.count(Instant::now())
    }

    #[test]
    fn only_short_tasks_are_fetched_ahead() {
        assert_eq!(after(&[]), 0, "nothing is known");
        assert_eq!(after(&[Duration::from_micros(5); 20]), MOST);
        assert_eq!(after(&[Duration::from_millis(10); 20]), 4);
        assert_eq!(after(&[Duration::from_secs(1); 20]), 0);
    }

    fn after_junk(lookahead: &mut Lookahead, count: u32, bytes: usize) -> u32 {
        (0..count).for_each(|_| lookahead.learn_of_junk(bytes));
        lookahead.count(Instant::now())
    }

    #[test]
    fn among_junk_as_many_are_fetched_ahead_as_memory_has_room_for() {
        let mut lookahead = Lookahead::new(2);
        assert_eq!(after_junk(&mut lookahead, ENOUGH, 10), MOST_LARGE_JUNK, "the next may be large");
        assert_eq!(after_junk(&mut lookahead, FORGOTTEN, 10), MOST_JUNK);
        assert_eq!(after_junk(&mut lookahead, 1, LARGE + 1), MOST_LARGE_JUNK);
        assert_eq!(after_junk(&mut lookahead, FORGOTTEN - 1, 10), MOST_LARGE_JUNK);
        assert_eq!(after_junk(&mut lookahead, 1, 10), MOST_JUNK);
    }

    #[test]
    fn among_tasks_junk_is_forgotten() {
        let mut lookahead = Lookahead::new(2);
        after_junk(&mut lookahead, 1, LARGE + 1);
        (1..FORGOTTEN).for_each(|_| lookahead.learn(Duration::ZERO));
        assert_eq!(lookahead.count(Instant::now()), MOST_LARGE_JUNK);
        lookahead.learn(Duration::ZERO);
        assert_eq!(lookahead.count(Instant::now()), MOST);
        lookahead.learn(Duration::from_secs(1));
        assert_eq!(lookahead.count(Instant::now()), 0);
    }

    #[test]
    fn one_long_task_ends_it() {
        let mut lookahead = Lookahead::new(2);
        for _ in 0..100 {
            lookahead.learn(Duration::from_micros(5));
        }
        lookahead.learn(Duration::from_secs(1));
        assert_eq!(lookahead.count(Instant::now()), 0);
    }

    #[test]
    fn being_wrong_costs_a_pause() {
        let mut lookahead = Lookahead::new(2);
        let now = Instant::now();
        lookahead.was_wrong(now);
        for _ in 0..100 {
            lookahead.learn(Duration::from_micros(5));
        }
        assert_eq!(lookahead.count(now), 0);
        assert_eq!(lookahead.count(now + COOL_DOWN), MOST);
    }
}
