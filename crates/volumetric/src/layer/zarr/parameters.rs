//! What a spec says of a Zarr layer: the parameters of `build_zarr_layer`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::array::DataType;
use crate::function::FunctionSpec;
use crate::geometry::{RegionSpec, Resolution, Vec3};
use crate::layer::precomputed::OnExists;
use crate::layer::versions::Version;

/// A Zarr array, or an OME-Zarr multiscale image.
///
/// With `data_type` the layer is made if it does not exist; otherwise it must exist.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ZarrSpec {
    /// Ignored.
    #[serde(rename = "@version", default, skip_serializing)]
    pub version: Version,
    /// Where the layer is: a local path, or a `file://`, `s3://`, `gs://`, `az://`, `http://` or `https://` URL.
    pub path: String,
    /// The size of a voxel along x, y and z in nm. Needed to make a layer, and to open an array that does not say it
    /// by OME metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// Further, coarser resolutions of a layer to be made; only with OME metadata.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scales: Vec<Resolution>,
    /// The order of the axes, slowest first, such as `czyx`, `zyx` or `tczyx`. Default: what the metadata say, else
    /// that of these three which has as many axes; for a layer to be made `czyx`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub axes: Option<String>,
    /// Which point of time is meant where there is a time axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// Where the first voxel of `resolution` is, in voxels. Default: what OME metadata say, else 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voxel_offset: Option<Vec3>,
    /// Where a layer to be made is; instead of `voxel_offset` and `size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bbox: Option<RegionSpec>,
    /// The size of a layer to be made along x, y and z, in voxels of `resolution`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Vec3>,
    /// What a value is, of a layer to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<DataType>,
    /// How many values a voxel has, of a layer to be made. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_channels: Option<u64>,
    /// The size of a chunk along x, y and z, of a layer to be made. Default: 128 along each axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_size: Option<Vec3>,
    /// The size of a shard along x, y and z, a multiple of `chunk_size`; shards are written as a whole. Default: no
    /// shards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_size: Option<Vec3>,
    /// How chunks of a layer to be made are compressed: `raw`, `gzip`, `zstd` (default), `blosc`, or a codec with its
    /// configuration such as `{"name": "zstd", "configuration": {"level": 5, "checksum": false}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<Json>,
    /// 2 or 3 (default), of a layer to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zarr_format: Option<u64>,
    /// What was never written has this value, of a layer to be made. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill_value: Option<Json>,
    /// Whether a layer to be made gets OME metadata (0.4 with format 2, 0.5 with 3). Default: true. If not, it is one
    /// array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ome: Option<bool>,
    /// What to do if another layer is there already. Default: `extend`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_info_exists: Option<OnExists>,
    /// Refuse all writing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub readonly: bool,
    /// Whether chunks that were never written have the fill value; otherwise reading them is an error. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill_missing: Option<bool>,
    /// Whether reading and writing beyond the layer's bounds is refused. Otherwise there is the fill value, and what is
    /// written there is dropped. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounded: Option<bool>,
    /// Allow boxes that are not made of whole voxels, rounding them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_slice_rounding: bool,
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
