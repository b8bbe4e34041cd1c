//! How long the tasks of an operation take: a histogram of some bytes, of which what was learned last
//! counts most, and which can be added to another.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How many buckets there are from a duration to twice as long a one; the upper end of a bucket is at most
/// 9 % longer than what is in it.
const PER_DOUBLING: f64 = 8.0;

/// The last bucket, which has all that took longer than a month.
const LAST: u8 = 255;

/// From so many tasks on it weighs old ones less.
const MOST: u32 = 512;

/// So few tasks tell nothing.
const ENOUGH: u32 = 3;

/// How long tasks took: their number by bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Durations(BTreeMap<u8, u32>);

impl Durations {
    /// A task took so long.
    pub(crate) fn add(&mut self, duration: Duration) {
        *self.0.entry(bucket(duration)).or_default() += 1;
        self.forget();
    }

    /// Adds all tasks of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            let own = self.0.entry(*bucket).or_default();
            *own = own.saturating_add(*count);
        }
        self.forget();
    }

    /// Takes tasks out again that were in another.
    pub(crate) fn subtract(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            if let Some(own) = self.0.get_mut(bucket) {
                *own = own.saturating_sub(*count);
            }
        }
        self.0.retain(|_, count| *count > 0);
    }

    /// What 95 of 100 tasks do not exceed; `None` if too little is known.
    pub(crate) fn p95(&self) -> Option<Duration> {
        let count = self.count();
        if count < ENOUGH {
            return None;
        }
        // The last that must be within.
        let rank = (u64::from(count) * 95).div_ceil(100) as u32;
        let mut seen = 0;
        let found = self.0.iter().find(|(_, within)| {
            seen += **within;
            seen >= rank
        });
        found.map(|(bucket, _)| upper_end(*bucket))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn count(&self) -> u32 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn forget(&mut self) {
        while self.count() > MOST {
            self.0.values_mut().for_each(|count| *count /= 2);
            self.0.retain(|_, count| *count > 0);
        }
    }
}

/// Bucket 0 has what took a millisecond at most.
fn bucket(duration: Duration) -> u8 {
    let doublings = (duration.as_secs_f64() * 1000.0).max(1.0).log2();
    // Just below a bound counts as the bound.
    let bucket = (doublings * PER_DOUBLING - 1e-6).ceil();
    if bucket >= f64::from(LAST) { LAST } else { bucket.max(0.0) as u8 }
}

fn upper_end(bucket: u8) -> Duration {
    Duration::from_secs_f64((f64::from(bucket) / PER_DOUBLING).exp2() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn of(durations: impl IntoIterator<Item = Duration>) -> Durations {
        let mut all = Durations::default();
        durations.into_iter().for_each(|duration| all.add(duration));
        all
    }

    /// At least that, and at most 10 % more.
    #[track_caller]
    fn assert_about(found: Option<Duration>, wanted: Duration) {
        let found = found.expect("enough is known");
        assert!(wanted <= found && found <= wanted.mul_f64(1.1), "{found:?} for {wanted:?}");
    }

    #[test]
    fn two_tasks_tell_nothing_and_three_do() {
        assert_eq!(of([SECOND; 2]).p95(), None);
        assert_about(of([SECOND; 3]).p95(), SECOND);
    }

    #[test]
    fn one_of_twenty_may_take_longer() {
        let hour = 3600 * SECOND;
        assert_about(of([SECOND; 95].into_iter().chain([hour; 5])).p95(), SECOND);
        assert_about(of([SECOND; 94].into_iter().chain([hour; 6])).p95(), hour);
    }

    #[test]
    fn every_length_has_a_bucket() {
        for millis in [1, 2, 999, 1000, 60_000, 3_600_000, 86_400_000, 7 * 86_400_000] {
            let length = Duration::from_millis(millis);
            assert_about(of([length; 3]).p95(), length);
        }
        assert!(of([Duration::ZERO; 3]).p95().unwrap() <= Duration::from_millis(1));
        assert!(of([Duration::MAX; 3]).p95().unwrap() > 30 * 86_400 * SECOND);
    }

    #[test]
    fn it_stays_small_and_learns_anew() {
        let mut all = of((0..100_000).map(|number| Duration::from_millis(number % 50)));
        assert!(all.count() <= MOST, "{}", all.count());
        (0..MOST).for_each(|_| all.add(3600 * SECOND));
        assert_about(all.p95(), 3600 * SECOND);
    }

    #[test]
    fn what_two_have_learned_counts_together_and_travels() {
        let mut all = of([SECOND; 2]);
        all.merge(&of([60 * SECOND; 2]));
        assert_about(all.p95(), 60 * SECOND);
        let mut rest = all.clone();
        rest.subtract(&of([60 * SECOND; 2]));
        assert_eq!(rest, of([SECOND; 2]));
        let bytes = protocol::encode_part(&all).unwrap();
        assert!(bytes.len() < 32, "{}", bytes.len());
        assert_eq!(protocol::decode_part::<Durations>(&bytes).unwrap(), all);
    }
}
