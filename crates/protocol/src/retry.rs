//! Retry policy: how often and after what delay a failed attempt is tried again. Arithmetic only;
//! the random number comes from the caller.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::Cause;
use crate::names::WorkerType;
use crate::text::{micros, optional_micros};

/// Which exit codes of a process are worth another attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitCodes {
    /// All but zero.
    All,
    /// These.
    Only(Vec<i32>),
}

impl Default for ExitCodes {
    /// 75, which `sysexits.h` calls `EX_TEMPFAIL`.
    fn default() -> Self {
        Self::Only(vec![75])
    }
}

impl ExitCodes {
    /// Whether `code` is among them.
    pub fn contains(&self, code: i32) -> bool {
        match self {
            Self::All => code != 0,
            Self::Only(codes) => codes.contains(&code),
        }
    }
}

/// What becomes of a task after an attempt that ran out of memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnOutOfMemory {
    /// Which workers run it from then on.
    pub worker_type: WorkerType,
}

/// How often a task is tried and how long it waits in between.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetryPolicy {
    /// Most attempts that may end by the task's own doing (transient, timeout, out of memory).
    pub max_attempts: u32,
    /// Most of those that may be timeouts.
    pub max_timeouts: u32,
    /// Most of those that may run out of memory.
    pub max_out_of_memory: u32,
    /// Most attempts whose worker may die; then the task is taken to be what kills them.
    pub max_losses: u32,
    /// Upper bound of the delay before the second attempt.
    #[serde(with = "micros")]
    pub initial_delay: Duration,
    /// Factor by which that bound grows with each further attempt.
    pub multiplier: f64,
    /// No delay is longer than this, jitter included.
    #[serde(with = "micros")]
    pub max_delay: Duration,
    /// Takes the place of `initial_delay` after a timeout.
    #[serde(with = "optional_micros", default, skip_serializing_if = "Option::is_none")]
    pub timeout_delay: Option<Duration>,
    /// Takes the place of `initial_delay` after an attempt that ran out of memory.
    #[serde(with = "optional_micros", default, skip_serializing_if = "Option::is_none")]
    pub out_of_memory_delay: Option<Duration>,
    /// Exit codes that count as transient.
    pub transient_exit_codes: ExitCodes,
    /// Where the task goes after an attempt that ran out of memory; nowhere else if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_out_of_memory: Option<OnOutOfMemory>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            max_timeouts: 3,
            max_out_of_memory: 2,
            max_losses: 3,
            initial_delay: Duration::from_secs(1),
            multiplier: 2.0,
            max_delay: Duration::from_secs(5 * 60),
            timeout_delay: None,
            out_of_memory_delay: None,
            transient_exit_codes: ExitCodes::default(),
            on_out_of_memory: None,
        }
    }
}

/// How many attempts of a task have ended by each cause so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Ended by a transient error.
    pub transient: u32,
    /// Ended by their runtime limit.
    pub timeout: u32,
    /// Ended with their worker.
    pub lost: u32,
    /// Ended for want of memory.
    pub out_of_memory: u32,
    /// Handed back by a leaving worker.
    pub preempted: u32,
}

impl Spent {
    /// Counts one more ended attempt.
    pub fn charge(&mut self, cause: Cause) {
        let counter = match cause {
            Cause::Transient => &mut self.transient,
            Cause::Timeout => &mut self.timeout,
            Cause::Lost => &mut self.lost,
            Cause::OutOfMemory => &mut self.out_of_memory,
            Cause::Preempted => &mut self.preempted,
            // A permanent failure is final, so there is nothing to count it against.
            Cause::Permanent => return,
        };
        *counter = counter.saturating_add(1);
    }

    /// All of them.
    pub fn total(&self) -> u32 {
        self.charged().saturating_add(self.lost).saturating_add(self.preempted)
    }

    /// Attempts that ended by the task's own doing.
    fn charged(&self) -> u32 {
        self.transient.saturating_add(self.timeout).saturating_add(self.out_of_memory)
    }
}

/// What follows from a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this delay.
    Retry {
        /// How long to wait first.
        after: Duration,
    },
    /// The task is dead: its budget for this cause is spent.
    Dead,
}

impl RetryPolicy {
    /// A policy that never tries again, whatever the cause, except after a preemption.
    pub fn never() -> Self {
        Self { max_attempts: 1, max_losses: 1, ..Self::default() }
    }

    /// Decides about an attempt that ended by `cause`. `spent` already counts it; `random` is a
    /// fresh number in `[0, 1)`.
    pub fn decide(&self, cause: Cause, spent: &Spent, random: f64) -> Decision {
        let (used, own_limit) = match cause {
            Cause::Permanent => return Decision::Dead,
            Cause::Preempted => return Decision::Retry { after: Duration::ZERO },
            Cause::Lost if spent.lost >= self.max_losses => return Decision::Dead,
            Cause::Lost => return Decision::Retry { after: Duration::ZERO },
            Cause::Transient => (spent.transient, self.max_attempts),
            Cause::Timeout => (spent.timeout, self.max_timeouts),
            Cause::OutOfMemory => (spent.out_of_memory, self.max_out_of_memory),
        };
        if used >= own_limit || spent.charged() >= self.max_attempts {
            Decision::Dead
        } else {
            Decision::Retry { after: self.delay_after(cause, spent.charged(), random) }
        }
    }

