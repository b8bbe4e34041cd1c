//! Layers as specs write them.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::array::DataType;
use crate::geometry::Resolution;
use crate::layer::settings::Opened;
use crate::layer::{Error, Layer, PrecomputedSpec, Scale, Unusable, Volume, ZarrSpec, storage};

/// A layer as specs write it; also in the arguments of tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "@type")]
#[schemars(extend("x-otaman" = "value"))]
pub enum LayerSpec {
    /// A Neuroglancer precomputed volume.
    #[serde(rename = "build_cv_layer")]
    Precomputed(Box<PrecomputedSpec>),
    /// A Zarr array or an OME-Zarr image.
    #[serde(rename = "build_zarr_layer")]
    Zarr(Box<ZarrSpec>),
}

/// What a layer is, or will be once it is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Where it is, for messages.
    pub path: String,
    /// What its values are.
    pub data_type: DataType,
    /// How many values each voxel has.
    pub channels: usize,
    /// Its resolutions, finest first.
    pub scales: Vec<Scale>,
    /// Its resolutions that cannot be used, in any order.
    pub unusable: Vec<Unusable>,
}

impl Description {
    /// One of its resolutions.
    ///
    /// # Errors
    /// If it has no such one, or it cannot be used.
    pub fn scale(&self, resolution: Resolution) -> Result<&Scale, Error> {
        let found = self.scales.iter().find(|scale| scale.resolution == resolution);
        let resolutions = || self.scales.iter().map(|scale| scale.resolution);
        found.ok_or_else(|| absent(&self.path, resolution, resolutions(), &self.unusable))
    }
}

/// Why a layer has no such resolution.
pub(crate) fn absent(
    layer: &str,
    resolution: Resolution,
    available: impl Iterator<Item = Resolution>,
    unusable: &[Unusable],
) -> Error {
    let layer = layer.to_owned();
    if let Some(scale) = unusable.iter().find(|scale| scale.resolution == resolution) {
        return Error::Unusable { layer, resolution, reason: scale.reason.clone() };
    }
    let available: Vec<String> = available.map(|resolution| resolution.to_string()).collect();
    let available = if available.is_empty() { "none".to_owned() } else { available.join(", ") };
    Error::NoScale { layer, resolution, available }
}

impl LayerSpec {
    /// What the layer is, or will be once [`LayerSpec::create`] has made it. Reads, never writes; checks every
    /// parameter.
    ///
    /// # Errors
    /// If a parameter cannot be, the layer or its reference cannot be read, or it exists and is another one.
    pub fn describe(&self) -> Result<Description, Error> {
        let opened = match self {
            Self::Precomputed(spec) => spec.describe(),
            Self::Zarr(spec) => spec.describe(),
        }?;
        Ok(Description {
            path: opened.volume.path().to_owned(),
            data_type: opened.volume.data_type(),
            channels: opened.volume.channels(),
            scales: opened.volume.scales(),
            unusable: opened.volume.unusable(),
        })
    }

    /// Writes the layer's metadata if the parameters ask for it and they are not there yet, and opens it. Doing so
    /// again changes nothing.
    ///
    /// # Errors
    /// As [`LayerSpec::describe`], or if the metadata cannot be written.
    pub fn create(&self) -> Result<Layer, Error> {
        match self {
            Self::Precomputed(spec) => spec.create(),
            Self::Zarr(spec) => spec.create(),
        }
        .map(layer)
    }

    /// Opens the layer; never writes. Its metadata are read each time: whoever keeps an opened layer may write to one
    /// that somebody has made anew since.
    ///
    /// # Errors
    /// If it does not exist, cannot be read, or a parameter cannot be.
    pub fn open(&self) -> Result<Layer, Error> {
        match self {
            Self::Precomputed(spec) => spec.open(),
            Self::Zarr(spec) => spec.open(),
        }
        .map(layer)
    }

    /// Whether anything is done with what is written.
    pub fn has_write_procs(&self) -> bool {
        match self {
            Self::Precomputed(spec) => !spec.write_procs.is_empty(),
            Self::Zarr(spec) => !spec.write_procs.is_empty(),
        }
    }

    /// The same layer by a path that means the same to every process of this machine: a local one made absolute.
    ///
    /// # Errors
    /// If the current or the home directory is not known.
    pub fn absolute(&self) -> Result<Self, Error> {
        let mut spec = self.clone();
        let paths = match &mut spec {
            Self::Precomputed(spec) => [Some(&mut spec.path), spec.info_reference_path.as_mut()],
            Self::Zarr(spec) => [Some(&mut spec.path), None],
        };
        for path in paths.into_iter().flatten() {
            *path = storage::absolute(path)?;
        }
        Ok(spec)
    }
}

fn layer(opened: Opened) -> Layer {
    Layer::with_settings(Arc::new(opened.volume), opened.settings)
}
