//! Expressions, ready to be evaluated.

use crate::array::{Array, Shape};
use crate::expression::combine::{Lowered, Value};
use crate::expression::lower::Lowering;
use crate::expression::parser::{Lambda, parse};
use crate::expression::scalar::Scalar;
use crate::expression::typed::Values;
use crate::expression::{Error, Problem};

/// A lambda, read and checked.
///
/// ```
/// use volumetric::array::{Array, DataType, Shape};
/// use volumetric::expression::{Argument, Expression, Outcome};
/// use volumetric::geometry::Vec3;
///
/// let expression = Expression::parse("lambda src, k=2: np.clip(src * k, 0, 100)")?;
/// let array = Array::filled(DataType::Uint8, Shape::new(1, Vec3::splat(4)), 60.0);
/// let Outcome::Array(result) = expression.evaluate(&[Some(Argument::Array(&array)), None])? else { panic!() };
/// assert_eq!(result, Array::filled(DataType::Uint8, Shape::new(1, Vec3::splat(4)), 100.0));
///
/// let error = Expression::parse("lambda src: scr + 1").unwrap_err();
/// assert_eq!(error.to_string(), r#"column 13: nothing is called "scr"; did you mean "src"?"#);
/// # Ok::<(), volumetric::expression::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Expression {
    lambda: Lambda,
}

/// An input of an expression.
#[derive(Debug, Clone, Copy)]
pub enum Argument<'a> {
    /// An array.
    Array(&'a Array),
    /// A whole number.
    Integer(i128),
    /// A number with a fraction.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// A text: the name of a type.
    Text(&'a str),
    /// `None`.
    None,
}

/// What an expression gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// An array.
    Array(Array),
    /// A plain whole number; booleans are 0 and 1.
    Integer(i128),
    /// A plain number with a fraction.
    Number(f64),
}

impl Expression {
    /// Reads a lambda and checks all that does not depend on its inputs' types.
    ///
    /// # Errors
    /// If it is none, or needs what there is not.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self { lambda: parse(text)? })
    }

    /// Names of its inputs that have no default.
    pub fn inputs(&self) -> impl Iterator<Item = &str> {
        let needed = self.lambda.parameters.iter().filter(|parameter| parameter.default.is_none());
        needed.map(|parameter| parameter.name.as_str())
    }

    /// Names of its inputs that have a default. They come after the others.
    pub fn optional_inputs(&self) -> impl Iterator<Item = &str> {
        let optional = self.lambda.parameters.iter().filter(|parameter| parameter.default.is_some());
        optional.map(|parameter| parameter.name.as_str())
    }

    /// Evaluates it with inputs in the order of its parameters.
    ///
    /// # Errors
    /// If types or sizes do not go together.
    ///
    /// # Panics
    /// If there are more or fewer inputs than parameters, or one without default is left out.
    pub fn evaluate(&self, arguments: &[Option<Argument<'_>>]) -> Result<Outcome, Error> {
        assert_eq!(arguments.len(), self.lambda.parameters.len(), "one input for each parameter");
        let mut size = None;
        for argument in arguments {
            if let Some(Argument::Array(array)) = argument {
                let found = array.shape().size;
                let first = *size.get_or_insert(found);
                if first != found {
                    let [first, second] = [first, found].map(|size| format!("{size} voxels"));
                    return Err(Problem::Sizes { first, second }.at(1));
                }
            }
        }
        let voxels = size.map_or(0, |size| Shape::new(1, size).count());
        let input = |index: usize| match arguments[index] {
            Some(Argument::Array(array)) => {
                Value::Array(Lowered { values: Values::of(array), channels: array.shape().channels })
            }
            Some(Argument::Integer(number)) => Value::Scalar(Scalar::Integer(number)),
            Some(Argument::Number(number)) => Value::Scalar(Scalar::Float(number)),
            Some(Argument::Boolean(boolean)) => Value::Scalar(Scalar::Boolean(boolean)),
            Some(Argument::Text(text)) => Value::Scalar(Scalar::Text(text.into())),
            Some(Argument::None) => Value::Scalar(Scalar::None),
            None => {
                let default = self.lambda.parameters[index].default.clone();
                Value::Scalar(default.expect("an input without default is given"))
            }
        };
        match (Lowering { input, voxels }.lower(&self.lambda.body)?, size) {
            (Value::Array(Lowered { values, channels }), Some(size)) => {
                let elements = values.into_elements(channels, voxels);
                Ok(Outcome::Array(Array::new(Shape::new(channels, size), elements)))
            }
            (Value::Scalar(Scalar::Integer(number)), _) => Ok(Outcome::Integer(number)),
            (Value::Scalar(Scalar::Boolean(boolean)), _) => Ok(Outcome::Integer(i128::from(boolean))),
            (Value::Scalar(Scalar::Float(number)), _) => Ok(Outcome::Number(number)),
            (Value::Scalar(other), _) => Err(Problem::Result(other.describe()).at(self.lambda.body.column)),
            (Value::Array(_), None) => Err(Problem::Result("an array of nothing".into()).at(1)),
        }
    }
}
