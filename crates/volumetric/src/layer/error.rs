//! What can go wrong with a layer.

use crate::array::DataType;
use crate::function;
use crate::geometry::{Bounds, Resolution};
use crate::layer::storage;

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
    /// A scale that there is and that cannot be used.
    #[error("{layer} cannot be used at {resolution}: {reason}")]
    Unusable {
        /// The layer's path.
        layer: String,
        /// The scale's resolution.
        resolution: Resolution,
        /// Why, and the cure.
        reason: String,
    },
    /// A chunk that was never written, of a layer that shall have none.
    #[error("{chunk} does not exist, and missing chunks are not to be filled")]
    MissingChunk {
        /// Where it would be.
        chunk: String,
    },
    /// What stands in a chunk cannot be its values.
    #[error("{chunk} is broken: {reason}")]
    Chunk {
        /// Where it is.
        chunk: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no layer.
    #[error("there is no layer at {layer}: {missing} does not exist; {cure}")]
    NotFound {
        /// The layer's path.
        layer: String,
        /// What does not exist.
        missing: String,
        /// What would help.
        cure: &'static str,
    },
    /// Metadata that cannot be.
    #[error("{place}: {reason}")]
    Metadata {
        /// Where they are.
        place: String,
        /// What is wrong with them.
        reason: String,
    },
    /// There is a layer already, and it is another one.
    #[error("{layer} exists already and differs: {difference}; {cure}")]
    Exists {
        /// The layer's path.
        layer: String,
        /// In what it differs.
        difference: String,
        /// What would help.
        cure: &'static str,
    },
    /// A function on the way from or to the layer failed.
    #[error(transparent)]
    Processor(Box<function::Error>),
    /// Storage failed.
    #[error(transparent)]
    Storage(#[from] storage::Error),
}

impl Error {
    /// Whether there is no such layer, or not yet such a scale of it: something may make it.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// The same where the layer is one to read: making it is no cure then.
    pub(crate) fn of_source(self) -> Self {
        match self {
            Self::NotFound { layer, missing, .. } => Self::NotFound {
                layer,
                missing,
                cure: "see whether the path is right and reachable from here",
            },
            other => other,
        }
    }

    /// Whether trying again may help. `otaman::Error` finds out the same when it is made of this one.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Storage(error) => error.is_transient(),
            Self::NoScale { .. }
            | Self::Outside { .. }
            | Self::Mismatch { .. }
            | Self::Parameter { .. }
            | Self::ReadOnly { .. }
            | Self::Unusable { .. }
            | Self::MissingChunk { .. }
            | Self::Chunk { .. }
            | Self::NotFound { .. }
            | Self::Metadata { .. }
            | Self::Exists { .. }
            | Self::Processor(_) => false,
        }
    }
}

impl From<function::Error> for Error {
    fn from(error: function::Error) -> Self {
        Self::Processor(Box::new(error))
    }
}
