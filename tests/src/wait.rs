//! Waiting for conditions.

use std::time::{Duration, Instant};

use crate::running::Running;

/// Longest that anything may take on a slow machine.
const DEADLINE: Duration = Duration::from_secs(120);
/// Longest that a whole execution of many tasks may take there.
const WHOLE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `condition` gives something, and gives that.
///
/// # Panics
/// If it does not within two minutes; the message names what was waited for.
#[track_caller]
pub fn until<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    until_within(DEADLINE, what, condition)
}

/// Waits until a process has ended that does much.
///
/// # Panics
/// If it has not within ten minutes.
#[track_caller]
pub fn until_the_end_of(running: &mut Running) {
    until_within(WHOLE, "the end of what takes long", || running.has_ended().then_some(()));
}

/// The same with another limit: longer for what takes long by its nature, shorter for what is promised.
///
/// # Panics
/// If it does not within the limit; the message names what was waited for.
#[track_caller]
pub fn until_within<T>(limit: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(started.elapsed() < limit, "waited {limit:?} for {what}");
        std::thread::sleep(PAUSE);
    }
}
