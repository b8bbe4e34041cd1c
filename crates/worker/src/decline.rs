//! How what a worker leaves to others is put off, and how often that may be.

use std::time::Duration;

/// Longest that a task is put off at once.
const LONGEST: Duration = Duration::from_secs(60);

/// A task that workers have left to others so often in a row, for some 25 minutes or longer, is run by whoever
/// has it then: nobody may be better.
pub(crate) const MOST: u32 = 60;

/// So often a task goes back to the head of its queue before it is put off.
pub(crate) const AT_HEAD: u32 = 30;

/// A task is left to others before it is begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decline {
    /// Why.
    pub(crate) why: String,
    /// When others are to have it; at the head of its queue if at once.
    pub(crate) after: Duration,
    /// How long the slot takes nothing, so that others come first.
    pub(crate) rest: Duration,
}

/// How long a task is put off that was left to others so often before.
pub(crate) fn delay(declined: u32) -> Duration {
    let seconds = 1_u64.checked_shl(declined).unwrap_or(u64::MAX);
    Duration::from_secs(seconds).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_a_minute() {
        let seconds = [0, 1, 2, 5, 6, 63, 64, u32::MAX].map(|declined| delay(declined).as_secs());
        assert_eq!(seconds, [1, 2, 4, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn no_task_is_left_to_others_for_long() {
        let all: Duration = (0..MOST).map(delay).sum();
        let some: Duration = (0..MOST - AT_HEAD).map(delay).sum();
        assert!(all < Duration::from_secs(3600), "{all:?}");
        assert!(some > Duration::from_secs(20 * 60), "{some:?}");
    }
}
