//! What the scripts about sessions do, in Rust: the specification that they are tested against.

use std::collections::BTreeMap;

use protocol::SessionId;

/// How long a tombstone stays.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Most sessions that one call declares dead, or forgets.
const MOST_AT_ONCE: usize = 1000;

/// All that Redis knows of sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct World {
    /// The live ones, with their expiry.
    pub(super) sessions: BTreeMap<SessionId, u64>,
    /// The dead ones, with the time of their death.
    pub(super) tombstones: BTreeMap<SessionId, u64>,
    /// Until when nobody is taken for dead.
    pub(super) calm_ms: u64,
    /// When anybody last renewed or looked.
    pub(super) beat_ms: Option<u64>,
    /// Counter of renewals.
    pub(super) canary: u64,
    /// Identity of the server that was last seen.
    pub(super) server: Option<Vec<u8>>,
}

/// How a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Alive,
    Dead,
    Unknown,
}

impl World {
    pub(super) fn standing(&self, session: SessionId) -> Standing {
        if self.tombstones.contains_key(&session) {
            Standing::Dead
        } else if self.sessions.contains_key(&session) {
            Standing::Alive
        } else {
            Standing::Unknown
        }
    }

    /// Whether a task may be taken from this owner.
    pub(super) fn is_vanished(&self, owner: SessionId, now_ms: u64) -> bool {
        !self.sessions.contains_key(&owner) && now_ms >= self.calm_ms
    }

    /// When an owner that has vanished died, as far as is known.
    pub(super) fn died_ms(&self, owner: SessionId, now_ms: u64) -> u64 {
        self.tombstones.get(&owner).copied().unwrap_or(now_ms)
    }

    pub(super) fn suspend(&mut self, now_ms: u64, lease_ms: u64) {
        self.calm_ms = self.calm_ms.max(now_ms + 2 * lease_ms);
    }

    fn touch(&mut self, now_ms: u64, lease_ms: u64, server: &[u8]) {
        let was_blind = match self.beat_ms {
            Some(beat_ms) => 2 * now_ms.saturating_sub(beat_ms) > lease_ms,
            None => !self.sessions.is_empty(),
        };
        if was_blind || self.server.as_ref().is_some_and(|known| known != server) {
            self.suspend(now_ms, lease_ms);
        }
        self.beat_ms = Some(now_ms);
        self.server = Some(server.to_vec());
    }

    /// Registers, unless the session is dead.
    pub(super) fn register(
        &mut self,
        session: SessionId,
        now_ms: u64,
        lease_ms: u64,
        server: &[u8],
    ) -> Standing {
        match self.standing(session) {
            Standing::Dead => Standing::Dead,
            Standing::Alive | Standing::Unknown => {
                self.touch(now_ms, lease_ms, server);
                self.sessions.insert(session, now_ms + lease_ms);
                self.canary += 1;
                Standing::Alive
            }
        }
    }

    /// Renews, if the session is alive.
    pub(super) fn renew(
        &mut self,
        session: SessionId,
        now_ms: u64,
        lease_ms: u64,
        server: &[u8],
    ) -> Standing {
        match self.standing(session) {
            Standing::Alive => self.register(session, now_ms, lease_ms, server),
            other @ (Standing::Dead | Standing::Unknown) => other,
        }
    }

    pub(super) fn leave(&mut self, session: SessionId, now_ms: u64) {
        self.tombstones.entry(session).or_insert(now_ms);
        self.sessions.remove(&session);
    }

