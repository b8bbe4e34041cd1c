//! The flow `build_pyramid_flow`: one spec, all scales.

use otaman::{
    Descriptor, Error as Failure, Estimate, Flow, FlowEntry, FlowSchema, Handle, IntoCall, Operation as _,
    Registration, Resolve,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::apply::writers;
use crate::array::DataType;
use crate::geometry::{Bounds, Fit, Grid, Layout, Resolution, Vec3};
use crate::layer::{self, Description, LayerSpec, Scale};
use crate::pyramid::Error;
use crate::pyramid::destination;
use crate::pyramid::downsample::Downsample;
use crate::pyramid::steps::{Height, Step, steps};

/// How many voxels of the coarser scale a task makes, at most, unless a storage chunk or shard has more.
const VOXELS: i64 = 128 * 128 * 128;
/// How many tasks are yielded at once.
const BATCH: usize = 256;

/// Builds a pyramid: copies a volume and makes ever coarser scales of it. If `path` is the source's own, the scales are
/// added to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pyramid {
    /// The volume.
    pub src: LayerSpec,
    /// The scale to begin with. Default: the finest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src_resolution: Option<Resolution>,
    /// Where to write: a local path or a URL.
    pub path: String,
    /// `precomputed` (Neuroglancer) or `zarr` (OME-Zarr). Default: `zarr` if the path ends with `.zarr`, else as the
    /// source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// How one value is made of several. Default: `mode` for 64-bit integers, which are labels, else `mean`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// How many scales to make beyond the first. Default: until everything fits into one storage chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<u32>,
    /// How many voxels become one from scale to scale, along x, y and z. Default: axes are halved such that voxels become
    /// cubes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub factors: Vec<Vec3>,
    /// The size of storage chunks. Default: 64 along each axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_size: Option<Vec3>,
    /// The size of shards, a multiple of `chunk_size`; for Zarr.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_size: Option<Vec3>,
    /// 2 (OME-Zarr 0.4) or 3 (0.5, the default); for Zarr.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zarr_format: Option<u64>,
    /// How chunks are compressed, as for `build_zarr_layer`; for Zarr.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<Json>,
    /// Which workers do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_type: Option<String>,
}

/// A format of volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Neuroglancer's.
    Precomputed,
    /// OME-Zarr.
    Zarr,
}

/// How one value is made of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Their mean.
    Mean,
    /// The most frequent one; for labels.
    Mode,
    /// The least one.
    Min,
    /// The greatest one.
    Max,
    /// The first one.
    Striding,
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Built {
    /// Where it is.
    pub path: String,
    /// Its format.
    pub format: Format,
    /// Its scales, finest first: voxel sizes in nm.
    pub scales: Vec<Resolution>,
    /// How to look at it.
    pub view: String,
}

/// All that is known before anything is written.
struct Plan {
    /// Where it writes.
    path: String,
    dst: LayerSpec,
    first: Resolution,
    /// Source and destination of each step, and the scales of both; the copy comes first, if there is one.
    stages: Vec<Stage>,
    steps: Vec<Step>,
    method: Method,
    voxel_bytes: u64,
}

struct Stage {
    src: LayerSpec,
    from: Resolution,
    factor: Vec3,
    to: Scale,
}

impl Pyramid {
    /// Whether the values are names of things, which cannot be averaged.
    pub(crate) fn is_of_labels(&self, source: &Description) -> bool {
        match self.method {
            Some(method) => method == Method::Mode,
            None => matches!(source.data_type, DataType::Uint64 | DataType::Int64),
        }
    }

    fn plan(&self) -> Result<Plan, Error> {
        let source = self.src.describe().map_err(layer::Error::of_source).map_err(|error| {
            match error.is_missing() {
                true => Error::NoSource(error),
                false => Error::BadSource(error),
            }
        })?;
        let first = match self.src_resolution {
            Some(resolution) => source.scale(resolution).map_err(Error::Source)?,
            None => finest(&source)?,
        };
        let chunk = destination::chunk(self, first);
        let height = match (self.factors.as_slice(), self.levels) {
            ([], None) => Height::UntilOneChunk(chunk),
            ([], Some(levels)) => Height::Levels(levels),
            (factors, None) => Height::Factors(factors),
            (factors, Some(levels)) => return Err(Error::Both { factors: factors.len(), levels }),
        };
        let steps = steps(first.resolution, first.bounds, height)?;
        let dst = destination::layer(self, &source, first, &steps)?;
        let target = dst.describe()?;
        // Workers have directories of their own.
        let (src, dst) = (self.src.absolute()?, dst.absolute()?);
        let scale = |resolution: Resolution| target.scale(resolution).cloned();
        let mut stages = Vec::new();
        if !destination::is_in_place(self) {
            let from = first.resolution;
            stages.push(Stage { src, from, factor: Vec3::ONE, to: scale(from)? });
        }
        let mut from = first.resolution;
        for step in &steps {
            stages.push(Stage { src: dst.clone(), from, factor: step.factor, to: scale(step.resolution)? });
            from = step.resolution;
        }
        let method =
            self.method.unwrap_or(if self.is_of_labels(&source) { Method::Mode } else { Method::Mean });
        let voxel_bytes = (source.channels * source.data_type.size()) as u64;
        Ok(Plan { path: target.path, dst, first: first.resolution, stages, steps, method, voxel_bytes })
    }
}

