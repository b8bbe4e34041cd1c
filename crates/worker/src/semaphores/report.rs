//! How semaphores were used, as it is told.

use std::fmt;
use std::time::Duration;

use protocol::{DurationText, SemaphoreName};

/// How this process has used a semaphore.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figures {
    pub(crate) name: SemaphoreName,
    pub(crate) width: u32,
    /// Attempts that wait for a place now.
    pub(crate) waiting: u32,
    /// Places held now.
    pub(crate) holding: u32,
    pub(crate) acquisitions: u64,
    /// In total, also by those who wait now.
    pub(crate) waited: Duration,
    /// In total, also those held now.
    pub(crate) held: Duration,
    /// How long the process has run.
    pub(crate) runtime: Duration,
}

impl Figures {
    /// The share of all the time of all places that this process held them.
    pub(crate) fn utilisation(&self) -> f64 {
        let all = self.runtime.as_secs_f64() * f64::from(self.width);
        if all > 0.0 { self.held.as_secs_f64() / all } else { 0.0 }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, width, acquisitions, .. } = self;
        let (waited, held) = (rounded(self.waited), rounded(self.held));
        let utilisation = self.utilisation() * 100.0;
        write!(
            f,
            "semaphore {name} (width {width}): acquired {acquisitions}x, waited {waited}, held {held}, \
             utilisation {utilisation:.1} %"
        )
    }
}

fn rounded(time: Duration) -> DurationText {
    DurationText(Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        Figures {
            name: "read".parse().unwrap(),
            width: 4,
            waiting: 0,
            holding: 0,
            acquisitions: 12,
            waited: Duration::from_micros(1_500_700),
            held: Duration::from_secs(30),
            runtime: Duration::from_secs(10),
        }
    }

    #[test]
    fn utilisation_is_of_all_places_and_all_the_time() {
        assert!((figures().utilisation() - 0.75).abs() < 1e-9);
        assert_eq!(Figures { runtime: Duration::ZERO, ..figures() }.utilisation(), 0.0);
    }

    #[test]
    fn a_line_says_it_all() {
        let line = "semaphore read (width 4): acquired 12x, waited 1s 500ms, held 30s, utilisation 75.0 %";
        assert_eq!(figures().to_string(), line);
    }
}
