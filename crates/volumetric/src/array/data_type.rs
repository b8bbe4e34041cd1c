//! What a voxel is made of.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a voxel is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DataType {
    /// 8 bits without sign.
    Uint8,
    /// 16 bits without sign.
    Uint16,
    /// 32 bits without sign.
    Uint32,
    /// 64 bits without sign.
    Uint64,
    /// 8 bits with sign.
    Int8,
    /// 16 bits with sign.
    Int16,
    /// 32 bits with sign.
    Int32,
    /// 64 bits with sign.
    Int64,
    /// 32 bits of floating point.
    Float32,
    /// 64 bits of floating point.
    Float64,
}

impl DataType {
    /// Its name in files and specs, such as `uint8`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }

    /// Bytes of one value.
    pub const fn size(self) -> usize {
        match self {
            Self::Uint8 | Self::Int8 => 1,
            Self::Uint16 | Self::Int16 => 2,
            Self::Uint32 | Self::Int32 | Self::Float32 => 4,
            Self::Uint64 | Self::Int64 | Self::Float64 => 8,
        }
    }

    /// Whether it has fractions.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::Float32 | Self::Float64)
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
