//! Times that are promised, on machines that have other things to do as well.

use std::fs;
use std::time::{Duration, Instant};

/// Measures what is promised to take not long. What the machine had no processor for is taken off, as far as the
/// kernel tells, but for a third of the time at least: a promise is about a machine that has processors to spare, and
/// tests run beside each other on few.
#[derive(Debug)]
pub struct Stopwatch {
    started: Instant,
    short: Duration,
}

impl Stopwatch {
    /// Measures from now on.
    pub fn start() -> Self {
        Self { started: Instant::now(), short: short_of_processors() }
    }

    /// The time since then.
    pub fn elapsed(&self) -> Duration {
        let elapsed = self.started.elapsed();
        let waited = short_of_processors().saturating_sub(self.short);
        elapsed - waited.min(elapsed * 2 / 3)
    }
}

/// For how long something has waited for a processor since the machine was started; nothing where that is not known.
fn short_of_processors() -> Duration {
    let told = fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
    let total = told.lines().find_map(|line| line.strip_prefix("some ")?.split_once("total="));
    Duration::from_micros(total.and_then(|(_, micros)| micros.trim().parse().ok()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_was_no_processor_for_does_not_count() {
        let (stopwatch, started) = (Stopwatch::start(), Instant::now());
        let threads = 4 * std::thread::available_parallelism().map_or(1, usize::from);
        let most = Duration::from_millis(300);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| while started.elapsed() < most {});
            }
        });
        let (counted, passed) = (stopwatch.elapsed(), started.elapsed());
        assert!(counted >= most / 3 && counted <= passed, "{counted:?} of {passed:?}");
        if short_of_processors() > Duration::ZERO {
            assert!(counted < passed, "{counted:?} of {passed:?}");
        }
    }
}
