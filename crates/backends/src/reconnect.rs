//! How long to wait before the next try: longer each time, never the same for two clients.
//!
//! The only place that names the crate behind it, so that another one can take its place.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);

/// Delays between tries that go on for ever: from 0.2 to 10 s, each drawn anew between a tenth and
/// twice of what stands at its place in the row, so that many clients do not come back at once.
#[derive(Debug)]
pub(crate) struct Reconnect {
    delays: ExponentialBackoff,
}

impl Reconnect {
    /// As if nothing had failed yet.
    pub(crate) fn new() -> Self {
        Self {
            delays: ExponentialBackoff {
                current_interval: SHORTEST,
                initial_interval: SHORTEST,
                // Full jitter: anything between nothing and twice the interval.
                randomization_factor: 1.0,
                multiplier: 2.0,
                max_interval: LONGEST / 2,
                // Endless.
                max_elapsed_time: None,
                ..ExponentialBackoff::default()
            },
        }
    }

    /// How long to wait after one more failure.
    pub(crate) fn next_delay(&mut self) -> Duration {
        // It ends only by the elapsed time, which is not limited.
        let drawn = self.delays.next_backoff().unwrap_or(LONGEST);
        drawn.clamp(SHORTEST / 10, LONGEST)
    }

    /// It worked: begin with short delays again.
    pub(crate) fn reset(&mut self) {
        self.delays.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_longest_and_never_end() {
        let mut reconnect = Reconnect::new();
        let delays: Vec<_> = (0..1_000).map(|_| reconnect.next_delay()).collect();

        assert!(delays[0] <= 2 * SHORTEST, "the first is {:?}", delays[0]);
        assert!(delays.iter().all(|delay| (SHORTEST / 10..=LONGEST).contains(delay)));
        assert!(delays.iter().any(|delay| *delay > LONGEST / 2), "they stay short");
    }

    #[test]
    fn two_clients_do_not_come_back_together() {
        let (mut one, mut other) = (Reconnect::new(), Reconnect::new());
        let differing = (0..100).filter(|_| one.next_delay() != other.next_delay()).count();

        assert!(differing > 90, "only {differing} of 100 delays differ");
    }

    #[test]
    fn success_begins_with_short_delays_again() {
        let mut reconnect = Reconnect::new();
        for _ in 0..100 {
            reconnect.next_delay();
        }

        reconnect.reset();

        assert!(reconnect.next_delay() <= 2 * SHORTEST);
    }
}
