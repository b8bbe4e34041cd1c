//! The parameters of `build_subchunkable_apply_flow`, as Mazepa's specs write them.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::apply::argument::Argument;
use crate::apply::per_level::PerLevel;
use crate::blending::BlendMode;
use crate::function::{FunctionSpec, OperationSpec};
use crate::geometry::{RegionSpec, Resolution, Vec3};
use crate::layer::LayerSpec;

/// Runs a function over a volume, chunk by chunk, each chunk perhaps cut into smaller ones, with context around chunks
/// and blending where they overlap. Lists with an entry per level begin with the largest chunks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = require_destination)]
pub struct SubchunkableApply {
    /// The layer to write to; null if the function is run for its values or side effects.
    pub dst: Option<LayerSpec>,
    /// The resolution of the result, which all sizes below count in.
    pub dst_resolution: Resolution,
    /// The size of chunks at each level. Chunks of the first level are tasks.
    pub processing_chunk_sizes: Vec<Vec3>,
    /// Space between chunks of the first level that is left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub processing_gap: Vec3,
    /// Context on each side of a chunk, taken off its result.
    #[serde(default)]
    pub processing_crop_pads: PerLevel<Vec3>,
    /// How far a chunk reaches into each neighbour, where both are blended.
    #[serde(default)]
    pub processing_blend_pads: PerLevel<Vec3>,
    /// How overlapping results become one.
    #[serde(default = "quadratic")]
    pub processing_blend_modes: PerLevel<BlendMode>,
    /// Where results wait until they are put together, for each level. Of levels that run inside a task none is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_intermediaries_dirs: Option<Vec<Option<String>>>,
    /// Whether chunks are written straight to `dst`.
    #[serde(default)]
    pub skip_intermediaries: bool,
    /// The largest box that one task puts together; by default as large as chunks of the first level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_reduction_chunk_size: Option<Vec3>,
    /// Whether the box grows to whole voxels of `dst_resolution`.
    #[serde(default)]
    pub expand_bbox_resolution: bool,
    /// Whether the box grows to whole storage chunks of `dst`.
    #[serde(default)]
    pub expand_bbox_backend: bool,
    /// Whether the end of the box grows until it is full of chunks.
    #[serde(default = "yes")]
    pub expand_bbox_processing: bool,
    /// Whether chunks that are larger than the box become as small as it is.
    #[serde(default)]
    pub shrink_processing_chunk: bool,
    /// Whether sizes of upper levels are rounded down until those below divide them.
    #[serde(default)]
    pub auto_divisibility: bool,
    /// Up to which level, counted from the smallest chunks as 1, what was read of a layer is kept for the next chunk; 0
    /// for none. By default up to whole tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_cache_up_to_level: Option<u32>,
    /// How many levels are made of tasks; those below run inside a task.
    #[serde(default = "one")]
    pub distributed_levels: u32,
    /// Which workers process chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op_worker_type: Option<String>,
    /// Which workers put results together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduction_worker_type: Option<String>,
    /// How many of the smallest chunks one task takes, where these are tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_stack_size: Option<i64>,
    /// Whether what will be done is logged.
    #[serde(default = "yes")]
    pub verbose: bool,
    /// Accepted without effect: `coordinator view` shows layers.
    #[serde(default)]
    pub generate_ng_link: bool,
    /// The function. Either this or `op`.
    #[serde(default, rename = "fn", skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionSpec>,
    /// The operation. Either this or `fn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<OperationSpec>,
    /// Semaphores in which a task with this `fn` holds places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fn_semaphores: Option<Vec<String>>,
    /// What the function takes, by name: layers, which are read for each chunk, and plain values.
    #[serde(default)]
    pub op_kwargs: BTreeMap<String, Argument>,
    /// Must be empty: everything goes by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub op_args: Vec<Json>,
    /// The box to process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bbox: Option<RegionSpec>,
    /// The first corner of the box, in voxels of `coord_resolution`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_coord: Option<[f64; 3]>,
    /// The corner behind the last one of the box.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_coord: Option<[f64; 3]>,
    /// The size of the voxels that coordinates count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coord_resolution: Option<Resolution>,
    /// Whether the box is all of `dst`.
    #[serde(default)]
    pub auto_bbox: bool,
    /// No longer there; must be false.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dst_tighten_bounds: bool,
}

impl SubchunkableApply {
    /// With nothing but what must be given.
    pub fn new(dst: Option<LayerSpec>, dst_resolution: Resolution, sizes: Vec<Vec3>) -> Self {
        Self {
            dst,
            dst_resolution,
            processing_chunk_sizes: sizes,
            processing_gap: Vec3::ZERO,
            processing_crop_pads: PerLevel::default(),
            processing_blend_pads: PerLevel::default(),
            processing_blend_modes: quadratic(),
            level_intermediaries_dirs: None,
            skip_intermediaries: false,
            max_reduction_chunk_size: None,
            expand_bbox_resolution: false,
            expand_bbox_backend: false,
            expand_bbox_processing: true,
            shrink_processing_chunk: false,
            auto_divisibility: false,
            allow_cache_up_to_level: None,
            distributed_levels: 1,
            op_worker_type: None,
            reduction_worker_type: None,
            task_stack_size: None,
            verbose: true,
            generate_ng_link: false,
            function: None,
            op: None,
            fn_semaphores: None,
            op_kwargs: BTreeMap::new(),
            op_args: Vec::new(),
            bbox: None,
            start_coord: None,
            end_coord: None,
            coord_resolution: None,
            auto_bbox: false,
            dst_tighten_bounds: false,
        }
    }
}

fn quadratic() -> PerLevel<BlendMode> {
    PerLevel::All(BlendMode::Quadratic)
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

fn is_zero(vector: &Vec3) -> bool {
    *vector == Vec3::ZERO
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// `dst` may be null, but it is not left out by accident.
pub(crate) fn require_destination(schema: &mut Schema) {
    let required = schema.ensure_object().entry("required").or_insert_with(|| Json::Array(Vec::new()));
    if let Json::Array(names) = required {
        names.insert(0, "dst".into());
    }
}
