//! The function that changes nothing.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::function::{Arguments, ArrayFunction, Error, Output, Registration};

/// Gives what it gets.
#[derive(Debug, Deserialize, JsonSchema)]
struct Copy {}

impl ArrayFunction for Copy {
    fn call(&self, arguments: &Arguments<'_>) -> Result<Output, Error> {
        Ok(arguments.array("src")?.clone().into())
    }
}

inventory::submit! { Registration::of::<Copy>("copy") }