/// The scale with which a pyramid begins unless it is said. To leave out a finer one would be noticed late.
fn finest(source: &Description) -> Result<&Scale, Error> {
    let first = source.scales.first().ok_or_else(|| Error::NoScales(source.path.clone()))?;
    let volume = |resolution: Resolution| resolution.voxel_volume();
    let finer = source
        .unusable
        .iter()
        .min_by(|one, other| volume(one.resolution).total_cmp(&volume(other.resolution)));
    match finer {
        Some(finer) if volume(finer.resolution) < volume(first.resolution) => {
            let unusable =
                source.scale(finer.resolution).map(drop).expect_err("it is one that cannot be used");
            Err(Error::Finest { unusable, first: first.resolution })
        }
        Some(_) | None => Ok(first),
    }
}

impl Stage {
    /// The boxes that tasks write: whole storage chunks or shards, so that no two tasks write to the same one.
    fn boxes(&self) -> Result<Grid, Failure> {
        let mut most = self.to.chunk;
        // Doubled along x, then y, then z, as long as tasks stay small.
        for axis in (0..3).cycle() {
            let mut larger = most;
            larger[axis] *= 2;
            if larger.volume() > VOXELS {
                break;
            }
            most = larger;
        }
        let layout = Layout::tiled(self.to.chunk, Fit::Exact).from_offset(self.to.offset);
        Ok(Grid::of_superchunks(self.to.bounds, layout, most)?)
    }
}

impl FlowSchema for Pyramid {
    type Output = Built;

    fn descriptor() -> Descriptor {
        Descriptor::new("build_pyramid_flow", "1.0.0")
            .description(
                "Builds a pyramid of a volume: copies it and makes ever coarser scales, as Neuroglancer precomputed or OME-Zarr.",
            )
            .tags(&["volumes"])
    }

    fn check(&self, _: &dyn Resolve) -> Vec<(String, Failure)> {
        match self.plan() {
            Ok(_) => Vec::new(),
            // An earlier stage of the spec may make it.
            Err(Error::NoSource(error)) => {
                tracing::warn!("$.src: {error}; the flow cannot run unless an earlier one makes it");
                Vec::new()
            }
            Err(error) => vec![(error.place().to_owned(), error.into())],
        }
    }

    async fn expand(self, flow: Flow) -> Result<Built, Failure> {
        let plan = self.plan()?;
        let content = serde_json::to_string(&self)?;
        let begin = |stage: &Stage| writers::begin(&plan.path, &stage.to, stage.to.bounds, &content);
        let _writing = plan.stages.iter().map(begin).collect::<Result<Vec<_>, _>>()?;
        flow.estimate(plan.estimate());
        flow.task(crate::apply::CreateLayer { layer: plan.dst.clone() }).await?;
        flow.wait().await;
        for stage in &plan.stages {
            let boxes = stage.boxes()?;
            flow.expect(Downsample::descriptor().name.parse()?, boxes.len());
            let mut rest = boxes.iter().peekable();
            while rest.peek().is_some() {
                let calls = rest.by_ref().take(BATCH).map(|bounds| self.task(&plan, stage, bounds));
                let _: Vec<Handle<()>> = flow.tasks(calls.collect::<Vec<_>>()).await?;
            }
            // The next scale is made of this one.
            flow.wait().await;
        }
        let scales =
            std::iter::once(plan.first).chain(plan.steps.iter().map(|step| step.resolution)).collect();
        let view = format!("coordinator view {} -o slice.png", self.path);
        Ok(Built { path: self.path.clone(), format: destination::format(&self), scales, view })
    }
}

impl Pyramid {
    fn task(
        &self,
        plan: &Plan,
        stage: &Stage,
        bounds: Bounds,
    ) -> impl IntoCall<Operation = Downsample> + use<> {
        let call = Downsample {
            src: stage.src.clone(),
            src_resolution: stage.from,
            dst: plan.dst.clone(),
            dst_resolution: stage.to.resolution,
            factor: stage.factor,
            method: plan.method,
            start: bounds.start,
            size: bounds.size(),
        }
        .call();
        match &self.worker_type {
            Some(worker_type) => call.worker_type(worker_type),
            None => call,
        }
    }
}

impl Plan {
    fn estimate(&self) -> Estimate {
        let mut estimate = Estimate::default();
        let bytes = |voxels: i64| u64::try_from(voxels).unwrap_or_default().saturating_mul(self.voxel_bytes);
        for Stage { factor, to, .. } in &self.stages {
            estimate.written_bytes = estimate.written_bytes.saturating_add(bytes(to.bounds.volume()));
            estimate.read_bytes =
                estimate.read_bytes.saturating_add(bytes(to.bounds.volume().saturating_mul(factor.volume())));
            estimate.remarks.push(format!("scale of {}: {} voxels", to.resolution, to.bounds.size()));
        }
        estimate
    }
}

inventory::submit! { Registration::Flow(FlowEntry::of::<Pyramid>) }
