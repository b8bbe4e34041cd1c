//! What all tasks of a flow share: it is encoded once and stands as one text in the arguments of each.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::apply::argument::Argument;
use crate::array::DataType;
use crate::blending::BlendMode;
use crate::function::OperationSpec;
use crate::geometry::{Bounds, Resolution, Vec3};
use crate::layer::LayerSpec;

/// How chunks are processed. Worker types, the region and all else that does not change a chunk's result are not in it,
/// so that a task keeps its identity when they change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// What is done with each of the smallest chunks, without the context of the last level.
    pub operation: OperationSpec,
    /// What the function is given.
    pub inputs: BTreeMap<String, Argument>,
    /// The resolution of the result.
    pub resolution: Resolution,
    /// The levels, largest chunks first.
    pub levels: Vec<Level>,
    /// The level whose chunks are tasks.
    pub task_level: usize,
    /// Up to which level, from the smallest as 1, what was read is kept.
    pub cache_up_to_level: usize,
    /// Where results go; `None` if there is nothing to write.
    pub target: Option<Target>,
    /// About how many bytes a task holds at once, if that is much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}

/// One level of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// The size of a chunk.
    pub size: Vec3,
    /// Context on each side that is taken off the result.
    pub crop: Vec3,
    /// How far it reaches into each neighbour.
    pub blend: Vec3,
    /// How overlapping results become one.
    pub mode: BlendMode,
}

/// Where results go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// The layer.
    pub layer: LayerSpec,
    /// What its values are.
    pub data_type: DataType,
    /// How many values each voxel has.
    pub channels: usize,
    /// Where results wait to be put together; `None` if they are written at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporaries: Option<Temporaries>,
}

/// Where results wait to be put together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Temporaries {
    /// The directory that the spec names.
    pub directory: String,
    /// What flow they are of, as a hash of everything that its results depend on: a flow that differs in anything has
    /// tasks of its own, so that nobody counts on results that another one has deleted.
    pub key: String,
}

/// One chunk of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChunkName {
    /// Its level, from 0 for the largest.
    pub level: usize,
    /// Its first voxel, without pads.
    pub start: Vec3,
}

/// How results of chunks are put together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reduction {
    /// The layer, its type, and where the results are.
    pub target: Target,
    /// The resolution of the result.
    pub resolution: Resolution,
    /// All that is processed.
    pub region: Bounds,
    /// Space between chunks of the first level.
    pub gap: Vec3,
    /// The levels, largest chunks first.
    pub levels: Vec<Level>,
}
