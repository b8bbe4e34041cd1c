//! Waiting for conditions.

use std::time::{Duration, Instant};

/// Longest that anything may take on a slow machine.
const DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `condition` gives something, and gives that.
///
/// # Panics
/// If it does not within a minute; the message names what was waited for.
#[track_caller]
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(started.elapsed() < DEADLINE, "waited a minute for {what}");
        std::thread::sleep(PAUSE);
    }
}
