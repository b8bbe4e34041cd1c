//! Types of the voxels of an array, and which of them holds two.

use crate::array::DataType;

/// The type of the voxels of an array: `bool`, which only lives inside an expression, or one of storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    Data(DataType),
}

/// All types of storage.
pub(super) const DATA_TYPES: [DataType; 10] = [
    DataType::Uint8,
    DataType::Uint16,
    DataType::Uint32,
    DataType::Uint64,
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::Float32,
    DataType::Float64,
];

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Boolean => "bool",
            Self::Data(data_type) => data_type.name(),
        }
    }

    /// By a name of Python, NumPy or PyTorch.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(Self::Data(match name {
            "bool" | "bool_" => return Some(Self::Boolean),
            "float" | "double" => DataType::Float64,
            "single" => DataType::Float32,
            "int" | "long" => DataType::Int64,
            "short" => DataType::Int16,
            "byte" | "ubyte" => DataType::Uint8,
            _ => return DATA_TYPES.into_iter().find(|known| known.name() == name).map(Self::Data),
        }))
    }

    /// By the name of a method of PyTorch, where `src.float()` is `float32` and `src.int()` `int32`.
    pub(super) fn of_method(name: &str) -> Option<Self> {
        Some(Self::Data(match name {
            "float" => DataType::Float32,
            "double" => DataType::Float64,
            "byte" => DataType::Uint8,
            "char" => DataType::Int8,
            "short" => DataType::Int16,
            "int" => DataType::Int32,
            "long" => DataType::Int64,
            "bool" => return Some(Self::Boolean),
            _ => return None,
        }))
    }

    pub(super) const fn is_float(self) -> bool {
        matches!(self, Self::Data(data_type) if data_type.is_float())
    }

    const fn is_signed(self) -> bool {
        matches!(self, Self::Data(DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64))
    }

    const fn size(self) -> usize {
        match self {
            Self::Boolean => 0,
            Self::Data(data_type) => data_type.size(),
        }
    }

    /// The smallest type that holds both, as NumPy has it, but none for 64 bits with and without sign.
    pub(super) fn common(self, other: Self) -> Option<Self> {
        if self == other || other == Self::Boolean {
            return Some(self);
        }
        if self == Self::Boolean {
            return Some(other);
        }
        Some(match (self.is_float(), other.is_float()) {
            (true, true) => Self::Data(DataType::Float64),
            (true, false) => Self::float_beside(self, other),
            (false, true) => Self::float_beside(other, self),
            (false, false) if self.is_signed() == other.is_signed() => {
                if self.size() > other.size() {
                    self
                } else {
                    other
                }
            }
            (false, false) => {
                let (signed, unsigned) = if self.is_signed() { (self, other) } else { (other, self) };
                match unsigned.size() {
                    size if size < signed.size() => signed,
                    1 => Self::Data(DataType::Int16),
                    2 => Self::Data(DataType::Int32),
                    4 => Self::Data(DataType::Int64),
                    _ => return None,
                }
            }
        })
    }

    fn float_beside(float: Self, whole: Self) -> Self {
        if whole.size() <= 2 { float } else { Self::Data(DataType::Float64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_types_are_those_of_numpy() {
        for (left, right, expected) in [
            ("uint8", "int8", Some("int16")),
            ("uint8", "int16", Some("int16")),
            ("uint16", "int8", Some("int32")),
            ("uint32", "int32", Some("int64")),
            ("uint32", "int64", Some("int64")),
            ("uint64", "int64", None),
            ("uint64", "int8", None),
            ("uint64", "uint8", Some("uint64")),
            ("float32", "uint16", Some("float32")),
            ("float32", "int32", Some("float64")),
            ("float32", "float64", Some("float64")),
            ("uint64", "float32", Some("float64")),
            ("bool", "uint8", Some("uint8")),
            ("bool", "bool", Some("bool")),
        ] {
            let [left, right] = [left, right].map(|name| Kind::named(name).unwrap());
            assert_eq!(left.common(right).map(Kind::name), expected, "{left:?} {right:?}");
            assert_eq!(right.common(left).map(Kind::name), expected, "{right:?} {left:?}");
        }
    }
}
