//! What Redis keeps of a task: one short byte string, read and written by the scripts and by us.
//!
//! | bytes | field |
//! |---|---|
//! | 0 | state: `q` free, `r` leased, `d` done, `c` withdrawn |
//! | 1..17 | session that has, or last had, the lease |
//! | 17..21 | number of the attempt that it runs, or last ran |
//! | 21..25 | how many workers were lost over the task |
//! | 25..33 | when the lease began, milliseconds since 1970 by Redis' clock |
//! | 33..37 | incarnation that withdrew it; 1 if leased ahead, or free after that; otherwise zero |
//! | 37 | number of losses that follow, at most [`MAX_LOSSES`] |
//! | 36 each | a loss: session, attempt, since, until |
//! | the rest | the outcome if done, otherwise the history; opaque |
//!
//! Numbers are big-endian. A string and not a hash: a million tasks in flight are then a quarter
//! of a gigabyte, and a batch of records is read with one command.

use bytes::Bytes;
use protocol::SessionId;
use uuid::Uuid;

/// Most losses that a record remembers, the latest; it goes on counting beyond.
pub const MAX_LOSSES: usize = 10;

/// Length of a record without losses, history and outcome.
const HEADER: usize = 38;
const LOSS: usize = 36;

/// What Redis knows of a task. No record is the same as a free one without a past.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Record {
    /// Who may do what with the task.
    pub state: State,
    /// The session that has the lease, or had it last.
    pub session: SessionId,
    /// Number of the latest attempt, 1-based; 0 if there was none.
    pub attempt: u32,
    /// How many workers were lost over the task.
    pub lost: u32,
    /// When the latest lease began, milliseconds since 1970 by Redis' clock.
    pub since_ms: u64,
    /// Losses that the history does not know of yet, oldest first.
    pub losses: Vec<Loss>,
}

/// State of a [`Record`], with what only that state has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum State {
    /// Nobody's; whoever claims it next has it.
    Free {
        /// What the last one to release it said of its past.
        history: Bytes,
        /// Whether it was leased ahead by a worker that is lost: nobody knows whether it had begun, so
        /// it is leased next only for a free slot.
        needs_slot: bool,
    },
    /// The session's, as long as it lives.
    Leased {
        /// What the last one to release it said of its past.
        history: Bytes,
        /// Whether it was leased before a slot was free for it, so that it may not have begun.
        is_ahead: bool,
    },
    /// Ended for good.
    Done {
        /// How.
        outcome: Bytes,
    },
    /// Taken back before a worker had it.
    Withdrawn {
        /// Messages of this incarnation of the coordinator and of older ones are void.
        incarnation: u32,
        /// What the last one to release it said of its past.
        history: Bytes,
    },
}

/// A worker that was lost while it ran the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Loss {
    /// The worker's session.
    pub session: SessionId,
    /// The attempt that ended with it.
    pub attempt: u32,
    /// When that began, milliseconds since 1970 by Redis' clock.
    pub since_ms: u64,
    /// When the session was found dead, likewise.
    pub until_ms: u64,
}

/// Bytes that are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes that start with {first:?} are no record of a task")]
pub struct Malformed {
    length: usize,
    first: Option<u8>,
}

impl Record {
    /// Reads a record; history and outcome are slices of `bytes`, not copies.
    pub fn parse(bytes: &Bytes) -> Result<Self, Malformed> {
        let malformed = Malformed { length: bytes.len(), first: bytes.first().copied() };
        let count = usize::from(*bytes.get(HEADER - 1).ok_or(malformed)?);
        let end = HEADER + count * LOSS;
        let losses = bytes.get(HEADER..end).ok_or(malformed)?;
        let tail = bytes.slice(end..);
        let state = match bytes[0] {
            b'q' => State::Free { history: tail, needs_slot: bytes[36] == 1 },
            b'r' => State::Leased { history: tail, is_ahead: bytes[36] == 1 },
            b'd' => State::Done { outcome: tail },
            b'c' => State::Withdrawn { incarnation: number(&bytes[33..37]), history: tail },
            _ => return Err(malformed),
        };
        Ok(Self {
            state,
            session: session(&bytes[1..17]),
            attempt: number(&bytes[17..21]),
            lost: number(&bytes[21..25]),
            since_ms: long(&bytes[25..33]),
            losses: losses.chunks_exact(LOSS).map(Loss::parse).collect(),
        })
    }

