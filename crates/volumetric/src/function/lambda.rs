//! Functions that are expressions.

use crate::expression::{Argument, Expression, Outcome};
use crate::function::{Arguments, ArrayFunction, Error, Input, Output};

/// An expression as a function.
pub(super) struct Lambda(pub(super) Expression);

impl ArrayFunction for Lambda {
    fn inputs(&self) -> Vec<String> {
        self.0.inputs().map(str::to_owned).collect()
    }

    fn optional_inputs(&self) -> Vec<String> {
        self.0.optional_inputs().map(str::to_owned).collect()
    }

    fn call(&self, arguments: &Arguments<'_>) -> Result<Output, Error> {
        let names = self.0.inputs().chain(self.0.optional_inputs());
        let values: Vec<_> = names
            .map(|name| {
                arguments.get(name).map(|input| match input {
                    Input::Array(array) | Input::Cut { array, .. } => Argument::Array(array),
                    Input::Number(number) => Argument::Number(*number),
                    Input::Integer(number) => Argument::Integer(i128::from(*number)),
                    Input::Boolean(boolean) => Argument::Boolean(*boolean),
                    Input::Text(text) => Argument::Text(text),
                    Input::None => Argument::None,
                })
            })
            .collect();
        Ok(match self.0.evaluate(&values)? {
            Outcome::Array(array) => Output::Array(array),
            Outcome::Integer(number) => Output::Integer(number),
            Outcome::Number(number) => Output::Number(number),
        })
    }
}
