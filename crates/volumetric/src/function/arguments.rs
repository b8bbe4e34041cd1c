//! What a function is called with.

use std::sync::Arc;

use crate::array::Array;
use crate::function::{Error, Input};
use crate::geometry::{Bounds, Vec3};

/// What a function is called with. That all it needs is there, and nothing else, was checked before.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a> {
    function: &'a str,
    values: &'a [(String, Input)],
}

impl<'a> Arguments<'a> {
    pub(crate) fn new(function: &'a str, values: &'a [(String, Input)]) -> Self {
        Self { function, values }
    }

    /// The function's name, for messages.
    pub fn function(&self) -> &'a str {
        self.function
    }

    /// An input, if it is given.
    pub fn get(&self, name: &str) -> Option<&'a Input> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, input)| input)
    }

    /// An array.
    ///
    /// # Errors
    /// If it is none.
    pub fn array(&self, name: &str) -> Result<&'a Array, Error> {
        self.shared(name).map(|array| &**array)
    }

    /// An array, shared with whoever else holds it.
    ///
    /// # Errors
    /// If it is none.
    pub fn shared(&self, name: &str) -> Result<&'a Arc<Array>, Error> {
        match self.get(name) {
            Some(Input::Array(array) | Input::Cut { array, .. }) => Ok(array),
            Some(other) => Err(self.wrong(name, other, "an array")),
            None => Err(Error::MissingInput { function: self.function.into(), name: name.into() }),
        }
    }

    /// An array that may be missing or null.
    ///
    /// # Errors
    /// If it is something else.
    pub fn optional_array(&self, name: &str) -> Result<Option<&'a Array>, Error> {
        match self.get(name) {
            None | Some(Input::None) => Ok(None),
            Some(_) => self.array(name).map(Some),
        }
    }

    /// The part of an array that is inside its layer, relative to its first voxel.
    ///
    /// # Errors
    /// If it is no array.
    pub fn inside(&self, name: &str) -> Result<Bounds, Error> {
        let whole = Bounds::at(Vec3::ZERO, self.array(name)?.shape().size);
        match self.get(name) {
            Some(Input::Cut { inside, .. }) => Ok(inside.intersection(&whole)),
            _ => Ok(whole),
        }
    }

    fn wrong(&self, name: &str, input: &Input, wanted: &'static str) -> Error {
        Error::Kind { function: self.function.into(), name: name.into(), found: input.kind(), wanted }
    }
}
