//! The `info` of a precomputed volume.

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::array::DataType;
use crate::geometry::{Bounds, Resolution, Vec3};
use crate::layer::Error;
use crate::layer::chunks::Layout;
use crate::layer::storage::Storage;

/// The key of the metadata.
pub(super) const INFO: &str = "info";

/// What an `info` says that matters here. All else in it is left alone.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Info {
    pub(super) data_type: DataType,
    pub(super) num_channels: u64,
    pub(super) scales: Vec<ScaleInfo>,
}

/// One of its scales.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ScaleInfo {
    pub(super) key: String,
    pub(super) resolution: Resolution,
    pub(super) size: Vec3,
    #[serde(default)]
    pub(super) voxel_offset: Vec3,
    pub(super) chunk_sizes: Vec<Vec3>,
    pub(super) encoding: String,
    #[serde(default)]
    pub(super) sharding: Option<Json>,
    #[serde(default)]
    pub(super) compressed_segmentation_block_size: Option<Vec3>,
}

/// Most values of a voxel; memory is asked for by it.
const MAX_CHANNELS: u64 = 1 << 16;

impl Info {
    /// What an `info` says; `place` is where it is, or will be.
    pub(super) fn understand(json: &Map<String, Json>, place: &str) -> Result<Self, Error> {
        let refuse = |reason: String| Error::Metadata { place: place.to_owned(), reason };
        if let Some(kind) = json.get("@type").and_then(Json::as_str)
            && kind != "neuroglancer_multiscale_volume"
        {
            return Err(refuse(format!("\"@type\" is {kind:?}, which is no volume of images")));
        }
        let info: Self = serde_path_to_error::deserialize(Json::Object(json.clone()))
            .map_err(|error| refuse(format!("{}: {}", error.path(), error.inner())))?;
        if info.num_channels == 0 {
            return Err(refuse("num_channels is 0".into()));
        }
        if info.num_channels > MAX_CHANNELS {
            return Err(refuse(format!(
                "num_channels is {}; more than {MAX_CHANNELS} are a mistake",
                info.num_channels
            )));
        }
        if info.scales.is_empty() {
            return Err(refuse("it has no scales".into()));
        }
        for scale in &info.scales {
            scale.check().map_err(|reason| refuse(format!("scale {:?}: {reason}", scale.key)))?;
        }
        Ok(info)
    }
}

impl ScaleInfo {
    fn check(&self) -> Result<(), String> {
        let Some(&chunk) = self.chunk_sizes.first() else { return Err("it has no chunk_sizes".into()) };
        if !chunk.all(Vec3::ZERO, |size, zero| size > zero) {
            return Err(format!("a chunk cannot have the size {chunk}"));
        }
        if !self.size.all(Vec3::ZERO, |size, zero| size >= zero) {
            return Err(format!("it cannot have the size {}", self.size));
        }
        // Whatever is computed of places of voxels then fits.
        let far = 1_i64 << 60;
        if [self.size, self.voxel_offset, chunk].iter().any(|one| one.0.iter().any(|place| place.abs() > far))
        {
            return Err("it reaches beyond 2^60 voxels".into());
        }
        let is_below = self.key.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !is_below {
            return Err("its key must be a path below the volume".into());
        }
        Ok(())
    }

    pub(super) fn layout(&self) -> Layout {
        Layout {
            bounds: Bounds::at(self.voxel_offset, self.size),
            offset: self.voxel_offset,
            size: self.chunk_sizes[0],
        }
    }
}

/// The `info` at a place, if there is one.
pub(super) fn read(storage: &Storage) -> Result<Option<Map<String, Json>>, Error> {
    let Some(bytes) = storage.get(INFO)? else { return Ok(None) };
    match serde_json::from_slice(&bytes) {
        Ok(Json::Object(info)) => Ok(Some(info)),
        Ok(_) => Err(Error::Metadata { place: storage.key(INFO), reason: "it is not a JSON object".into() }),
        Err(error) => {
            Err(Error::Metadata { place: storage.key(INFO), reason: format!("it is not JSON: {error}") })
        }
    }
}

/// Writes it, indented for people.
pub(super) fn write(storage: &Storage, info: &Map<String, Json>) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(info).expect("JSON can be written as text");
    storage.put(INFO, text.as_bytes())?;
    Ok(storage.sync([INFO.to_owned()])?)
}

/// The name of a scale of this resolution, such as `4_4_40`.
pub(super) fn key(resolution: Resolution) -> String {
    resolution.nanometres().map(|length| length.to_string()).join("_")
}

/// A number as people write it: whole ones without a fraction.
pub(super) fn number(value: f64) -> Json {
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough to be exact")]
    if value.fract() == 0.0 && value.abs() < 9e15 { Json::from(value as i64) } else { Json::from(value) }
}
