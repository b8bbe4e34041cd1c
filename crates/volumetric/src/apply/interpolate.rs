//! `build_interpolate_flow`: coarser resolutions of a layer, each made of the one before.

use otaman::{Descriptor, Error, Flow, FlowSchema, Resolve, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::apply::argument::Argument;
use crate::apply::parameters::SubchunkableApply;
use crate::apply::refusal::Refusal;
use crate::function::{FunctionSpec, OperationSpec};
use crate::geometry::{RegionSpec, Resolution, Vec3};
use crate::layer::LayerSpec;

/// Makes coarser resolutions of a layer, one after another, each of the one before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Interpolate {
    /// The layer to read first.
    pub src: LayerSpec,
    /// The layer to write to, and to read what was written before; `src` if it is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dst: Option<LayerSpec>,
    /// At which resolution `src` is read.
    pub src_resolution: Resolution,
    /// The resolutions to make, in any order, or one.
    pub dst_resolutions: Resolutions,
    /// How many voxels become one.
    pub mode: Mode,
    /// The size of chunks at each level, in voxels of each resolution that is made.
    pub processing_chunk_sizes: Vec<Vec3>,
    /// Where results wait until they are put together, for each level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level_intermediaries_dirs: Option<Vec<Option<String>>>,
    /// Whether chunks are written straight to `dst`.
    #[serde(default)]
    pub skip_intermediaries: bool,
    /// The largest box that one task puts together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_reduction_chunk_size: Option<Vec3>,
    /// Whether the box grows to whole voxels of each resolution.
    #[serde(default)]
    pub expand_bbox_resolution: bool,
    /// Whether the box grows to whole storage chunks.
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
    /// The box to process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bbox: Option<RegionSpec>,
    /// Whether the box is all of `dst`.
    #[serde(default)]
    pub auto_bbox: bool,
    /// No longer there; must be false.
    #[serde(default)]
    pub dst_tighten_bounds: bool,
    /// Which workers process chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op_worker_type: Option<String>,
    /// Which workers put results together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduction_worker_type: Option<String>,
}

/// One resolution or several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Resolutions {
    /// One.
    One(Resolution),
    /// Several.
    Several(Vec<Resolution>),
}

/// How many voxels become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Images: their mean.
    Img,
    /// Labels: the most frequent one.
    Segmentation,
    /// Masks: the largest, so that nothing that is masked is lost.
    Mask,
}

impl Interpolate {
    /// A flow for each resolution, in the order in which they run.
    ///
    /// # Errors
    /// If resolutions cannot be put in order, or one is not a whole number of times the one before.
    pub fn into_stages(self) -> std::result::Result<Vec<SubchunkableApply>, Refusal> {
        let mut resolutions = match &self.dst_resolutions {
            Resolutions::One(resolution) => vec![*resolution],
            Resolutions::Several(several) => several.clone(),
        };
        resolutions.sort_unstable();
        resolutions.dedup();
        let target = self.dst.clone().unwrap_or_else(|| self.src.clone());
        let (mut source, mut finer) = (self.src.clone(), self.src_resolution);
        let mut stages = Vec::new();
        for resolution in resolutions {
            let (below, above) = (Vec3(finer.femtometres()), Vec3(resolution.femtometres()));
            if !below.all(above, |below, above| below <= above) {
                return Err(Refusal::Order { first: finer, second: resolution });
            }
            if !below.all(above, |below, above| above % below == 0) {
                return Err(Refusal::NotMultiple { first: finer, second: resolution });
            }
            let factor = above.zip(below, |above, below| above / below);
            stages.push(self.stage(&source, &target, resolution, factor));
            (source, finer) = (target.clone(), resolution);
        }
        Ok(stages)
    }

    fn stage(
        &self,
        source: &LayerSpec,
        target: &LayerSpec,
        resolution: Resolution,
        factor: Vec3,
    ) -> SubchunkableApply {
        let method = match self.mode {
            Mode::Img => "mean",
            Mode::Segmentation => "mode",
            Mode::Mask => "max",
        };
        let function =
            FunctionSpec::named("downsample").with("factor", factor.0.to_vec()).with("method", method);
        SubchunkableApply {
            op: Some(OperationSpec::of(function, None)),
            op_kwargs: [("src".to_owned(), Argument::Layer(source.clone()))].into(),
            level_intermediaries_dirs: self.level_intermediaries_dirs.clone(),
            skip_intermediaries: self.skip_intermediaries,
            max_reduction_chunk_size: self.max_reduction_chunk_size,
            expand_bbox_resolution: self.expand_bbox_resolution,
            expand_bbox_backend: self.expand_bbox_backend,
            expand_bbox_processing: self.expand_bbox_processing,
            shrink_processing_chunk: self.shrink_processing_chunk,
            auto_divisibility: self.auto_divisibility,
            bbox: self.bbox,
            auto_bbox: self.auto_bbox,
            dst_tighten_bounds: self.dst_tighten_bounds,
            op_worker_type: self.op_worker_type.clone(),
            reduction_worker_type: self.reduction_worker_type.clone(),
            ..SubchunkableApply::new(Some(target.clone()), resolution, self.processing_chunk_sizes.clone())
        }
    }
}

impl FlowSchema for Interpolate {
    type Output = ();

    fn descriptor() -> Descriptor {
        Descriptor::new("build_interpolate_flow", "1.0.0")
            .description("Makes coarser resolutions of a layer, each of the one before.")
            .tags(&["volumetric"])
    }

    fn check(&self, resolver: &dyn Resolve) -> Vec<(String, Error)> {
        let stages = match self.clone().into_stages() {
            Ok(stages) => stages,
            Err(refusal) => return vec![("/dst_resolutions".to_owned(), Error::permanent(refusal))],
        };
        let own = |pointer: &str| match pointer.split('/').nth(1) {
            Some("op_kwargs") => "/src".to_owned(),
            Some("dst_resolution") => "/dst_resolutions".to_owned(),
            Some("op") => "/mode".to_owned(),
            Some("start_coord" | "end_coord" | "coord_resolution") => String::new(),
            Some(_) | None => pointer.to_owned(),
        };
        let mut problems: Vec<(String, Error)> = Vec::new();
        for stage in stages {
            let at = format!("for the resolution {}", stage.dst_resolution);
            for (pointer, error) in stage.check(resolver) {
                problems.push((own(&pointer), error.context(&at)));
            }
        }
        problems
    }

    async fn expand(self, flow: Flow) -> Result<()> {
        for stage in self.into_stages().map_err(Error::permanent)? {
            flow.flow(stage).await?;
            flow.wait().await;
        }
        Ok(())
    }
}

inventory::submit! { otaman::Registration::Flow(otaman::FlowEntry::of::<Interpolate>) }

fn yes() -> bool {
    true
}
