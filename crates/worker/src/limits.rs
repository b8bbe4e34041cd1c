//! How many files this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More are never asked for: some programs that inherit the limit look at every possible number.
const MOST: u64 = 1024 * 1024;

/// What the worker itself has open: its connections, its runtimes, its logs.
const OWN: u64 = 64;

/// What a slot may have open at once: pipes and spooled output of a command, or an operation's files.
const EACH: u64 = 16;

/// Lets this process, and the programs that it starts, have as many files open as the system allows;
/// warns if that is too few for so many slots.
pub(crate) fn raise_open_files(slots: usize) {
    let limit = getrlimit(Resource::Nofile);
    let Some(wanted) = raised(limit.current, limit.maximum) else { return warn(limit.current, slots) };
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }) {
        Ok(()) => warn(Some(wanted), slots),
        Err(error) => {
            tracing::warn!(%error, wanted, "cannot raise the number of files that may be open");
            warn(limit.current, slots);
        }
    }
}

/// The limit to set, if it is to be changed; `None` stands for no limit in both arguments.
fn raised(current: Option<u64>, maximum: Option<u64>) -> Option<u64> {
    let wanted = maximum.unwrap_or(MOST).min(MOST);
    current.filter(|current| *current < wanted).map(|_| wanted)
}

fn warn(limit: Option<u64>, slots: usize) {
    let needed = needed(slots);
    if limit.is_some_and(|limit| limit < needed) {
        tracing::warn!(
            limit,
            needed,
            slots,
            "this process may have too few files open for its slots; raise the hard limit (ulimit -Hn, \
             LimitNOFILE of systemd, --ulimit nofile of a container) or give a smaller --concurrency"
        );
    }
}

fn needed(slots: usize) -> u64 {
    OWN + EACH * slots as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_rises_to_the_hard_one_within_reason() {
        assert_eq!(raised(Some(1024), Some(524_288)), Some(524_288));
        assert_eq!(raised(Some(1024), Some(1_073_741_816)), Some(MOST));
        assert_eq!(raised(Some(1024), None), Some(MOST));
        assert_eq!(raised(Some(1024), Some(1024)), None);
        assert_eq!(raised(Some(MOST * 4), None), None, "it never sinks");
        assert_eq!(raised(None, None), None);
    }

    #[test]
    fn the_usual_limit_is_enough_for_usual_slots() {
        assert!(needed(60) <= 1024 && needed(61) > 1024);
    }
}
