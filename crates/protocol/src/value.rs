//! Values: arguments and results, as canonical MessagePack.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{canonical, transcode};

/// Why bytes are not a value, or a value not of the wanted type.
#[derive(Debug, thiserror::Error)]
pub enum ValueError {
    /// The type cannot be written as MessagePack.
    #[error("cannot encode the value")]
    Encode(#[source] rmp_serde::encode::Error),
    /// The value is not of the wanted type.
    #[error("cannot decode the value")]
    Decode(#[source] rmp_serde::decode::Error),
    /// The bytes are not one well-formed MessagePack value within the limits.
    #[error("malformed value at byte {at}: {problem}")]
    Malformed {
        /// Offset of the offending byte.
        at: usize,
        /// What is wrong there.
        problem: &'static str,
    },
}

/// One value as canonical MessagePack: maps sorted by their encoded keys without duplicates,
/// shortest integer and length forms, floats as 64 bits, no extension types. Equal values have
/// equal bytes, so that ids can be taken from them. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Value(Arc<[u8]>);

impl Value {
    /// Encodes anything that serialises; structs become maps by field name.
    ///
    /// # Errors
    /// If the type cannot be serialised (a map with equal keys, for example).
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self, ValueError> {
        let bytes = rmp_serde::to_vec_named(value).map_err(ValueError::Encode)?;
        canonical::canonical(&bytes).map(|bytes| Self(bytes.as_ref().into()))
    }

    /// Decodes into a type.
    ///
    /// # Errors
    /// If the value is not of that type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, ValueError> {
        rmp_serde::from_slice(&self.0).map_err(ValueError::Decode)
    }

    /// Takes bytes of unknown origin; they are checked and brought to canonical form.
    ///
    /// # Errors
    /// If they are not exactly one MessagePack value, nest deeper than 128, or use extensions.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ValueError> {
        canonical::canonical(bytes).map(|bytes| Self(bytes.as_ref().into()))
    }

    /// An array of values, in this order, without decoding them.
    pub fn array<'a>(values: impl ExactSizeIterator<Item = &'a [u8]>) -> Self {
        let mut bytes = Vec::new();
        // Writing to a Vec cannot fail.
        rmp::encode::write_array_len(&mut bytes, values.len() as u32).expect("a Vec accepts all bytes");
        for value in values {
            bytes.extend_from_slice(value);
        }
        Self(bytes.into())
    }

    /// The value `null`.
    pub fn null() -> Self {
        Self(Arc::new([0xc0]))
    }

    /// The canonical MessagePack.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value as JSON; byte strings become arrays of numbers, as in serde.
    ///
    /// # Errors
    /// If it has no JSON form: a map with keys that are not strings or numbers.
    pub fn to_json(&self) -> Result<serde_json::Value, ValueError> {
        self.decode()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_json() {
            Ok(json) if self.0.len() <= 200 => write!(f, "{json}"),
            _ => write!(f, "<{} bytes of MessagePack>", self.0.len()),
        }
    }
}

impl Serialize for Value {
    /// As what it holds, not as bytes.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        transcode::write(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = transcode::read(deserializer)?;
        Self::from_bytes(&bytes).map_err(serde::de::Error::custom)
    }
}

/// Serialises a value as opaque bytes, for messages that carry it undecoded.
pub(crate) mod opaque {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(value: &Value, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(value.as_bytes())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        let bytes = serde_bytes::ByteBuf::deserialize(deserializer)?;
        Value::from_bytes(&bytes).map_err(serde::de::Error::custom)
    }
}