    /// The delay after the `failed`-th charged attempt: "full jitter", a uniform share of an
    /// exponentially growing bound, which keeps a crowd of failed tasks from coming back at once
    /// (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). The bound is cut
    /// to `max_delay` before the share is taken, so that late delays stay spread out.
    pub fn delay(&self, failed: u32, random: f64) -> Duration {
        self.share_of(self.initial_delay, failed, random)
    }

    /// The same after an attempt that ended by this cause, which may have a delay of its own.
    pub fn delay_after(&self, cause: Cause, failed: u32, random: f64) -> Duration {
        let own = match cause {
            Cause::Timeout => self.timeout_delay,
            Cause::OutOfMemory => self.out_of_memory_delay,
            Cause::Transient | Cause::Lost | Cause::Permanent | Cause::Preempted => None,
        };
        self.share_of(own.unwrap_or(self.initial_delay), failed, random)
    }

    fn share_of(&self, initial_delay: Duration, failed: u32, random: f64) -> Duration {
        let exponent = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = initial_delay.as_secs_f64() * self.multiplier.max(0.0).powi(exponent);
        let bound = grown.min(self.max_delay.as_secs_f64());
        // `min` above turns the NaN of 0 × ∞ into the cap.
        Duration::from_secs_f64(bound * random.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spent(transient: u32, timeout: u32, lost: u32) -> Spent {
        Spent { transient, timeout, lost, ..Spent::default() }
    }

    #[test]
    fn each_cause_has_its_own_budget() {
        let policy = RetryPolicy::default();
        let dead = |cause, spent| policy.decide(cause, &spent, 0.5) == Decision::Dead;
        assert!(dead(Cause::Permanent, spent(0, 0, 0)));
        assert!(!dead(Cause::Transient, spent(4, 0, 0)));
        assert!(dead(Cause::Transient, spent(5, 0, 0)));
        assert!(!dead(Cause::Timeout, spent(0, 2, 0)));
        assert!(dead(Cause::Timeout, spent(0, 3, 0)));
        assert!(!dead(Cause::Lost, spent(4, 0, 2)));
        assert!(dead(Cause::Lost, spent(0, 0, 3)));
        let preempted = Spent { preempted: 1000, ..Spent::default() };
        assert_eq!(
            policy.decide(Cause::Preempted, &preempted, 0.5),
            Decision::Retry { after: Duration::ZERO }
        );
    }

    #[test]
    fn max_attempts_bounds_all_causes_of_the_task_together() {
        let policy = RetryPolicy { max_attempts: 3, ..RetryPolicy::default() };
        assert_eq!(policy.decide(Cause::Timeout, &spent(2, 1, 0), 0.0), Decision::Dead);
        assert_eq!(RetryPolicy::never().decide(Cause::Transient, &spent(1, 0, 0), 0.0), Decision::Dead);
    }

    #[test]
    fn the_bound_doubles_and_is_capped() {
        let policy = RetryPolicy { max_delay: Duration::from_secs(10), ..RetryPolicy::default() };
        let almost = |seconds: f64, duration: Duration| (duration.as_secs_f64() - seconds).abs() < 1e-3;
        assert!(almost(1.0, policy.delay(1, 0.999_999)));
        assert!(almost(2.0, policy.delay(2, 0.999_999)));
        assert!(almost(2.0, policy.delay(3, 0.5)));
        assert!(almost(10.0, policy.delay(30, 0.999_999)));
    }

    #[test]
    fn a_cause_may_have_a_delay_of_its_own() {
        let seconds = Duration::from_secs;
        let own = (Some(seconds(60)), Some(seconds(10)));
        let policy =
            RetryPolicy { timeout_delay: own.0, out_of_memory_delay: own.1, ..RetryPolicy::default() };
        for (cause, after) in [(Cause::Transient, 1), (Cause::Timeout, 60), (Cause::OutOfMemory, 10)] {
            let mut spent = Spent::default();
            spent.charge(cause);
            assert_eq!(policy.decide(cause, &spent, 1.0), Decision::Retry { after: seconds(after) });
        }
    }

    proptest! {
        #[test]
        fn no_delay_exceeds_the_cap(
            failed in any::<u32>(), random in 0.0..1.0f64, multiplier in 0.0..100.0f64,
            initial in 0u64..10_000, cap in 0u64..100_000,
        ) {
            let policy = RetryPolicy {
                initial_delay: Duration::from_millis(initial),
                multiplier,
                max_delay: Duration::from_millis(cap),
                ..RetryPolicy::default()
            };
            prop_assert!(policy.delay(failed, random) <= policy.max_delay);
        }
    }
}
