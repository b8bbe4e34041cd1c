//! `build_postpad_subchunkable_apply_flow`: the same with sizes as the function sees them, pads included.

use std::collections::BTreeMap;

use otaman::{Descriptor, Error, Flow, FlowSchema, Resolve, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::apply::argument::Argument;
use crate::apply::parameters::{SubchunkableApply, require_destination};
use crate::apply::per_level::PerLevel;
use crate::blending::BlendMode;
use crate::function::{FunctionSpec, OperationSpec};
use crate::geometry::{RegionSpec, Resolution, Vec3};
use crate::layer::LayerSpec;

/// Runs a function over a volume as `build_subchunkable_apply_flow` does. Sizes are those of what is processed, with
/// context and blending; sizes of upper levels are rounded down so that those below divide them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = require_destination)]
pub struct PostpadApply {
    /// The layer to write to; must be given, null is refused.
    pub dst: Option<LayerSpec>,
    /// The resolution of the result, which all sizes count in.
    pub dst_resolution: Resolution,
    /// The size of chunks at each level with their pads, largest first.
    pub processing_input_sizes: Vec<Vec3>,
    /// Context on each side of the smallest chunks.
    #[serde(default)]
    pub processing_crop: Vec3,
    /// How far chunks of all levels reach into their neighbours.
    #[serde(default)]
    pub processing_blend: Vec3,
    /// How overlapping results become one.
    #[serde(default = "quadratic")]
    pub processing_blend_mode: PerLevel<BlendMode>,
    /// Where results wait until they are put together, for each level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_intermediaries_dirs: Option<Vec<Option<String>>>,
    /// The largest box that one task puts together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_reduction_chunk_size: Option<Vec3>,
    /// Whether the box grows to whole voxels of `dst_resolution`.
    #[serde(default)]
    pub expand_bbox_resolution: bool,
    /// Up to which level what was read is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_cache_up_to_level: Option<u32>,
    /// How many levels are made of tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distributed_levels: Option<u32>,
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
    /// Accepted without effect.
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
    /// What the function takes, by name.
    #[serde(default)]
    pub op_kwargs: BTreeMap<String, Argument>,
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
}

impl PostpadApply {
    /// The same in terms of the other flow.
    pub fn into_subchunkable(self) -> SubchunkableApply {
        let last = self.processing_input_sizes.len().saturating_sub(1);
        let size = |(index, size): (usize, &Vec3)| {
            let crop = if index == last { self.processing_crop } else { Vec3::ZERO };
            *size - (self.processing_blend + crop) * 2
        };
        let sizes: Vec<Vec3> = self.processing_input_sizes.iter().enumerate().map(size).collect();
        let crops =
            (0..sizes.len()).map(|index| if index == last { self.processing_crop } else { Vec3::ZERO });
        let crops = crops.collect();
        SubchunkableApply {
            processing_crop_pads: PerLevel::Each(crops),
            processing_blend_pads: PerLevel::All(self.processing_blend),
            processing_blend_modes: self.processing_blend_mode,
            level_intermediaries_dirs: self.level_intermediaries_dirs,
            max_reduction_chunk_size: self.max_reduction_chunk_size,
            expand_bbox_resolution: self.expand_bbox_resolution,
            auto_divisibility: true,
            allow_cache_up_to_level: self.allow_cache_up_to_level,
            distributed_levels: self.distributed_levels.unwrap_or(1),
            op_worker_type: self.op_worker_type,
            reduction_worker_type: self.reduction_worker_type,
            task_stack_size: self.task_stack_size,
            verbose: self.verbose,
            generate_ng_link: self.generate_ng_link,
            function: self.function,
            op: self.op,
            fn_semaphores: self.fn_semaphores,
            op_kwargs: self.op_kwargs,
            bbox: self.bbox,
            start_coord: self.start_coord,
            end_coord: self.end_coord,
            coord_resolution: self.coord_resolution,
            auto_bbox: self.auto_bbox,
            ..SubchunkableApply::new(self.dst, self.dst_resolution, sizes)
        }
    }
}

impl FlowSchema for PostpadApply {
    type Output = Json;

    fn descriptor() -> Descriptor {
        Descriptor::new("build_postpad_subchunkable_apply_flow", "1.0.0")
            .description("Runs a function over a volume, chunk by chunk; sizes are given with their pads.")
            .tags(&["volumetric"])
    }

    fn check(&self, resolver: &dyn Resolve) -> Vec<(String, Error)> {
        let names = [
            ("processing_chunk_sizes", "processing_input_sizes"),
            ("processing_crop_pads", "processing_crop"),
            ("processing_blend_pads", "processing_blend"),
            ("processing_blend_modes", "processing_blend_mode"),
        ];
        let own = |pointer: String| {
            let mut parts: Vec<&str> = pointer.split('/').collect();
            if let Some((_, own)) = names.iter().find(|(theirs, _)| parts.get(1) == Some(theirs)) {
                parts[1] = own;
            }
            parts.join("/")
        };
        let problems = self.clone().into_subchunkable().check(resolver);
        problems.into_iter().map(|(pointer, error)| (own(pointer), error)).collect()
    }

    async fn expand(self, flow: Flow) -> Result<Json> {
        self.into_subchunkable().expand(flow).await
    }
}

inventory::submit! { otaman::Registration::Flow(otaman::FlowEntry::of::<PostpadApply>) }

fn quadratic() -> PerLevel<BlendMode> {
    PerLevel::All(BlendMode::Quadratic)
}

fn yes() -> bool {
    true
}
