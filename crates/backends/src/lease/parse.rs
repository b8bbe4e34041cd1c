//! Reads the packed answers of the scripts.

use std::time::Duration;

use bytes::Bytes;
use protocol::SessionId;

use super::answer::{Answer, Assertion, Beat, Completed, Grant, Released, Withdrawal};
use super::record::{Malformed, Record, State, long, number, session};

/// Why an answer cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is cut, or has a letter that no script writes.
    Answer,
    /// It holds something else than a record.
    Record(Malformed),
}

/// What is left of an answer.
#[derive(Debug)]
pub(super) struct Reader(pub(super) Bytes);

impl Reader {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, length: usize) -> Result<Bytes, Unreadable> {
        if length > self.0.len() { Err(Unreadable::Answer) } else { Ok(self.0.split_to(length)) }
    }

    fn letter(&mut self) -> Result<u8, Unreadable> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> Result<u32, Unreadable> {
        Ok(number(&self.take(4)?))
    }

    fn long(&mut self) -> Result<u64, Unreadable> {
        Ok(long(&self.take(8)?))
    }

    pub(super) fn session(&mut self) -> Result<SessionId, Unreadable> {
        Ok(session(&self.take(16)?))
    }

    /// Milliseconds in eight bytes.
    pub(super) fn millis(&mut self) -> Result<Duration, Unreadable> {
        Ok(Duration::from_millis(self.long()?))
    }

    /// Bytes after their length.
    pub(super) fn sized(&mut self) -> Result<Bytes, Unreadable> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| Unreadable::Answer)?)
    }

    fn grant(&mut self) -> Result<Grant, Unreadable> {
        let record = Record::parse(&self.sized()?).map_err(Unreadable::Record)?;
        match record.state {
            State::Leased { history, .. } => {
                Ok(Grant { attempt: record.attempt, lost: record.lost, losses: record.losses, history })
            }
            State::Free { .. } | State::Done { .. } | State::Withdrawn { .. } => Err(Unreadable::Answer),
        }
    }

    pub(super) fn claim(&mut self) -> Result<Answer, Unreadable> {
        Ok(match self.letter()? {
            b'g' => Answer::Granted(Grant { attempt: 1, lost: 0, losses: Vec::new(), history: Bytes::new() }),
            b'G' => Answer::Granted(self.grant()?),
            b'M' => Answer::Mine(self.grant()?),
            b'P' => Answer::Poison(self.grant()?),
            b'B' => Answer::Busy {
                owner: self.session()?,
                expires_in: Duration::from_millis(self.number()?.into()),
            },
            b'D' => Answer::Done { outcome: self.sized()?.to_vec() },
            b'x' => Answer::Dropped,
            b'l' => Answer::Later,
            b'z' => Answer::Paused,
            _ => return Err(Unreadable::Answer),
        })
    }

    pub(super) fn completed(&mut self) -> Result<Completed, Unreadable> {
        Ok(match self.letter()? {
            b'a' => Completed::Accepted,
            b'y' => Completed::Already,
            b's' => Completed::Stale,
            _ => return Err(Unreadable::Answer),
        })
    }

    pub(super) fn released(&mut self) -> Result<Released, Unreadable> {
        Ok(match self.letter()? {
            b'a' => Released::Accepted,
            b'y' => Released::Already,
            b's' => Released::Stale,
            _ => return Err(Unreadable::Answer),
        })
    }

    pub(super) fn assertion(&mut self) -> Result<Assertion, Unreadable> {
        Ok(match self.letter()? {
            b'h' => Assertion::Held,
            b'l' => Assertion::Lost,
            _ => return Err(Unreadable::Answer),
        })
    }

    pub(super) fn withdrawal(&mut self) -> Result<Withdrawal, Unreadable> {
        Ok(match self.letter()? {
            b'w' => Withdrawal::Withdrawn,
            b'l' => Withdrawal::Leased,
            b'd' => Withdrawal::Done,
            _ => return Err(Unreadable::Answer),
        })
    }

    pub(super) fn looked(&mut self) -> Result<Option<Record>, Unreadable> {
        let bytes = self.sized()?;
        if bytes.is_empty() { Ok(None) } else { Record::parse(&bytes).map(Some).map_err(Unreadable::Record) }
    }

    pub(super) fn beat(&mut self) -> Result<Beat, Unreadable> {
        let (now_ms, canary) = (self.long()?, self.long()?);
        Ok(Beat { now_ms, canary, server: std::mem::take(&mut self.0).to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cut_answer_is_refused() {
        let busy = Bytes::from_static(b"B0123456789abcdef\0\0\x01\0");
        for length in 0..busy.len() {
            assert_eq!(Reader(busy.slice(..length)).claim(), Err(Unreadable::Answer), "{length} bytes");
        }
        let owner = session(b"0123456789abcdef");
        let expected = Answer::Busy { owner, expires_in: Duration::from_millis(256) };
        assert_eq!(Reader(busy).claim(), Ok(expected));
    }

    #[test]
    fn a_grant_must_be_a_lease() {
        let mut answer = b"G\0\0\0\x26".to_vec();
        answer.extend_from_slice(&[b'q'; 1]);
        answer.extend_from_slice(&[0; 37]);
        assert_eq!(Reader(answer.into()).claim(), Err(Unreadable::Answer));
    }

    proptest! {
        #[test]
        fn no_answer_makes_reading_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            let mut reader = Reader(bytes.clone());
            while !reader.is_empty() && reader.claim().is_ok() {}
            prop_assert!(reader.0.len() < bytes.len() || bytes.is_empty());
        }
    }
}
