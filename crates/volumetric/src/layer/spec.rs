//! Layers as specs write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::array::DataType;
use crate::layer::{Error, Layer, PrecomputedSpec, Scale, ZarrSpec};

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
}

impl LayerSpec {
    /// What the layer is, or will be once [`LayerSpec::create`] has made it. Reads, never writes; checks every
    /// parameter.
    ///
    /// # Errors
    /// If a parameter cannot be, the layer or its reference cannot be read, or it exists and is another one.
    pub fn describe(&self) -> Result<Description, Error> {
        match self {
            Self::Precomputed(_) => Err(Error::NotYet),
            Self::Zarr(_) => Err(Error::NotYet),
        }
    }

    /// Writes the layer's metadata if the parameters ask for it and they are not there yet, and opens it.
    ///
    /// # Errors
    /// As [`LayerSpec::describe`], or if the metadata cannot be written.
    pub fn create(&self) -> Result<Layer, Error> {
        Err(Error::NotYet)
    }

    /// Opens the layer; never writes.
    ///
    /// # Errors
    /// If it does not exist, cannot be read, or a parameter cannot be.
    pub fn open(&self) -> Result<Layer, Error> {
        Err(Error::NotYet)
    }

    /// Whether anything is done with what is written.
    pub fn has_write_procs(&self) -> bool {
        match self {
            Self::Precomputed(spec) => !spec.write_procs.is_empty(),
            Self::Zarr(spec) => !spec.write_procs.is_empty(),
        }
    }

    /// The same layer by a path that means the same in every process of this machine: a local one made absolute.
    ///
    /// # Errors
    /// If the current directory is not known.
    pub fn absolute(&self) -> Result<Self, Error> {
        Err(Error::NotYet)
    }
}
