//! Chunks: many outcomes in one value of the store.
//!
//! A chunk is a format number, the incarnation that wrote it, a moment from which its times count,
//! and its outcomes up to its end. A short outcome takes less than thirty bytes.

use std::time::Duration;

use protocol::{Attempt, Ending, Failure, IdMap, Outcome, SessionId, TaskId, Value};
use uuid::Uuid;

use super::pack::{self, Unpack, put_bytes, put_difference, put_number};

/// The layout that this file writes.
const LAYOUT: u8 = 1;
/// A chunk is full with so many outcomes; reading one outcome means to walk its chunk.
const MOST_OUTCOMES: u32 = 4_096;
/// Or with so many bytes. Below a power of two, to which files round up large rows.
const MOST_BYTES: usize = 1_000_000;

const KIND: u8 = 0b11;
const SUCCEEDED: u8 = 0;
const FAILED: u8 = 1;
const CANCELLED: u8 = 2;
/// A session follows that this chunk has named before: its number.
const KNOWN_SESSION: u8 = 0b100;
/// A session follows in full; it gets the next number.
const NEW_SESSION: u8 = 0b1000;
const FAILED_ATTEMPTS: u8 = 0b1_0000;
const RETRIES: u8 = 0b10_0000;

/// Why a chunk cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("a chunk of outcomes {0}")]
    Packing(#[from] pack::Error),
    #[error("a chunk of outcomes has layout {found}, and {LAYOUT} is the newest known")]
    Layout { found: u8 },
    #[error("a recorded value is damaged")]
    Value(#[from] protocol::error::ValueError),
    #[error("recorded evidence is damaged")]
    Evidence(#[from] rmp_serde::decode::Error),
    #[error("evidence of a failure cannot be encoded")]
    Encode(#[from] rmp_serde::encode::Error),
}

/// Packs outcomes.
#[derive(Debug)]
pub(crate) struct Packer {
    bytes: Vec<u8>,
    base_us: u64,
    sessions: Vec<SessionId>,
    count: u32,
}

impl Packer {
    /// An empty chunk; times are short if they are near `base_us`.
    pub(crate) fn new(incarnation: u32, base_us: u64) -> Self {
        let mut bytes = vec![LAYOUT];
        put_number(&mut bytes, incarnation.into());
        put_number(&mut bytes, base_us);
        Self { bytes, base_us, sessions: Vec::new(), count: 0 }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count >= MOST_OUTCOMES || self.bytes.len() >= MOST_BYTES
    }

    /// Adds an outcome; says its position.
    ///
    /// # Errors
    /// If it has no encoding; the chunk is then of no use any more.
    pub(crate) fn add(&mut self, outcome: &Outcome) -> Result<u32, Error> {
        let kind = match &outcome.ending {
            Ending::Succeeded(_) => SUCCEEDED,
            Ending::Failed(_) => FAILED,
            Ending::Cancelled => CANCELLED,
        };
        let known = outcome.session.map(|session| self.sessions.iter().rposition(|known| *known == session));
        let session = match known {
            None => 0,
            Some(None) => NEW_SESSION,
            Some(Some(_)) => KNOWN_SESSION,
        };
        let evidence = if outcome.failed_attempts.is_empty() { 0 } else { FAILED_ATTEMPTS };
        let retries = if outcome.retries == 0 { 0 } else { RETRIES };
        self.bytes.push(kind | session | evidence | retries);
        self.bytes.extend_from_slice(&outcome.task.to_u128().to_be_bytes());
        put_number(&mut self.bytes, outcome.attempt.into());
        if outcome.retries != 0 {
            put_number(&mut self.bytes, outcome.retries.into());
        }
        match known {
            None => {}
            Some(Some(number)) => put_number(&mut self.bytes, number as u64),
            Some(None) => self.bytes.extend_from_slice(session_uuid(outcome).as_bytes()),
        }
        put_difference(&mut self.bytes, outcome.started_at_us.wrapping_sub(self.base_us) as i64);
        put_number(&mut self.bytes, u64::try_from(outcome.duration.as_micros()).unwrap_or(u64::MAX));
        match &outcome.ending {
            Ending::Succeeded(value) => put_bytes(&mut self.bytes, value.as_bytes()),
            Ending::Failed(failure) => put_bytes(&mut self.bytes, &rmp_serde::to_vec_named(failure)?),
            Ending::Cancelled => {}
        }
        if !outcome.failed_attempts.is_empty() {
            put_bytes(&mut self.bytes, &rmp_serde::to_vec_named(&outcome.failed_attempts)?);
        }
        if session == NEW_SESSION {
            self.sessions.extend(outcome.session);
        }
        self.count += 1;
        Ok(self.count - 1)
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// A chunk with what is needed to find an outcome in it. Outcomes are decoded when asked for.
#[derive(Debug)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    pub(crate) incarnation: u32,
    base_us: u64,
    sessions: Vec<SessionId>,
    /// Where each outcome begins, by position.
    starts: Vec<u32>,
    /// The last position of each task.
    positions: IdMap<TaskId, u32>,
}

impl Chunk {
    /// Walks the outcomes once.
    ///
    /// # Errors
    /// If the bytes are damaged.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, Error> {
        let (mut starts, mut positions) = (Vec::new(), IdMap::default());
        let (incarnation, base_us, sessions) = walk(&bytes, |at, task, _| {
            positions.insert(task, starts.len() as u32);
            starts.push(at as u32);
        })?;
        Ok(Self { bytes, incarnation, base_us, sessions, starts, positions })
    }

    /// Roughly what it takes in memory.
    pub(crate) fn weight(&self) -> usize {
        self.bytes.len() + self.starts.len() * 48 + size_of::<Self>()
    }

    /// The last position of a task's outcome, and whether the task is dead by it.
    pub(crate) fn find(&self, task: TaskId) -> Option<(u32, bool)> {
        let position = *self.positions.get(&task)?;
        let start = *self.starts.get(position as usize)?;
        Some((position, self.bytes[start as usize] & KIND == FAILED))
    }

    /// Decodes the outcome at a position.
    ///
    /// # Errors
    /// If it is damaged; `None` if the chunk is shorter.
    pub(crate) fn outcome(&self, position: u32) -> Result<Option<Outcome>, Error> {
        let Some(start) = self.starts.get(position as usize) else { return Ok(None) };
        let mut unpack = Unpack::new(&self.bytes, *start as usize);
        let flags = unpack.byte()?;
        let task = TaskId::from_u128(u128::from_be_bytes(unpack.array()?));
        let attempt = unpack.small_number()?;
        let retries = if flags & RETRIES == 0 { 0 } else { unpack.small_number()? };
        let session = match flags & (KNOWN_SESSION | NEW_SESSION) {
            0 => None,
            NEW_SESSION => Some(SessionId::from_uuid(Uuid::from_bytes(unpack.array()?))),
            _ => {
                let number = unpack.small_number()? as usize;
                Some(*self.sessions.get(number).ok_or_else(|| unpack.damaged("an unknown session"))?)
            }
        };
        let started_at_us = self.base_us.wrapping_add(unpack.difference()? as u64);
        let duration = Duration::from_micros(unpack.number()?);
        let ending = match flags & KIND {
            SUCCEEDED => Ending::Succeeded(Value::from_bytes(unpack.bytes()?)?),
            FAILED => Ending::Failed(rmp_serde::from_slice::<Failure>(unpack.bytes()?)?),
            CANCELLED => Ending::Cancelled,
            _ => return Err(unpack.damaged("an unknown ending").into()),
        };
        let failed_attempts = match flags & FAILED_ATTEMPTS {
            0 => Vec::new(),
            _ => rmp_serde::from_slice::<Vec<Attempt>>(unpack.bytes()?)?,
        };
        let how =
            Outcome { task, ending, attempt, retries, session, started_at_us, duration, failed_attempts };
        Ok(Some(how))
    }
}

/// Calls `visit` with the start and the task of each outcome, and whether the task is dead by it;
/// gives the incarnation, base and sessions.
pub(crate) fn walk(
    bytes: &[u8],
    mut visit: impl FnMut(usize, TaskId, bool),
) -> Result<(u32, u64, Vec<SessionId>), Error> {
    let mut unpack = Unpack::new(bytes, 0);
    let found = unpack.byte()?;
    if found != LAYOUT {
        return Err(Error::Layout { found });
    }
    let incarnation = unpack.small_number()?;
    let base_us = unpack.number()?;
    let mut sessions = Vec::new();
    while !unpack.is_at_end() {
        let start = unpack.at();
        let flags = unpack.byte()?;
        let task = TaskId::from_u128(u128::from_be_bytes(unpack.array()?));
        unpack.number()?;
        if flags & RETRIES != 0 {
            unpack.number()?;
        }
        if flags & NEW_SESSION != 0 {
            sessions.push(SessionId::from_uuid(Uuid::from_bytes(unpack.array()?)));
        } else if flags & KNOWN_SESSION != 0 {
            unpack.number()?;
        }
        unpack.number()?;
        unpack.number()?;
        if flags & KIND != CANCELLED {
            unpack.bytes()?;
        }
        if flags & FAILED_ATTEMPTS != 0 {
            unpack.bytes()?;
        }
        visit(start, task, flags & KIND == FAILED);
    }
    Ok((incarnation, base_us, sessions))
}

fn session_uuid(outcome: &Outcome) -> Uuid {
    let text = outcome.session.map(|session| session.to_string()).unwrap_or_default();
    Uuid::parse_str(&text).expect("a session id is written as a UUID")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::Cause;

    use super::*;

    fn outcome() -> impl Strategy<Value = Outcome> {
        let session = prop::option::of((0..3u128).prop_map(|id| SessionId::from_uuid(Uuid::from_u128(id))));
        let failure = any::<String>().prop_map(|text| Failure::new(Cause::Transient, text).with_tail("tail"));
        let attempts = prop::collection::vec((any::<u32>(), failure.clone()), 0..3).prop_map(|failures| {
            let attempt = |(number, failure)| Attempt {
                number,
                session: SessionId::from_uuid(Uuid::from_u128(7)),
                node: "node".into(),
                started_at_us: 5,
                duration: Duration::from_micros(6),
                failure,
            };
            failures.into_iter().map(attempt).collect::<Vec<_>>()
        });
        let ending = prop_oneof![
            any::<String>().prop_map(|text| Ending::Succeeded(Value::encode(&text).unwrap())),
            failure.prop_map(Ending::Failed),
            Just(Ending::Cancelled),
        ];
        let numbers = (0..20u128, any::<u32>(), 0..3u32, any::<u64>(), any::<u64>());
        (numbers, session, ending, attempts).prop_map(
            |((task, attempt, retries, started, duration), session, ending, attempts)| Outcome {
                task: TaskId::from_u128(task << 90 | task),
                ending,
                attempt,
                retries,
                session,
                started_at_us: started,
                duration: Duration::from_micros(duration),
                failed_attempts: attempts,
            },
        )
    }

    fn pack(outcomes: &[Outcome]) -> Vec<u8> {
        let mut packer = Packer::new(3, 1_000_000);
        for (position, outcome) in outcomes.iter().enumerate() {
            assert_eq!(packer.add(outcome).unwrap(), position as u32);
        }
        packer.finish()
    }

    proptest! {
        #[test]
        fn outcomes_survive_packing(outcomes in prop::collection::vec(outcome(), 0..30)) {
            let chunk = Chunk::parse(pack(&outcomes)).unwrap();
            prop_assert_eq!(chunk.incarnation, 3);
            for (position, outcome) in outcomes.iter().enumerate() {
                let unpacked = chunk.outcome(position as u32).unwrap();
                prop_assert_eq!(unpacked.as_ref(), Some(outcome));
                let last = outcomes.iter().rposition(|other| other.task == outcome.task).unwrap();
                let is_dead = outcomes[last].failure().is_some();
                prop_assert_eq!(chunk.find(outcome.task), Some((last as u32, is_dead)));
            }
            prop_assert_eq!(chunk.outcome(outcomes.len() as u32).unwrap(), None);
        }

        #[test]
        fn damaged_chunks_never_panic(
            outcomes in prop::collection::vec(outcome(), 1..5), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = pack(&outcomes);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(chunk) = Chunk::parse(bytes) {
                for position in 0..outcomes.len() as u32 + 1 {
                    let _ = chunk.outcome(position);
                }
            }
        }
    }

    #[test]
    fn a_small_outcome_takes_few_bytes() {
        let outcome = Outcome {
            ending: Ending::Succeeded(Value::null()),
            attempt: 1,
            session: Some(SessionId::from_uuid(Uuid::from_u128(1))),
            started_at_us: 1_000_500,
            duration: Duration::from_micros(90),
            ..Outcome::cancelled(TaskId::from_u128(u128::MAX))
        };
        let bytes = pack(&vec![outcome; 1_000]);
        assert!(bytes.len() < 30_000, "{} bytes", bytes.len());
    }
}
