//! Notices that Redis lost writes: it was restarted, replaced, restored from a copy, or emptied.

use super::answer::Beat;

/// What one process has seen of Redis so far.
///
/// Two signs, since each misses something: another server's identity (a restart, a fail-over, but
/// not a FLUSHALL), and a canary that did not grow (but a small loss may be made up by others'
/// renewals before one's own). A renewal that is answered [`super::Renewal::Unknown`] is a third.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    last: Option<Beat>,
}

impl Witness {
    /// Whether writes may have been lost between the last beat and this one. Whoever learns that
    /// begins a calm ([`super::Arbiter::suspend`]) and asserts what it holds.
    pub fn has_seen_loss(&mut self, beat: &Beat) -> bool {
        let last = self.last.replace(beat.clone());
        last.is_some_and(|last| beat.canary <= last.canary || beat.server != last.server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(canary: u64, server: &str) -> Beat {
        Beat { now_ms: 0, canary, server: server.into() }
    }

    #[test]
    fn renewals_of_others_are_no_loss() {
        let mut witness = Witness::default();
        assert!(!witness.has_seen_loss(&beat(7, "one")));
        assert!(!witness.has_seen_loss(&beat(8, "one")));
        assert!(!witness.has_seen_loss(&beat(100, "one")));
    }

    #[test]
    fn another_server_or_a_canary_that_did_not_grow_is_a_loss_once() {
        let mut witness = Witness::default();
        assert!(!witness.has_seen_loss(&beat(7, "one")));
        assert!(witness.has_seen_loss(&beat(7, "one")));
        assert!(witness.has_seen_loss(&beat(3, "one")));
        assert!(witness.has_seen_loss(&beat(9, "two")));
        assert!(!witness.has_seen_loss(&beat(10, "two")));
    }
}
