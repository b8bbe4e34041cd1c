//! The envelope every message travels in: a version, a kind, and a body that is decoded only after
//! the envelope was accepted.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::bundle::Bundle;
use crate::ids::ExecutionId;
use crate::lease::Session;
use crate::outcome::Outcome;
use crate::task::Task;

/// The version of the wire format that this crate writes.
pub const WIRE_VERSION: u32 = 1;
/// Largest encoded envelope, in bytes; larger values go by reference.
pub const MAX_ENVELOPE_BYTES: usize = 1024 * 1024;
/// Largest message that may go by reference, in bytes.
pub const MAX_REFERENCED_BYTES: usize = 64 * 1024 * 1024;
/// Deepest nesting of arrays and maps in an envelope and its body. Arguments and values are opaque
/// byte strings to it.
pub const MAX_DEPTH: usize = 32;

/// Why bytes are not a message for us.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Over the size limit.
    #[error("message of {size} bytes exceeds the limit of {limit} bytes")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Nested beyond the limit, or not MessagePack at all.
    #[error("message is not MessagePack of at most {MAX_DEPTH} levels: {problem} at byte {at}")]
    Malformed {
        /// Offset of the offending byte.
        at: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// Written by a later release.
    #[error("message has wire version {version}; this release reads up to {WIRE_VERSION}, so upgrade it")]
    Version {
        /// The version it has.
        version: u32,
    },
    /// A different kind of message than this place takes.
    #[error("message is of kind {found:?}, not {expected:?}")]
    Kind {
        /// The kind it has.
        found: String,
        /// The kind that was expected.
        expected: &'static str,
    },
    /// The body is not of the kind's type.
    #[error("cannot decode the message")]
    Decode(#[source] rmp_serde::decode::Error),
    /// The body cannot be written.
    #[error("cannot encode the message")]
    Encode(#[source] rmp_serde::encode::Error),
}

/// A noun that travels: its kind is on the envelope.
pub trait Message: Serialize + DeserializeOwned {
    /// The kind on the envelope.
    const KIND: &'static str;
}

impl Message for Task {
    const KIND: &'static str = "task";
}

impl Message for Outcome {
    const KIND: &'static str = "outcome";
}

impl Message for Session {
    const KIND: &'static str = "session";
}

impl Message for Bundle {
    const KIND: &'static str = "bundle";
}

/// Many outcomes in one message, each encoded by [`encode_part`] or standing for one that went by
/// reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Outcomes(pub Vec<serde_bytes::ByteBuf>);

impl Message for Outcomes {
    const KIND: &'static str = "outcomes";
}

/// Encodes a part of a message, to be carried as opaque bytes.
///
/// # Errors
/// If it cannot be serialised or exceeds [`MAX_REFERENCED_BYTES`].
pub fn encode_part<T: Serialize>(part: &T) -> Result<Vec<u8>, EnvelopeError> {
    within(MAX_REFERENCED_BYTES, rmp_serde::to_vec_named(part).map_err(EnvelopeError::Encode)?)
}

/// Decodes a part of unknown origin, shape and depth first.
///
/// # Errors
/// Whatever is wrong with it.
pub fn decode_part<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, EnvelopeError> {
    if bytes.len() > MAX_REFERENCED_BYTES {
        return Err(EnvelopeError::TooLarge { size: bytes.len(), limit: MAX_REFERENCED_BYTES });
    }
    crate::canonical::check_shape(bytes, MAX_DEPTH)?;
    rmp_serde::from_slice(bytes).map_err(EnvelopeError::Decode)
}

/// A message with what is needed to route and judge it before its body is decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope<M> {
    /// The execution it belongs to.
    pub execution: ExecutionId,
    /// What it carries.
    pub body: M,
}

/// The wire form: a map with short, fixed names. Unknown fields are ignored, so that later
/// releases may add some without a new version.
#[derive(Serialize, Deserialize)]
struct Wire {
    v: u32,
    kind: String,
    execution: ExecutionId,
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
}

impl<M: Message> Envelope<M> {
    /// Encodes the message.
    ///
    /// # Errors
    /// If it exceeds [`MAX_ENVELOPE_BYTES`].
    pub fn encode(&self) -> Result<Vec<u8>, EnvelopeError> {
        within(MAX_ENVELOPE_BYTES, self.encode_any()?)
    }

    /// Encodes a message that may go by reference.
    ///
    /// # Errors
    /// If it exceeds [`MAX_REFERENCED_BYTES`].
    pub fn encode_large(&self) -> Result<Vec<u8>, EnvelopeError> {
        within(MAX_REFERENCED_BYTES, self.encode_any()?)
    }

    fn encode_any(&self) -> Result<Vec<u8>, EnvelopeError> {
        let body = rmp_serde::to_vec_named(&self.body).map_err(EnvelopeError::Encode)?;
        let wire =
            Wire { v: WIRE_VERSION, kind: M::KIND.to_owned(), execution: self.execution.clone(), body };
        rmp_serde::to_vec_named(&wire).map_err(EnvelopeError::Encode)
    }

    /// Decodes a message of unknown origin: size first, then shape and depth without allocating,
    /// then version and kind, then the body.
    ///
    /// # Errors
    /// Whatever is wrong with it; the bytes should then be set aside, not retried.
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        Self::decode_within(MAX_ENVELOPE_BYTES, bytes)
    }

    /// Decodes a message that went by reference.
    ///
    /// # Errors
    /// As for [`Self::decode`], with [`MAX_REFERENCED_BYTES`] as the limit.
    pub fn decode_large(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        Self::decode_within(MAX_REFERENCED_BYTES, bytes)
    }

    fn decode_within(limit: usize, bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > limit {
            return Err(EnvelopeError::TooLarge { size: bytes.len(), limit });
        }
        crate::canonical::check_shape(bytes, MAX_DEPTH)?;
        let wire: Wire = rmp_serde::from_slice(bytes).map_err(EnvelopeError::Decode)?;
        if wire.v > WIRE_VERSION {
            return Err(EnvelopeError::Version { version: wire.v });
        }
        if wire.kind != M::KIND {
            return Err(EnvelopeError::Kind { found: wire.kind, expected: M::KIND });
        }
        crate::canonical::check_shape(&wire.body, MAX_DEPTH)?;
        let body = rmp_serde::from_slice(&wire.body).map_err(EnvelopeError::Decode)?;
        Ok(Self { execution: wire.execution, body })
    }
}

fn within(limit: usize, bytes: Vec<u8>) -> Result<Vec<u8>, EnvelopeError> {
    if bytes.len() > limit {
        return Err(EnvelopeError::TooLarge { size: bytes.len(), limit });
    }
    Ok(bytes)
}
