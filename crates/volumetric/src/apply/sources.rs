//! What a function is given for a chunk: parts of layers, read through a cache, and plain values.

use std::sync::Arc;

use crate::apply::argument::Argument;
use crate::apply::error::Error;
use crate::function::{Input, Operation};
use crate::geometry::{Bounds, Resolution};
use crate::layer::Layer;

/// What one parameter is given.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Parts of a layer.
    Layer(Layer),
    /// Always the same.
    Value(Input),
}

/// What all parameters are given.
#[derive(Debug, Clone)]
pub(crate) struct Sources {
    named: Vec<(String, Source)>,
    /// The same with caches, while something is to be kept.
    cached: Option<Vec<(String, Source)>>,
    keeps: bool,
}

impl Source {
    /// Opens a layer.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) fn open(name: &str, argument: &Argument) -> Result<Self, Error> {
        match argument {
            Argument::Value(value) => Ok(Self::Value(Input::try_from(value)?)),
            Argument::Layer(layer) => match layer.open() {
                Ok(layer) => Ok(Self::Layer(layer)),
                Err(source) => Err(Error::Open { what: format!("{name:?}"), source: Box::new(source) }),
            },
        }
    }

    fn cached(&self) -> Self {
        match self {
            Self::Layer(layer) => Self::Layer(layer.cached()),
            Self::Value(value) => Self::Value(value.clone()),
        }
    }
}

impl Sources {
    /// Of these; nothing is kept.
    pub(crate) fn new(named: Vec<(String, Source)>) -> Self {
        Self { named, cached: None, keeps: false }
    }

    /// The same; what was read is kept for the next chunk.
    #[must_use]
    pub(crate) fn keeping(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// Forgets what was kept.
    pub(crate) fn forget(&mut self) {
        self.cached = None;
    }

    /// What the function is given for a chunk.
    ///
    /// # Errors
    /// If a layer cannot be read, or a chunk is not made of whole voxels of it.
    pub(crate) fn read(
        &mut self,
        operation: &Operation,
        resolution: Resolution,
        chunk: Bounds,
    ) -> Result<Vec<(String, Input)>, Error> {
        if self.keeps && self.cached.is_none() {
            let cached = self.named.iter().map(|(name, source)| (name.clone(), source.cached()));
            self.cached = Some(cached.collect());
        }
        let sources = self.cached.as_ref().unwrap_or(&self.named);
        let input = |(name, source): &(String, Source)| {
            let input = match source {
                Source::Value(value) => value.clone(),
                Source::Layer(layer) => piece(name, layer, operation, resolution, chunk)?,
            };
            Ok((name.clone(), input))
        };
        sources.iter().map(input).collect()
    }
}

fn piece(
    name: &str,
    layer: &Layer,
    operation: &Operation,
    resolution: Resolution,
    chunk: Bounds,
) -> Result<Input, Error> {
    let failed = |source| Error::Function { chunk, source: Box::new(source) };
    let bounds = operation.input_bounds(chunk, resolution).map_err(failed)?;
    let resolution = operation.input_resolution(resolution).map_err(failed)?;
    let reading =
        |source| Error::Layer { what: format!("reading {name:?}"), bounds, source: Box::new(source) };
    let available = layer.volume().scale(resolution).map_err(reading)?.bounds;
    let array = Arc::new(layer.read(resolution, bounds).map_err(reading)?);
    Ok(match available.contains(&bounds) {
        true => Input::Array(array),
        false => Input::Cut { array, inside: bounds.intersection(&available).translated(-bounds.start) },
    })
}