    /// Declares those dead that let their lease pass; in the order of their expiry.
    pub(super) fn expire(&mut self, now_ms: u64, lease_ms: u64, server: &[u8]) -> Vec<SessionId> {
        self.touch(now_ms, lease_ms, server);
        if now_ms < self.calm_ms {
            return Vec::new();
        }
        let mut late: Vec<_> = self.sessions.iter().filter(|(_, expiry)| **expiry <= now_ms).collect();
        late.sort_by_key(|(session, expiry)| (**expiry, **session));
        let dead: Vec<_> = late.into_iter().map(|(session, _)| *session).take(MOST_AT_ONCE).collect();
        for session in &dead {
            self.leave(*session, now_ms);
        }
        let is_old = |died_ms: u64| now_ms.checked_sub(DAY_MS).is_some_and(|limit| died_ms <= limit);
        let mut old: Vec<_> = self.tombstones.iter().filter(|(_, died_ms)| is_old(**died_ms)).collect();
        old.sort_by_key(|(session, died_ms)| (**died_ms, **session));
        let old: Vec<_> = old.into_iter().map(|(session, _)| *session).take(MOST_AT_ONCE).collect();
        for session in old {
            self.tombstones.remove(&session);
        }
        dead
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const LEASE: u64 = 30_000;

    fn id(number: u128) -> SessionId {
        SessionId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn a_late_renewal_counts_until_somebody_notices() {
        let mut world = World::default();
        world.register(id(1), 0, LEASE, b"server");
        assert_eq!(world.expire(LEASE / 2, LEASE, b"server"), []);
        assert_eq!(world.expire(LEASE - 1, LEASE, b"server"), []);
        assert_eq!(world.renew(id(1), LEASE + 1, LEASE, b"server"), Standing::Alive);
        assert_eq!(world.expire(LEASE + 2, LEASE, b"server"), []);
        assert_eq!(world.sessions[&id(1)], 2 * LEASE + 1);
    }

    #[test]
    fn an_expired_session_is_dead_for_good() {
        let mut world = World::default();
        world.register(id(1), 0, LEASE, b"server");
        for now in [LEASE / 2, LEASE - 1] {
            assert_eq!(world.expire(now, LEASE, b"server"), []);
        }
        assert_eq!(world.expire(LEASE, LEASE, b"server"), [id(1)]);
        assert_eq!(world.expire(LEASE, LEASE, b"server"), []);
        assert_eq!(world.renew(id(1), LEASE, LEASE, b"server"), Standing::Dead);
        assert_eq!(world.register(id(1), LEASE, LEASE, b"server"), Standing::Dead);
    }

    #[test]
    fn nobody_dies_of_an_outage_of_redis() {
        let mut world = World::default();
        world.register(id(1), 0, LEASE, b"server");
        world.register(id(2), 0, LEASE, b"server");
        let back = 10 * LEASE;
        assert_eq!(world.renew(id(1), back, LEASE, b"server"), Standing::Alive);
        assert_eq!(world.expire(back + 1, LEASE, b"server"), []);
        assert!(!world.is_vanished(id(3), back + 1));
        assert_eq!(world.renew(id(2), back + 2, LEASE, b"server"), Standing::Alive);
    }

    #[test]
    fn who_does_not_come_back_after_an_outage_dies_in_the_end() {
        let mut world = World::default();
        world.register(id(1), 0, LEASE, b"server");
        let back = 10 * LEASE;
        for turn in 0..6 {
            assert_eq!(world.expire(back + turn * LEASE / 3, LEASE, b"server"), []);
        }
        assert_eq!(world.expire(back + 2 * LEASE, LEASE, b"server"), [id(1)]);
    }

    #[test]
    fn another_server_begins_a_calm() {
        let mut world = World::default();
        world.register(id(1), 0, LEASE, b"one");
        world.register(id(2), LEASE / 3, LEASE, b"two");
        assert_eq!(world.calm_ms, LEASE / 3 + 2 * LEASE);
        world.register(id(2), LEASE / 2, LEASE, b"two");
        assert_eq!(world.calm_ms, LEASE / 3 + 2 * LEASE);
    }

    #[test]
    fn a_first_start_is_no_outage() {
        let mut world = World::default();
        world.register(id(1), 10 * LEASE, LEASE, b"server");
        assert_eq!(world.calm_ms, 0);
    }

    #[test]
    fn tombstones_are_kept_for_a_day() {
        let mut world = World::default();
        world.register(id(1), 0, LEASE, b"server");
        world.leave(id(1), 5);
        world.expire(4 + DAY_MS, LEASE, b"server");
        assert_eq!(world.standing(id(1)), Standing::Dead);
        world.suspend(0, 0);
        world.calm_ms = 0;
        world.expire(5 + DAY_MS, LEASE, b"server");
        assert_eq!(world.standing(id(1)), Standing::Unknown);
    }
}
