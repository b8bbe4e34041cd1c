//! Times and counts for people.

use std::time::{Duration, SystemTime};

use protocol::to_unix_micros;

/// A length of time with two units at most: `850ms`, `12.3s`, `4m 10s`, `2h 5m`, `3d 4h`.
pub(crate) fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3_600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// `1 task`, `2 tasks`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// How long ago a moment was, in microseconds since 1970; nothing for one to come.
pub(crate) fn age(moment_us: u64) -> Duration {
    Duration::from_micros(to_unix_micros(SystemTime::now()).saturating_sub(moment_us))
}

/// How long ago a moment was, to the second.
pub(crate) fn ago(moment_us: u64) -> String {
    format!("{} ago", length(Duration::from_secs(age(moment_us).as_secs())).replace("0ms", "0s"))
}

/// A moment, in microseconds since 1970, as RFC 3339 in UTC, to the second.
pub(crate) fn moment(moment_us: u64) -> String {
    let moment = SystemTime::UNIX_EPOCH + Duration::from_micros(moment_us);
    humantime::format_rfc3339_seconds(moment).to_string()
}
