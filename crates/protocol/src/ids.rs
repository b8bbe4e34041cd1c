//! Identities: of tasks and flows by content, of executions by name, of sessions by chance.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use semver::Version;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::names::OperationName;
use crate::value::Value;

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?} must be {grammar}")]
pub struct IdError {
    kind: &'static str,
    text: String,
    grammar: &'static str,
}

/// Hashes the content of a call. The fields are length-prefixed so that no two different calls
/// concatenate to the same bytes; BLAKE3 (<https://github.com/BLAKE3-team/BLAKE3-specs>) is cut
/// to 128 bits, which its specification allows.
fn content_hash(domain: &str, parts: &[&[u8]]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    for part in [domain.as_bytes()].iter().chain(parts) {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut first = [0; 16];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    u128::from_be_bytes(first)
}

macro_rules! content_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $grammar:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The id of a call: a 128-bit hash of the operation's or flow's name, its version and
            /// the canonical MessagePack of its arguments. The same on every machine and in every
            /// release.
            pub fn of_call(name: &OperationName, version: &Version, arguments: &Value) -> Self {
                let version = version.to_string();
                let parts = [name.as_str().as_bytes(), version.as_bytes(), arguments.as_bytes()];
                Self(content_hash(concat!("otaman ", $prefix, " call"), &parts))
            }

            /// The id that an explicit `@key` of a user stands for.
            pub fn of_key(key: &str) -> Self {
                Self(content_hash(concat!("otaman ", $prefix, " key"), &[key.as_bytes()]))
            }

            /// The id with this number, as [`Self::to_u128`] gave it.
            pub const fn from_u128(number: u128) -> Self {
                Self(number)
            }

            /// The id as a number, for compact storage.
            pub const fn to_u128(self) -> u128 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "-{:032x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "-"))
                    .filter(|hex| hex.len() == 32 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
                    .and_then(|hex| u128::from_str_radix(hex, 16).ok())
                    .map(Self)
                    .ok_or_else(|| IdError { kind: $prefix, text: text.to_owned(), grammar: $grammar })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

content_id! {
    /// Identity of a task by its content: `task-` and 32 hexadecimal digits.
    TaskId, "task", "`task-` and 32 hexadecimal digits"
}

content_id! {
    /// Identity of a flow by its content: `flow-` and 32 hexadecimal digits.
    FlowId, "flow", "`flow-` and 32 hexadecimal digits"
}

/// Name of one run of a spec: 1 to 63 characters out of `a-z 0-9 . _ -`, starting with a letter or
/// digit, so that it can stand in a queue's name, a file's name and a URL.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutionId(Arc<str>);

impl ExecutionId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExecutionId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bytes = text.as_bytes();
        let allowed = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        if (1..=63).contains(&bytes.len()) && bytes.iter().all(allowed) && bytes[0].is_ascii_alphanumeric() {
            Ok(Self(text.into()))
        } else {
            let grammar = "1 to 63 characters out of a-z 0-9 . _ -, starting with a letter or digit";
            Err(IdError { kind: "execution id", text: text.to_owned(), grammar })
        }
    }
}

impl fmt::Display for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ExecutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for ExecutionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ExecutionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Identity of one worker process's life; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Uuid);

impl SessionId {
    /// The session with this (random) number.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.hyphenated(), f)
    }
}

impl FromStr for SessionId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::parse_str(text).map(Self).map_err(|_| IdError {
            kind: "session id",
            text: text.to_owned(),
            grammar: "a UUID",
        })
    }
}
