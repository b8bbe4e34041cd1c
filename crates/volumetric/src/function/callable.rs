//! A function, ready to be called.

use std::fmt;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::array::{Array, DataType};
use crate::function::{Arguments, ArrayFunction, Error, Input, Output};
use crate::geometry::Vec3;

/// A function on arrays, checked and ready to be called. Cheap to clone.
#[derive(Clone)]
pub struct Function {
    name: Arc<str>,
    /// Inputs that must be given come first.
    parameters: Arc<[String]>,
    needed: usize,
    code: Arc<dyn ArrayFunction>,
}

impl Function {
    pub(crate) fn new(name: &str, code: Arc<dyn ArrayFunction>) -> Self {
        let mut parameters = code.inputs();
        let needed = parameters.len();
        parameters.extend(code.optional_inputs());
        Self { name: name.into(), parameters: parameters.into(), needed, code }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The inputs that it takes, those that it needs first.
    pub fn parameters(&self) -> &[String] {
        &self.parameters
    }

    /// The context that it needs on each side, in voxels of its inputs.
    pub fn halo(&self) -> Vec3 {
        self.code.halo()
    }

    /// How many bytes it takes besides inputs and result, for each voxel of an input of this type.
    pub fn scratch_bytes(&self, source: DataType) -> u64 {
        self.code.scratch_bytes(source)
    }

    /// How many voxels of its inputs become one of its result, along each axis.
    pub fn shrinks_by(&self) -> Vec3 {
        self.code.shrinks_by()
    }

    /// Whether inputs of these names will do.
    ///
    /// # Errors
    /// If one is missing, unknown, or given twice.
    pub fn check_inputs<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<(), Error> {
        let function = || self.name.to_string();
        let mut given = vec![false; self.parameters.len()];
        for name in names {
            let Some(index) = self.parameters.iter().position(|known| known == name) else {
                let known = self.parameters.iter().map(String::as_str);
                return Err(Error::UnknownInput {
                    function: function(),
                    name: name.into(),
                    nearest: otaman::spec::nearest(name, known).map(str::to_owned),
                    known: otaman::spec::listed(&self.parameters, "and"),
                });
            };
            if std::mem::replace(&mut given[index], true) {
                return Err(Error::Twice { function: function(), name: name.into() });
            }
        }
        match given[..self.needed].iter().position(|given| !given) {
            Some(missing) => {
                Err(Error::MissingInput { function: function(), name: self.parameters[missing].clone() })
            }
            None => Ok(()),
        }
    }

    /// Calls it; the result must be an array.
    ///
    /// # Errors
    /// If it takes no such inputs, or gives something else than an array.
    pub fn call(&self, arguments: &[(String, Input)]) -> Result<Array, Error> {
        match self.evaluate(arguments)? {
            Output::Array(array) => Ok(array),
            other => Err(Error::NoArray { function: self.name.to_string(), found: other.to_string() }),
        }
    }

    /// Calls it with one array as its first input; the others must have defaults.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn apply(&self, array: Array) -> Result<Array, Error> {
        match self.parameters.first() {
            Some(first) => self.call(&[(first.clone(), array.into())]),
            None => self.call(&[]),
        }
    }

    /// Calls it, whatever it gives.
    ///
    /// # Errors
    /// If it takes no such inputs.
    pub fn evaluate(&self, arguments: &[(String, Input)]) -> Result<Output, Error> {
        self.check_inputs(arguments.iter().map(|(name, _)| name.as_str()))?;
        self.code.call(&Arguments::new(&self.name, arguments))
    }

    /// Makes one value of those that it gave for many chunks, in any order.
    ///
    /// # Errors
    /// If it gives no values, or these are none of its.
    pub fn merge(&self, values: &[Json]) -> Result<Json, Error> {
        self.code.merge(&self.name, values)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.parameters.join(", "))
    }
}
