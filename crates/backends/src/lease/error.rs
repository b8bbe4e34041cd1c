//! Why the arbiter gave no answer.

use protocol::SessionId;

use super::record::Malformed;
use crate::redis;

/// Why the arbiter gave no answer. What was asked may have been done all the same.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Redis did not do it.
    #[error(transparent)]
    Redis(#[from] redis::Error),
    /// Redis does not know the session, nor that it is dead: it lost writes, or the session was never
    /// registered. Nothing was done. Once it is registered (again) and has asserted what it holds,
    /// the question may be asked again.
    #[error("session {session} is not registered with Redis (any more)")]
    UnknownSession {
        /// The session that asked.
        session: SessionId,
    },
    /// A script answered what this version cannot read.
    #[error(
        "cannot read what the script `{script}` answered; nothing but Otaman may write keys like {prefix}*"
    )]
    Answer {
        /// The script.
        script: &'static str,
        /// How all our keys begin.
        prefix: String,
    },
    /// A record is not what this version writes.
    #[error("cannot read a record in answer of `{script}`; nothing but Otaman may write keys like {prefix}*")]
    Record {
        /// The script.
        script: &'static str,
        /// How all our keys begin.
        prefix: String,
        /// What is there instead.
        #[source]
        source: Malformed,
    },
}

impl Error {
    /// Whether trying again later may help without anybody changing anything here.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Redis(error) => error.is_transient(),
            Self::UnknownSession { .. } => true,
            Self::Answer { .. } | Self::Record { .. } => false,
        }
    }
}
