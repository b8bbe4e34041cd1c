//! When the batch job ends in which a worker runs.

use std::time::{Duration, SystemTime};

/// Slurm says in it when the job ends, in seconds since 1970.
const VARIABLE: &str = "SLURM_JOB_END_TIME";

/// How long the job goes on, if this is one and says so.
pub(crate) fn job_ends_in() -> Option<Duration> {
    let text = std::env::var(VARIABLE).ok()?;
    let left = left(&text, SystemTime::now());
    if left.is_none() {
        tracing::warn!(
            value = text,
            "{VARIABLE} is no time to come, in seconds since 1970; it is left aside"
        );
    }
    left
}

fn left(text: &str, now: SystemTime) -> Option<Duration> {
    let end = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(text.trim().parse().ok()?))?;
    end.duration_since(now).ok().filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_time_to_come_counts() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        assert_eq!(left("1000060", now), Some(Duration::from_secs(60)));
        assert_eq!(left(" 1000060\n", now), Some(Duration::from_secs(60)));
        for text in ["", "soon", "1000000", "999999", "-1", "2026-11-28T12:00:00", "99999999999999999999"] {
            assert_eq!(left(text, now), None, "{text}");
        }
    }
}
