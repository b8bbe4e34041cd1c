//! Names with a grammar: operations, flows, worker types and semaphores.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("name {name:?} must be 1 to 128 characters out of A-Z a-z 0-9 _ . -")]
pub struct NameError {
    /// The text that was refused.
    pub name: String,
}

/// Whether `text` is a name: 1 to 128 characters out of `A-Z a-z 0-9 _ . -`, nothing else, and
/// nothing before or after. Usable in a `const`, so that a bad literal fails the build.
pub const fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_NAME_BYTES {
        return false;
    }
    let mut index = 0;
    while index < bytes.len() {
        if !matches!(bytes[index], b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-') {
            return false;
        }
        index += 1;
    }
    true
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` against the grammar of names.
            ///
            /// # Errors
            /// If it is not 1 to 128 characters out of `A-Z a-z 0-9 _ . -`.
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                let text = text.as_ref();
                if is_name(text) { Ok(Self(text.into())) } else { Err(NameError { name: text.to_owned() }) }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::new(text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name! {
    /// The registered name of an operation or of a flow schema, such as `resize`.
    OperationName
}

name! {
    /// The routing name of a kind of worker, such as `cpu`; it names the queue.
    WorkerType
}

name! {
    /// The name of a semaphore, such as `cuda`, which limits how many do something at once on a machine.
    SemaphoreName
}

impl Default for WorkerType {
    /// `cpu`, the worker type of operations that say nothing else.
    fn default() -> Self {
        Self("cpu".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_anchored_and_bounded() {
        for good in ["a", "copy-chunk", "BBox3D.from_coords", "_", &"x".repeat(128)] {
            assert!(is_name(good), "{good:?}");
        }
        for bad in ["", "bad id/with spaces\n", "ok\n", "é", " a", &"x".repeat(129)] {
            assert!(OperationName::new(bad).is_err(), "{bad:?}");
        }
    }
}
