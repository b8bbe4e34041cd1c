//! `build_chunked_apply_flow`: one level of chunks, each a task, nothing blended.

use std::collections::BTreeMap;

use otaman::{Descriptor, Error, Flow, FlowSchema, Resolve, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::apply::argument::Argument;
use crate::apply::parameters::{SubchunkableApply, require_destination};
use crate::function::OperationSpec;
use crate::geometry::{RegionSpec, Resolution, Vec3};
use crate::layer::LayerSpec;

/// Runs an operation over a volume in chunks of one size. Each is a task that writes its part at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = require_destination)]
pub struct ChunkedApply {
    /// What is done with each chunk.
    pub operation: OperationSpec,
    /// How the volume is cut.
    pub chunker: Chunker,
    /// What is processed.
    pub idx: Index,
    /// The layer to write to; null if the operation is run for its values or side effects.
    pub dst: Option<LayerSpec>,
    /// What the operation takes, by name.
    #[serde(default)]
    pub op_kwargs: BTreeMap<String, Argument>,
    /// Which workers process chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op_worker_type: Option<String>,
}

/// How a volume is cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-otaman" = "value"))]
pub struct Chunker {
    /// `VolumetricIndexChunker`, or left out.
    #[serde(rename = "@type", default, skip_serializing)]
    kind: Option<ChunkerType>,
    #[serde(rename = "@version", default, skip_serializing)]
    #[schemars(skip)]
    version: Option<String>,
    /// The size of a chunk.
    pub chunk_size: Vec3,
}

/// What is processed, and in which voxels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-otaman" = "value"))]
pub struct Index {
    /// `VolumetricIndex`, or left out.
    #[serde(rename = "@type", default, skip_serializing)]
    kind: Option<IndexType>,
    #[serde(rename = "@version", default, skip_serializing)]
    #[schemars(skip)]
    version: Option<String>,
    /// The box.
    pub bbox: RegionSpec,
    /// The resolution of the result.
    pub resolution: Resolution,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum ChunkerType {
    VolumetricIndexChunker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
enum IndexType {
    VolumetricIndex,
}

impl ChunkedApply {
    /// The same in terms of the other flow.
    pub fn into_subchunkable(self) -> SubchunkableApply {
        SubchunkableApply {
            skip_intermediaries: true,
            op: Some(self.operation),
            op_kwargs: self.op_kwargs,
            op_worker_type: self.op_worker_type,
            bbox: Some(self.idx.bbox),
            ..SubchunkableApply::new(self.dst, self.idx.resolution, vec![self.chunker.chunk_size])
        }
    }
}

impl FlowSchema for ChunkedApply {
    type Output = Json;

    fn descriptor() -> Descriptor {
        Descriptor::new("build_chunked_apply_flow", "1.0.0")
            .description("Runs an operation over a volume in chunks of one size.")
            .tags(&["volumetric"])
    }

    fn check(&self, resolver: &dyn Resolve) -> Vec<(String, Error)> {
        let own = |pointer: String| match pointer.split('/').nth(1) {
            Some("processing_chunk_sizes") => "/chunker/chunk_size".to_owned(),
            Some("bbox") => "/idx/bbox".to_owned(),
            Some("dst_resolution") => "/idx/resolution".to_owned(),
            Some("op") => pointer.replacen("/op", "/operation", 1),
            Some(_) | None => pointer,
        };
        let problems = self.clone().into_subchunkable().check(resolver);
        problems.into_iter().map(|(pointer, error)| (own(pointer), error)).collect()
    }

    async fn expand(self, flow: Flow) -> Result<Json> {
        self.into_subchunkable().expand(flow).await
    }
}

inventory::submit! { otaman::Registration::Flow(otaman::FlowEntry::of::<ChunkedApply>) }