    /// The bytes that [`Self::parse`] reads.
    pub fn encode(&self) -> Vec<u8> {
        let (letter, fact, tail) = match &self.state {
            State::Free { history, needs_slot } => (b'q', u32::from(*needs_slot), history),
            State::Leased { history, is_ahead } => (b'r', u32::from(*is_ahead), history),
            State::Done { outcome } => (b'd', 0, outcome),
            State::Withdrawn { incarnation, history } => (b'c', *incarnation, history),
        };
        let losses = &self.losses[self.losses.len().saturating_sub(MAX_LOSSES)..];
        let mut bytes = Vec::with_capacity(HEADER + losses.len() * LOSS + tail.len());
        bytes.push(letter);
        bytes.extend_from_slice(&session_bytes(self.session));
        bytes.extend_from_slice(&self.attempt.to_be_bytes());
        bytes.extend_from_slice(&self.lost.to_be_bytes());
        bytes.extend_from_slice(&self.since_ms.to_be_bytes());
        bytes.extend_from_slice(&u32::to_be_bytes(fact));
        bytes.push(u8::try_from(losses.len()).expect("there are at most MAX_LOSSES"));
        for loss in losses {
            bytes.extend_from_slice(&session_bytes(loss.session));
            bytes.extend_from_slice(&loss.attempt.to_be_bytes());
            bytes.extend_from_slice(&loss.since_ms.to_be_bytes());
            bytes.extend_from_slice(&loss.until_ms.to_be_bytes());
        }
        bytes.extend_from_slice(tail);
        bytes
    }
}

impl Loss {
    fn parse(bytes: &[u8]) -> Self {
        Self {
            session: session(&bytes[..16]),
            attempt: number(&bytes[16..20]),
            since_ms: long(&bytes[20..28]),
            until_ms: long(&bytes[28..36]),
        }
    }
}

/// A session as keys, members and records hold it.
pub(super) fn session_bytes(session: SessionId) -> [u8; 16] {
    let text = session.to_string();
    Uuid::parse_str(&text).expect("a session id is written as a UUID").into_bytes()
}

/// The session that [`session_bytes`] wrote.
///
/// # Panics
/// If there are not 16 bytes.
pub(super) fn session(bytes: &[u8]) -> SessionId {
    SessionId::from_uuid(Uuid::from_slice(bytes).expect("16 bytes were cut out"))
}

/// # Panics
/// If there are not 4 bytes.
pub(super) fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("4 bytes were cut out"))
}

/// # Panics
/// If there are not 8 bytes.
pub(super) fn long(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().expect("8 bytes were cut out"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_loss() -> impl Strategy<Value = Loss> {
        (any::<u128>(), any::<u32>(), any::<u64>(), any::<u64>()).prop_map(
            |(id, attempt, since_ms, until_ms)| Loss {
                session: SessionId::from_uuid(Uuid::from_u128(id)),
                attempt,
                since_ms,
                until_ms,
            },
        )
    }

    fn any_state() -> impl Strategy<Value = State> {
        let tail = || prop::collection::vec(any::<u8>(), 0..80).prop_map(Bytes::from);
        prop_oneof![
            (tail(), any::<bool>()).prop_map(|(history, needs_slot)| State::Free { history, needs_slot }),
            (tail(), any::<bool>()).prop_map(|(history, is_ahead)| State::Leased { history, is_ahead }),
            tail().prop_map(|outcome| State::Done { outcome }),
            (any::<u32>(), tail())
                .prop_map(|(incarnation, history)| State::Withdrawn { incarnation, history }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            state in any_state(), id in any::<u128>(), attempt in any::<u32>(), lost in any::<u32>(),
            since_ms in any::<u64>(), losses in prop::collection::vec(any_loss(), 0..=MAX_LOSSES),
        ) {
            let session = SessionId::from_uuid(Uuid::from_u128(id));
            let record = Record { state, session, attempt, lost, since_ms, losses };
            prop_assert_eq!(Record::parse(&record.encode().into()), Ok(record));
        }

        #[test]
        fn no_bytes_make_parsing_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let bytes = Bytes::from(bytes);
            if let Ok(record) = Record::parse(&bytes) {
                prop_assert_eq!(Record::parse(&record.encode().into()).unwrap().state, record.state);
            }
        }
    }

    #[test]
    fn a_cut_record_is_refused() {
        let loss = Loss { session: SessionId::from_uuid(Uuid::nil()), attempt: 1, since_ms: 2, until_ms: 3 };
        let record = Record {
            state: State::Leased { history: Bytes::new(), is_ahead: true },
            session: loss.session,
            attempt: 2,
            lost: 1,
            since_ms: 4,
            losses: vec![loss],
        };
        let bytes = Bytes::from(record.encode());
        for length in 0..bytes.len() {
            assert!(Record::parse(&bytes.slice(..length)).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let record = Record {
            state: State::Withdrawn { incarnation: 7, history: Bytes::from_static(b"past") },
            session: SessionId::from_uuid(Uuid::from_bytes(*b"0123456789abcdef")),
            attempt: 2,
            lost: 1,
            since_ms: 3,
            losses: Vec::new(),
        };
        let expected = b"c0123456789abcdef\0\0\0\x02\0\0\0\x01\0\0\0\0\0\0\0\x03\0\0\0\x07\0past".as_slice();
        assert_eq!(record.encode(), expected);
    }
}
