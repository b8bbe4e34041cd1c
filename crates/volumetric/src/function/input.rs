//! What functions take and give.

use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::array::{Array, DataType, Element, Elements, Shape};
use crate::function::Error;
use crate::geometry::{Bounds, Vec3};

/// What a function takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A piece of a layer.
    Array(Arc<Array>),
    /// A piece that reaches beyond its layer: only `inside`, relative to the first voxel, is of it, and the rest has
    /// the fill value. Functions that look around a voxel or count voxels leave out what is not inside.
    Cut {
        /// The piece.
        array: Arc<Array>,
        /// The part that is of the layer.
        inside: Bounds,
    },
    /// A number with a fraction.
    Number(f64),
    /// A whole number.
    Integer(i64),
    /// True or false.
    Boolean(bool),
    /// A text.
    Text(String),
    /// Nothing.
    None,
}

impl Input {
    /// One voxel of zeros: calling a function with such ones tells, before anything is read, whether it takes
    /// arrays of these types and what it gives.
    pub fn sample(data_type: DataType, channels: usize) -> Self {
        Self::Array(Arc::new(Array::zeros(data_type, Shape::new(channels, Vec3::ONE))))
    }

    /// What it is, in words.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Array(array) | Self::Cut { array, .. } => format!("an array of {}", array.data_type()),
            Self::Number(number) => format!("the number {number}"),
            Self::Integer(number) => format!("the number {number}"),
            Self::Boolean(boolean) => boolean.to_string(),
            Self::Text(text) => format!("the text {text:?}"),
            Self::None => "null".into(),
        }
    }
}

impl From<Array> for Input {
    fn from(array: Array) -> Self {
        Self::Array(Arc::new(array))
    }
}

impl TryFrom<&Json> for Input {
    type Error = Error;

    /// Of what stands in a spec. Lists and objects are no inputs.
    fn try_from(value: &Json) -> Result<Self, Error> {
        match value {
            Json::Null => Ok(Self::None),
            Json::Bool(boolean) => Ok(Self::Boolean(*boolean)),
            Json::String(text) => Ok(Self::Text(text.clone())),
            Json::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Ok(Self::Integer(integer)),
                // Whole numbers beyond i64 would lose their last digits.
                (None, Some(float)) if !number.is_u64() => Ok(Self::Number(float)),
                (None, _) => Err(Error::NoInput(number.to_string())),
            },
            Json::Array(_) => Err(Error::NoInput("a list".into())),
            Json::Object(_) => Err(Error::NoInput("an object".into())),
        }
    }
}

/// What a function gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// An array.
    Array(Array),
    /// One whole number for all voxels, of whatever type they are.
    Integer(i128),
    /// One number for all voxels, of whatever type they are.
    Number(f64),
    /// No voxels, but a small value, to be merged with those of other chunks.
    Value(Json),
}

impl Output {
    /// As an array; a number fills one of this type and shape.
    ///
    /// # Errors
    /// If the number is none of this type, or there is a value.
    pub fn into_array(self, function: &str, data_type: DataType, shape: Shape) -> Result<Array, Error> {
        let out_of_range = |value: String| Error::OutOfRange { value, data_type };
        let mut array = match self {
            Self::Array(array) => return Ok(array),
            Self::Value(_) => {
                return Err(Error::NoArray { function: function.into(), found: self.to_string() });
            }
            Self::Integer(_) | Self::Number(_) => Array::zeros(data_type, shape),
        };
        match self {
            Self::Integer(integer) => fill_with_integer(array.elements_mut(), integer)
                .ok_or_else(|| out_of_range(integer.to_string()))?,
            Self::Number(number) if data_type.is_float() => array = Array::filled(data_type, shape, number),
            Self::Number(number) => {
                #[expect(clippy::cast_possible_truncation, reason = "saturates, and is compared")]
                let whole = number as i128;
                #[expect(clippy::cast_precision_loss, reason = "only whole numbers pass")]
                let is_whole = whole as f64 == number;
                is_whole
                    .then(|| fill_with_integer(array.elements_mut(), whole))
                    .flatten()
                    .ok_or_else(|| out_of_range(format!("{number:?}")))?;
            }
            Self::Array(_) | Self::Value(_) => {}
        }
        Ok(array)
    }
}

fn fill_with_integer(elements: &mut Elements, integer: i128) -> Option<()> {
    macro_rules! fill {
        ($($name:ident),*; $($float:ident),*) => {
            match elements {
                $(Elements::$name(values) => values.fill(integer.try_into().ok()?),)*
                $(Elements::$float(values) => {
                    #[expect(clippy::cast_precision_loss, reason = "the nearest float is wanted")]
                    values.fill(Element::from_f64(integer as f64));
                })*
            }
        };
    }
    fill!(Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64; Float32, Float64);
    Some(())
}

impl From<Array> for Output {
    fn from(array: Array) -> Self {
        Self::Array(array)
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Array(array) => write!(f, "an array of {} {}", array.shape(), array.data_type()),
            Self::Integer(number) => write!(f, "the number {number}"),
            // Not 301 digits of 1e300.
            Self::Number(number) => write!(f, "the number {number:?}"),
            Self::Value(value) => write!(f, "the value {value}"),
        }
    }
}
