//! The levels that run inside a task: a chunk is cut into smaller ones, these are computed in order and put together in
//! memory.

use std::ops::ControlFlow;

use serde_json::Value as Json;

use crate::apply::blend::Blend;
use crate::apply::error::Error;
use crate::apply::recipe::{Level, Recipe, Target};
use crate::apply::sources::{Source, Sources};
use crate::apply::tiles::{self, Tiles};
use crate::array::{Array, Shape};
use crate::function::{Operation, Output};
use crate::geometry::{Bounds, Resolution, Vec3};
use crate::layer::Layer;

/// A recipe, opened: its function is built, its layers are open.
#[derive(Clone)]
pub(crate) struct Computation {
    operation: Operation,
    sources: Sources,
    resolution: Resolution,
    levels: Vec<Level>,
    cache_up_to_level: usize,
    target: Option<(Target, Layer)>,
}

/// What becomes of a chunk.
#[derive(Debug)]
pub(crate) enum Computed {
    /// Voxels, as they are to be written.
    Array(Array),
    /// Values, where there is nothing to write.
    Values(Vec<Json>),
}

/// What is told before each of the smallest chunks; it may say stop.
pub(crate) type Told<'t> = &'t mut (dyn FnMut(&Bounds) -> ControlFlow<()> + 't);

impl Computation {
    /// Builds the function and opens the layers.
    ///
    /// # Errors
    /// If something is wrong with one of them.
    pub(crate) fn open(recipe: &Recipe) -> Result<Self, Error> {
        let mut sources = Vec::new();
        for (name, argument) in &recipe.inputs {
            sources.push((name.clone(), Source::open(name, argument)?));
        }
        let target = match &recipe.target {
            None => None,
            Some(target) => {
                let layer = target
                    .layer
                    .open()
                    .map_err(|source| Error::Open { what: "dst".into(), source: Box::new(source) })?;
                Some((target.clone(), layer))
            }
        };
        let sources = Sources::new(sources);
        let keeps = recipe.cache_up_to_level > 0 && recipe.task_level + 1 < recipe.levels.len();
        Self::new(recipe, if keeps { sources.keeping() } else { sources }, target)
    }

    pub(crate) fn new(
        recipe: &Recipe,
        sources: Sources,
        target: Option<(Target, Layer)>,
    ) -> Result<Self, Error> {
        let last = recipe.levels.last().map_or(Vec3::ZERO, |level| level.crop);
        Ok(Self {
            operation: recipe.operation.build()?.with_added_crop_pad(last),
            sources,
            resolution: recipe.resolution,
            levels: recipe.levels.clone(),
            cache_up_to_level: recipe.cache_up_to_level,
            target,
        })
    }

    /// The layer to write to.
    pub(crate) fn layer(&self) -> Option<&Layer> {
        self.target.as_ref().map(|(_, layer)| layer)
    }

    /// One of many values.
    ///
    /// # Errors
    /// If the function gives none.
    pub(crate) fn merge(&self, values: &[Json]) -> Result<Json, Error> {
        Ok(self.operation.function.merge(values)?)
    }

    /// The result for a chunk of this level, whose pads are part of `chunk`.
    ///
    /// # Errors
    /// If the function or a layer fails, or it was told to stop.
    pub(crate) fn chunk(&mut self, level: usize, chunk: Bounds, told: Told<'_>) -> Result<Computed, Error> {
        let computed = match level + 1 == self.levels.len() {
            true => self.smallest(chunk, told),
            false => self.cut(level + 1, chunk, told),
        };
        // Mazepa counts levels from the smallest as 0; what was read is kept for the chunks of one schema of that level.
        if self.levels.len() - level == self.cache_up_to_level + 1 {
            self.sources.forget();
        }
        computed
    }

    /// The result for a box that is cut into chunks of this level.
    fn cut(&mut self, level: usize, bounds: Bounds, told: Told<'_>) -> Result<Computed, Error> {
        let settings = self.levels[level];
        let tiles = Tiles::of_level(&self.levels, level, bounds)?;
        let mut result = match &self.target {
            Some((target, _)) => {
                Some(Blend::new(&settings, bounds, tiles.region(), target.data_type, target.channels)?)
            }
            None => None,
        };
        let mut values = Vec::new();
        for chunk in tiles::in_phases(tiles).filter(|chunk| chunk.intersects(&bounds)) {
            match (self.chunk(level, chunk, told)?, &mut result) {
                (Computed::Array(array), Some(result)) => result.add(&array, chunk, chunk)?,
                (Computed::Values(found), _) => values.extend(found),
                (Computed::Array(_), None) => {}
            }
        }
        Ok(match result {
            Some(result) => Computed::Array(result.finish()),
            None => Computed::Values(values),
        })
    }

    /// The function's result for one of the smallest chunks.
    fn smallest(&mut self, chunk: Bounds, told: Told<'_>) -> Result<Computed, Error> {
        if told(&chunk).is_break() {
            return Err(Error::Stopped(chunk));
        }
        let failed = |source| Error::Function { chunk, source: Box::new(source) };
        let arguments = self.sources.read(&self.operation, self.resolution, chunk)?;
        let output = self.operation.function.evaluate(&arguments).map_err(failed)?;
        drop(arguments);
        let Some((target, layer)) = &self.target else {
            return Ok(Computed::Values(match output {
                Output::Value(value) => vec![value],
                Output::Array(_) | Output::Integer(_) | Output::Number(_) => Vec::new(),
            }));
        };
        let function = self.operation.function.name();
        if let Output::Value(_) = output {
            return Err(Error::NoVoxels { function: function.into(), found: output.to_string() });
        }
        let padded = Shape::new(target.channels, chunk.size() + self.operation.crop_pad() * 2);
        let array = output.into_array(function, target.data_type, padded).map_err(failed)?;
        let array = self.operation.crop(array, chunk.size()).map_err(failed)?;
        let array = layer.process_for_write(array).map_err(|source| Error::Layer {
            what: "applying write_procs to".into(),
            bounds: chunk,
            source: Box::new(source),
        })?;
        if array.shape().channels != target.channels {
            return Err(Error::Channels {
                function: function.into(),
                found: array.shape().channels,
                layer: layer.volume().path().into(),
                channels: target.channels,
            });
        }
        if array.shape().size != chunk.size() {
            return Err(Error::Size { chunk, found: array.shape().size });
        }
        Ok(Computed::Array(if array.data_type() == target.data_type {
            array
        } else {
            array.converted(target.data_type)
        }))
    }
}
