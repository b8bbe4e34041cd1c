//! Places at which a test can have the process killed.

/// Kills the process, as `kill -9` would, if the environment variable `OTAMAN_CRASH_AT` names this
/// place. `place:3` means the third time. Only programs built for development look at it.
#[cfg(debug_assertions)]
pub(super) fn point(place: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    static WANTED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);

    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("OTAMAN_CRASH_AT").ok()?;
        match text.split_once(':') {
            Some((place, count)) => Some((place.to_owned(), count.parse().ok()?)),
            None => Some((text, 1)),
        }
    });
    if let Some((wanted, count)) = wanted
        && wanted == place
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *count
    {
        // Nothing may be cleaned up or flushed: that is what is tested.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

#[cfg(not(debug_assertions))]
pub(super) fn point(_: &str) {}
