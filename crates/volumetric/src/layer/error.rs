//! What can go wrong with a layer.

use crate::array::DataType;
use crate::geometry::{Bounds, Resolution};

/// What can go wrong with a layer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It has no such resolution.
    #[error("{layer} has no scale of {resolution}; it has {available}")]
    NoScale {
        /// The layer's path.
        layer: String,
        /// What was asked for.
        resolution: Resolution,
        /// The scales there are, in words.
        available: String,
    },
    /// A box reaches beyond the layer.
    #[error("{bounds} reaches beyond {layer}, which at {resolution} is {available}")]
    Outside {
        /// The layer's path.
        layer: String,
        /// The box.
        bounds: Box<Bounds>,
        /// At which resolution.
        resolution: Resolution,
        /// What there is.
        available: Box<Bounds>,
    },
    /// An array of another type or number of channels.
    #[error("{layer} holds {channels} × {data_type}, not {found_channels} × {found}")]
    Mismatch {
        /// The layer's path.
        layer: String,
        /// Its type.
        data_type: DataType,
        /// How many values each of its voxels has.
        channels: usize,
        /// The array's type.
        found: DataType,
        /// How many values each of the array's voxels has.
        found_channels: usize,
    },
    /// A parameter of a spec that cannot be.
    #[error("{parameter}: {reason}")]
    Parameter {
        /// Its name.
        parameter: &'static str,
        /// What is wrong with it, and the cure.
        reason: String,
    },
    /// Nothing may be written there.
    #[error("{layer} is not to be written: {reason}")]
    ReadOnly {
        /// The layer's path.
        layer: String,
        /// Why, and the cure.
        reason: String,
    },
    /// A function on the way from or to the layer failed.
    #[error(transparent)]
    Processor(#[from] crate::function::Error),
    /// To come.
    #[error("not yet")]
    NotYet,
}

impl Error {
    /// Whether there is no such layer yet.
    pub fn is_missing(&self) -> bool {
        false
    }
}
