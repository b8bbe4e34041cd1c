//! What a spec says of a precomputed layer: the parameters of `build_cv_layer`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::array::DataType;
use crate::function::FunctionSpec;
use crate::geometry::{RegionSpec, Resolution, Vec3};
use crate::layer::versions::Version;

/// A Neuroglancer precomputed volume, as `build_cv_layer` describes one.
///
/// With `info_scales`, or without them but with `info_reference_path`, `info_add_scales` or
/// `info_field_overrides`, the layer's `info` is made from the parameters; otherwise it must exist.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PrecomputedSpec {
    /// Ignored; specs written for Mazepa may have one.
    #[serde(rename = "@version", default, skip_serializing)]
    pub version: Version,
    /// Where the layer is: a local path, or a `file://`, `s3://`, `gs://`, `az://`, `http://` or `https://` URL;
    /// `precomputed://` may stand before it.
    pub path: String,
    /// Parameters of CloudVolume: `fill_missing` (default true), `bounded` (default false), `compress` (`"gzip"` or
    /// null), `delete_black_uploads` (default true), `background_color`. Of the others those that matter are
    /// refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cv_kwargs: Option<Map<String, Json>>,
    /// The resolution at which the layer is meant where nothing else says one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_desired_resolution: Option<Resolution>,
    /// Accepted without effect: places always come with their resolution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_resolution: Option<Resolution>,
    /// The resolution of the scale to read from; must be null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_resolution: Option<Resolution>,
    /// How to go from one resolution to another; must be null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpolation_mode: Option<String>,
    /// Refuse all writing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub readonly: bool,
    /// Where the layer is whose `info` serves as a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_reference_path: Option<String>,
    /// With `info_scales`: take from the reference whatever is not said here. Otherwise only its bounds are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_inherit_all_params: Option<bool>,
    /// `image` or `segmentation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_type: Option<String>,
    /// What a value is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_data_type: Option<DataType>,
    /// How many values a voxel has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_num_channels: Option<u64>,
    /// The size of a storage chunk along x, y and z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_chunk_size: Option<Vec3>,
    /// Storage chunk sizes by scale, such as `{"4_4_40": [64, 64, 64]}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_chunk_size_map: Option<std::collections::BTreeMap<String, Vec3>>,
    /// Where the volume is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_bbox: Option<RegionSpec>,
    /// The size of every scale, in voxels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_dataset_size: Option<Vec3>,
    /// Sizes by scale, in voxels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_dataset_size_map: Option<std::collections::BTreeMap<String, Vec3>>,
    /// Where every scale begins, in voxels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_voxel_offset: Option<Vec3>,
    /// Where each scale begins, in voxels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_voxel_offset_map: Option<std::collections::BTreeMap<String, Vec3>>,
    /// How chunks are encoded; `raw` is what can be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_encoding: Option<String>,
    /// Encodings by scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_encoding_map: Option<std::collections::BTreeMap<String, String>>,
    /// The resolutions that the layer shall have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_scales: Option<Vec<Resolution>>,
    /// Fields to put into every scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_extra_scale_data: Option<Map<String, Json>>,
    /// Resolutions, or partly filled scales, to add to those of the reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_add_scales: Option<Vec<AddedScale>>,
    /// The scale that those are made from: its key, or a scale. Default: the finest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_add_scales_ref: Option<Json>,
    /// `merge` (default) with the reference's scales, or `replace` them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_add_scales_mode: Option<AddMode>,
    /// Fields of the reference scale that added ones do not get.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub info_add_scales_exclude_fields: Vec<String>,
    /// Keep only these of all scales.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_only_retain_scales: Option<Vec<Resolution>>,
    /// Fields of the `info` as they shall be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_field_overrides: Option<Map<String, Json>>,
    /// Start from what the layer's `info` has, if it exists and there is no other reference. Default: true where
    /// `info_scales` is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_extend_if_exists: Option<bool>,
    /// With `info_scales`: scales that the layer has and that are not listed stay. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_keep_existing_scales: Option<bool>,
    /// The same as `on_info_exists: "overwrite"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info_overwrite: Option<bool>,
    /// What to do if there is another `info` already. Default: `extend`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_info_exists: Option<OnExists>,
    /// Allow boxes that are not made of whole voxels, rounding them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_slice_rounding: bool,
    /// Must be empty: places are not changed on their way to a layer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub index_procs: Vec<Json>,
    /// What to do, in this order, with all that is read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_procs: Vec<FunctionSpec>,
    /// What to do, in this order, with all that is to be written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub write_procs: Vec<FunctionSpec>,
    /// How many bytes of decoded chunks to keep where reading is cached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_bytes_limit: Option<u64>,
}

/// A scale to be made from another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AddedScale {
    /// By its resolution alone.
    Resolution(Resolution),
    /// By its `resolution` and other fields.
    Fields(Map<String, Json>),
}

/// What becomes of the reference's scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AddMode {
    /// They stay.
    Merge,
    /// They go.
    Replace,
}

/// What to do if a layer's metadata exist already and are other ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnExists {
    /// Refuse.
    ExpectSame,
    /// Refuse unless nothing changes but that scales are added.
    Extend,
    /// Replace them. Chunks that were written to a precomputed layer stay where they are; those of a Zarr array that
    /// becomes another one are deleted.
    Overwrite,
}
