//! Whether the worker is well: alive, and taking tasks.

use std::time::Duration;

/// What a session shows of its health at a moment.
#[derive(Debug, Clone)]
pub(crate) struct Signs {
    /// How long the session may be silent.
    pub(crate) lease: Duration,
    /// How long ago its loop last turned.
    pub(crate) since_turn: Duration,
    /// How long ago it was last renewed.
    pub(crate) since_renewal: Duration,
    /// Whether it is over, because others took it for dead.
    pub(crate) is_ended: bool,
    /// Whether it waits for tasks, or has enough.
    pub(crate) is_subscribed: bool,
    /// Whether it takes no more.
    pub(crate) is_draining: bool,
    /// What keeps the servers from being used.
    pub(crate) trouble: Option<String>,
}

impl Signs {
    /// Why the process should be restarted, if it should.
    pub(crate) fn ailment(&self) -> Option<String> {
        if self.is_ended {
            // Another session begins as soon as the servers allow it.
            None
        } else if self.since_turn >= self.lease {
            Some(format!("the session's loop last turned {:.1?} ago", self.since_turn))
        } else if self.since_renewal >= self.lease {
            Some(format!("the session was last renewed {:.1?} ago", self.since_renewal))
        } else {
            None
        }
    }

    /// Why no task comes even if there are some, if that is so.
    pub(crate) fn hindrance(&self) -> Option<String> {
        if self.is_draining {
            Some("it takes no more tasks".to_owned())
        } else if self.is_ended {
            Some("its session is over; a new one is about to start".to_owned())
        } else if let Some(trouble) = &self.trouble {
            Some(trouble.clone())
        } else if !self.is_subscribed {
            Some("it is not subscribed to its queues".to_owned())
        } else {
            self.ailment()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(30);

    fn well() -> Signs {
        let (since_turn, since_renewal) = (Duration::from_secs(1), Duration::from_secs(2));
        let (is_ended, is_draining, trouble) = Default::default();
        Signs { lease: LEASE, since_turn, since_renewal, is_ended, is_subscribed: true, is_draining, trouble }
    }

    #[test]
    fn a_worker_that_waits_for_tasks_is_alive_and_ready() {
        assert_eq!((well().ailment(), well().hindrance()), (None, None));
    }

    #[test]
    fn a_hung_loop_or_a_session_not_renewed_is_an_ailment() {
        let hung = Signs { since_turn: LEASE, ..well() };
        assert_eq!(hung.ailment().unwrap(), "the session's loop last turned 30.0s ago");
        let silent = Signs { since_renewal: LEASE, ..well() };
        assert_eq!(silent.ailment().unwrap(), "the session was last renewed 30.0s ago");
        assert_eq!(silent.hindrance(), silent.ailment());
    }

    #[test]
    fn between_two_sessions_it_is_alive() {
        let between = Signs { is_ended: true, since_turn: 2 * LEASE, since_renewal: 2 * LEASE, ..well() };
        assert_eq!(between.ailment(), None);
        assert!(between.hindrance().is_some());
    }

    #[test]
    fn what_keeps_tasks_away_is_no_ailment() {
        for (signs, why) in [
            (Signs { is_draining: true, ..well() }, "takes no more"),
            (Signs { is_ended: true, ..well() }, "session is over"),
            (Signs { is_subscribed: false, ..well() }, "not subscribed"),
            (Signs { trouble: Some("blocked by the broker: memory".to_owned()), ..well() }, "memory"),
        ] {
            assert_eq!(signs.ailment(), None);
            assert!(signs.hindrance().unwrap().contains(why), "{signs:?}");
        }
    }
}
