//! Values of one of the data types, in a row.

use crate::array::DataType;

/// Values of one of the data types, in a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Elements {
    /// Of type `uint8`.
    Uint8(Vec<u8>),
    /// Of type `uint16`.
    Uint16(Vec<u16>),
    /// Of type `uint32`.
    Uint32(Vec<u32>),
    /// Of type `uint64`.
    Uint64(Vec<u64>),
    /// Of type `int8`.
    Int8(Vec<i8>),
    /// Of type `int16`.
    Int16(Vec<i16>),
    /// Of type `int32`.
    Int32(Vec<i32>),
    /// Of type `int64`.
    Int64(Vec<i64>),
    /// Of type `float32`.
    Float32(Vec<f32>),
    /// Of type `float64`.
    Float64(Vec<f64>),
}

/// A type of value.
pub trait Element: bytemuck::Pod + PartialOrd + Send + Sync + Default + 'static {
    /// Its name at run time.
    const DATA_TYPE: DataType;

    /// The nearest value of this type: fractions are rounded half to even, what is out of range becomes the
    /// nearest end, NaN becomes 0 in whole numbers.
    fn from_f64(value: f64) -> Self;

    /// As a float; large whole numbers lose their last digits.
    fn to_f64(self) -> f64;

    /// The values, if they are of this type.
    fn slice(elements: &Elements) -> Option<&[Self]>;

    /// The values, if they are of this type, to be changed.
    fn slice_mut(elements: &mut Elements) -> Option<&mut [Self]>;

    /// Values of this type.
    fn wrap(values: Vec<Self>) -> Elements;
}

/// Runs code with the values of whatever type there is: `with_elements!(elements, values => values.len())`.
macro_rules! with_elements {
    ($elements:expr, $values:ident => $body:expr) => {
        match $elements {
            $crate::array::Elements::Uint8($values) => $body,
            $crate::array::Elements::Uint16($values) => $body,
            $crate::array::Elements::Uint32($values) => $body,
            $crate::array::Elements::Uint64($values) => $body,
            $crate::array::Elements::Int8($values) => $body,
            $crate::array::Elements::Int16($values) => $body,
            $crate::array::Elements::Int32($values) => $body,
            $crate::array::Elements::Int64($values) => $body,
            $crate::array::Elements::Float32($values) => $body,
            $crate::array::Elements::Float64($values) => $body,
        }
    };
}
pub(crate) use with_elements;

impl Elements {
    /// Zeros.
    pub fn zeros(data_type: DataType, count: usize) -> Self {
        match data_type {
            DataType::Uint8 => Self::Uint8(vec![0; count]),
            DataType::Uint16 => Self::Uint16(vec![0; count]),
            DataType::Uint32 => Self::Uint32(vec![0; count]),
            DataType::Uint64 => Self::Uint64(vec![0; count]),
            DataType::Int8 => Self::Int8(vec![0; count]),
            DataType::Int16 => Self::Int16(vec![0; count]),
            DataType::Int32 => Self::Int32(vec![0; count]),
            DataType::Int64 => Self::Int64(vec![0; count]),
            DataType::Float32 => Self::Float32(vec![0.0; count]),
            DataType::Float64 => Self::Float64(vec![0.0; count]),
        }
    }

    /// Of what type they are.
    pub fn data_type(&self) -> DataType {
        fn of<T: Element>(_: &[T]) -> DataType {
            T::DATA_TYPE
        }
        with_elements!(self, values => of(values))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        with_elements!(self, values => values.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As bytes of this machine (little-endian on all that we support).
    pub fn bytes(&self) -> &[u8] {
        with_elements!(self, values => bytemuck::cast_slice(values))
    }

    /// As bytes of this machine, to be filled.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        with_elements!(self, values => bytemuck::cast_slice_mut(values))
    }
}

macro_rules! element {
    ($type:ty, $name:ident, $from:expr) => {
        impl Element for $type {
            const DATA_TYPE: DataType = DataType::$name;

            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "casts of floats saturate"
            )]
            fn from_f64(value: f64) -> Self {
                let convert: fn(f64) -> Self = $from;
                convert(value)
            }

            #[allow(clippy::cast_precision_loss, clippy::cast_lossless, reason = "documented")]
            fn to_f64(self) -> f64 {
                self as f64
            }

            fn slice(elements: &Elements) -> Option<&[Self]> {
                if let Elements::$name(values) = elements { Some(values) } else { None }
            }

            fn slice_mut(elements: &mut Elements) -> Option<&mut [Self]> {
                if let Elements::$name(values) = elements { Some(values) } else { None }
            }

            fn wrap(values: Vec<Self>) -> Elements {
                Elements::$name(values)
            }
        }
    };
}

element!(u8, Uint8, |value| value.round_ties_even() as Self);
element!(u16, Uint16, |value| value.round_ties_even() as Self);
element!(u32, Uint32, |value| value.round_ties_even() as Self);
element!(u64, Uint64, |value| value.round_ties_even() as Self);
element!(i8, Int8, |value| value.round_ties_even() as Self);
element!(i16, Int16, |value| value.round_ties_even() as Self);
element!(i32, Int32, |value| value.round_ties_even() as Self);
element!(i64, Int64, |value| value.round_ties_even() as Self);
element!(f32, Float32, |value| value as Self);
element!(f64, Float64, |value| value);

#[cfg(target_endian = "big")]
compile_error!("volumes are little-endian in storage and taken over as they are; this machine is big-endian");
