//! What a worker and the process of a slot say to each other: MessagePack behind its length.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use otaman::driver::{Evidence, Reporter};
use protocol::error::EnvelopeError;
use protocol::{ExecutionId, MAX_REFERENCED_BYTES, SemaphoreWidth, Task, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Longest message, in bytes.
pub(super) const MAX_FRAME: usize = MAX_REFERENCED_BYTES + 1024;

/// From the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Run an attempt. The last one must have ended.
    Run(Box<Assignment>, Machine),
    /// Stop the attempt.
    Stop,
    /// To [`Report::Ask`].
    Answer(Result<Answer, Evidence>),
}

/// An attempt to run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Assignment {
    pub(crate) execution: ExecutionId,
    pub(crate) task: Task,
    pub(crate) attempt: u32,
}

/// What the worker knows of its machine.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) semaphores: Vec<SemaphoreWidth>,
    pub(crate) semaphore_dir: Option<PathBuf>,
}

/// To the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// A line of the task's log.
    Log(String),
    /// `done` of `total` units are done.
    Progress { done: u64, total: u64 },
    /// The operation asks for something; one question at a time.
    Ask(Question),
    /// The attempt has ended.
    Ended(Result<Value, Evidence>),
}

/// What only the worker can do for an operation.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Question {
    /// Put a file aside.
    Keep(PathBuf),
    /// Does the attempt still have the right to its task?
    HoldsLease,
    /// Remember how far the task is.
    SaveProgress(Value),
    /// How far was it?
    SavedProgress,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Kept(String),
    HoldsLease(bool),
    Saved,
    SavedProgress(Option<Value>),
}

impl Question {
    /// Has it answered by the worker's own reporter.
    pub(super) async fn answer(self, reporter: &dyn Reporter) -> Result<Answer, Evidence> {
        let answer = match self {
            Self::Keep(file) => reporter.keep(&file).await.map(Answer::Kept),
            Self::HoldsLease => reporter.holds_lease().await.map(Answer::HoldsLease),
            Self::SaveProgress(progress) => reporter.save_progress(progress).await.map(|()| Answer::Saved),
            Self::SavedProgress => reporter.saved_progress().await.map(Answer::SavedProgress),
        };
        answer.map_err(otaman::Error::into_evidence)
    }
}

/// The bytes of a message, without the length.
pub(super) fn encode(message: &impl Serialize) -> Result<Vec<u8>, EnvelopeError> {
    protocol::encode_part(message)
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    protocol::decode_part(bytes).map_err(io::Error::other)
}

/// Reads a message; `None` if the other end has closed the socket.
pub(super) fn read<T: DeserializeOwned>(mut socket: impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match socket.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_FRAME {
        return Err(io::Error::other(format!("a message of {length} bytes is too long")));
    }
    let mut bytes = vec![0; length];
    socket.read_exact(&mut bytes)?;
    decode(&bytes).map(Some)
}

/// Writes an encoded message.
pub(super) fn write(mut socket: impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let frame = [&length.to_be_bytes(), bytes].concat();
    socket.write_all(&frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut bytes = Vec::new();
        for line in ["one", "two"] {
            write(&mut bytes, &encode(&Report::Log(line.to_owned())).unwrap()).unwrap();
        }
        let mut rest = &*bytes;
        for line in ["one", "two"] {
            let read = read::<Report>(&mut rest).unwrap();
            assert!(matches!(read, Some(Report::Log(text)) if text == line));
        }
        assert!(read::<Report>(rest).unwrap().is_none());
    }

    #[test]
    fn a_length_beyond_all_bounds_is_refused_before_anything_is_reserved() {
        assert!(read::<Report>(&[0xff; 8][..]).unwrap_err().to_string().contains("too long"));
    }

    #[test]
    fn half_a_message_is_an_error() {
        assert!(read::<Report>(&[0, 0, 0, 9, 1][..]).is_err());
    }
}
