//! Steps whose type is known at run time only.

use crate::array::{Array, DataType, Elements};
use crate::expression::block::{Boxed, Voxel, constant, map, source};
use crate::expression::cast::{Cast, CastTo};
use crate::expression::kind::Kind;
use crate::expression::number::Number;
use crate::expression::scalar::Plain;

/// A step with values of some type.
pub(super) enum Values<'a> {
    Boolean(Boxed<'a, bool>),
    Uint8(Boxed<'a, u8>),
    Uint16(Boxed<'a, u16>),
    Uint32(Boxed<'a, u32>),
    Uint64(Boxed<'a, u64>),
    Int8(Boxed<'a, i8>),
    Int16(Boxed<'a, i16>),
    Int32(Boxed<'a, i32>),
    Int64(Boxed<'a, i64>),
    Float32(Boxed<'a, f32>),
    Float64(Boxed<'a, f64>),
}

/// A type that a step can have.
pub(super) trait Wrapped: Voxel {
    fn typed(node: Boxed<'_, Self>) -> Values<'_>;
}

macro_rules! wrapped {
    ($($type:ty, $name:ident);*) => {$(
        impl Wrapped for $type {
            fn typed(node: Boxed<'_, Self>) -> Values<'_> {
                Values::$name(node)
            }
        }
    )*};
}
wrapped!(
    bool, Boolean; u8, Uint8; u16, Uint16; u32, Uint32; u64, Uint64;
    i8, Int8; i16, Int16; i32, Int32; i64, Int64; f32, Float32; f64, Float64
);

/// Runs code with the type of a kind of numbers: `with_type!(data_type, T => of::<T>())`.
macro_rules! with_type {
    ($data_type:expr, $type:ident => $body:expr) => {
        match $data_type {
            $crate::array::DataType::Uint8 => {
                type $type = u8;
                $body
            }
            $crate::array::DataType::Uint16 => {
                type $type = u16;
                $body
            }
            $crate::array::DataType::Uint32 => {
                type $type = u32;
                $body
            }
            $crate::array::DataType::Uint64 => {
                type $type = u64;
                $body
            }
            $crate::array::DataType::Int8 => {
                type $type = i8;
                $body
            }
            $crate::array::DataType::Int16 => {
                type $type = i16;
                $body
            }
            $crate::array::DataType::Int32 => {
                type $type = i32;
                $body
            }
            $crate::array::DataType::Int64 => {
                type $type = i64;
                $body
            }
            $crate::array::DataType::Float32 => {
                type $type = f32;
                $body
            }
            $crate::array::DataType::Float64 => {
                type $type = f64;
                $body
            }
        }
    };
}

/// Runs code with a step of numbers; another for booleans.
macro_rules! with_numbers {
    ($values:expr, $node:ident => $body:expr, $boolean:ident => $otherwise:expr) => {
        match $values {
            $crate::expression::typed::Values::Boolean($boolean) => $otherwise,
            $crate::expression::typed::Values::Uint8($node) => $body,
            $crate::expression::typed::Values::Uint16($node) => $body,
            $crate::expression::typed::Values::Uint32($node) => $body,
            $crate::expression::typed::Values::Uint64($node) => $body,
            $crate::expression::typed::Values::Int8($node) => $body,
            $crate::expression::typed::Values::Int16($node) => $body,
            $crate::expression::typed::Values::Int32($node) => $body,
            $crate::expression::typed::Values::Int64($node) => $body,
            $crate::expression::typed::Values::Float32($node) => $body,
            $crate::expression::typed::Values::Float64($node) => $body,
        }
    };
}
pub(super) use with_numbers;

impl<'a> Values<'a> {
    pub(super) fn of(array: &'a Array) -> Self {
        fn wrap<'a, T: Wrapped>(values: &'a [T], voxels: usize, channels: usize) -> Values<'a> {
            T::typed(source(values, voxels, channels))
        }
        let [channels, x, y, z] = array.shape().extents();
        let voxels = x * y * z;
        crate::array::with_elements!(array.elements(), values => wrap(values, voxels, channels))
    }

    /// A number all over. None if the type does not hold it.
    pub(super) fn constant(kind: Kind, plain: Plain) -> Option<Self> {
        fn of<'a, T: Number + Wrapped>(plain: Plain) -> Option<Values<'a>> {
            let value = match plain {
                Plain::Integer(number) => T::of_integer(number)?,
                Plain::Float(number) => T::of_float(number),
            };
            Some(T::typed(constant(value)))
        }
        match (kind, plain) {
            (Kind::Boolean, plain) => Some(bool::typed(constant(plain.float() != 0.0))),
            (Kind::Data(data_type), plain) => with_type!(data_type, T => of::<T>(plain)),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        Kind::Data(match self {
            Self::Boolean(_) => return Kind::Boolean,
            Self::Uint8(_) => DataType::Uint8,
            Self::Uint16(_) => DataType::Uint16,
            Self::Uint32(_) => DataType::Uint32,
            Self::Uint64(_) => DataType::Uint64,
            Self::Int8(_) => DataType::Int8,
            Self::Int16(_) => DataType::Int16,
            Self::Int32(_) => DataType::Int32,
            Self::Int64(_) => DataType::Int64,
            Self::Float32(_) => DataType::Float32,
            Self::Float64(_) => DataType::Float64,
        })
    }

    /// Converted.
    pub(super) fn cast(self, kind: Kind) -> Self {
        fn to<T: Number + Cast>(node: Boxed<'_, T>, kind: Kind) -> Values<'_> {
            fn one<'a, T: Voxel + CastTo<U>, U: Wrapped>(node: Boxed<'a, T>) -> Values<'a> {
                U::typed(map(node, CastTo::<U>::cast))
            }
            match kind {
                Kind::Boolean => bool::typed(map(node, |value: T| !value.is_zero())),
                Kind::Data(data_type) => with_type!(data_type, U => one::<T, U>(node)),
            }
        }
        if self.kind() == kind {
            return self;
        }
        with_numbers!(self, node => to(node, kind), booleans => to(map(booleans, u8::from), kind))
    }

    /// As booleans: whether they are not 0.
    pub(super) fn truths(self) -> Boxed<'a, bool> {
        match self.cast(Kind::Boolean) {
            Values::Boolean(node) => node,
            _ => unreachable!("was made boolean"),
        }
    }

    /// In an array of their own, of their type; booleans as `uint8`.
    pub(super) fn into_elements(self, channels: usize, voxels: usize) -> Elements {
        fn run<T: crate::array::Element>(mut node: Boxed<'_, T>, channels: usize, voxels: usize) -> Elements {
            let mut values = vec![T::default(); channels * voxels];
            for place in crate::expression::block::places(channels, voxels) {
                let start = place.channel * voxels + place.start;
                node.fill(place, &mut values[start..start + place.length]);
            }
            T::wrap(values)
        }
        with_numbers!(self, node => run(node, channels, voxels), booleans => run(map(booleans, u8::from), channels, voxels))
    }
}
