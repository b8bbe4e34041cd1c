//! Why a pyramid cannot be built.

use crate::geometry::{Resolution, Vec3};
use crate::layer;

/// Why a pyramid cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The destination is not as it must be.
    #[error(transparent)]
    Layer(#[from] layer::Error),
    /// There is no source, or not yet.
    #[error(transparent)]
    NoSource(layer::Error),
    /// The source cannot be used.
    #[error(transparent)]
    BadSource(layer::Error),
    /// The source has nothing to begin with.
    #[error("{0} has no scale to build a pyramid from")]
    NoScales(String),
    /// The source has no such resolution, or it cannot be used.
    #[error(transparent)]
    Source(layer::Error),
    /// The source's finest scale, with which pyramids begin, cannot be used.
    #[error("{unusable}; set src_resolution to begin with another scale, such as {first}")]
    Finest {
        /// Why.
        unusable: layer::Error,
        /// The finest one that can.
        first: Resolution,
    },
    /// A factor by which nothing can be made coarser.
    #[error("factors are 1 or more along each axis, and above 1 along one; found {0}")]
    Factor(Vec3),
    /// Both ways to say how many scales there shall be.
    #[error("give either `factors` or `levels`: {factors} factors make as many scales, not {levels}")]
    Both {
        /// How many factors are given.
        factors: usize,
        /// How many levels are asked for.
        levels: u32,
    },
    /// A voxel would be too large to be measured.
    #[error("a scale of {0} along each axis coarser than {1} is beyond all measure; ask for fewer")]
    TooCoarse(Vec3, Resolution),
    /// Formats have parameters of their own.
    #[error("`{parameter}` is for {format} alone; leave it out, or set `format`")]
    OtherFormat {
        /// The parameter.
        parameter: &'static str,
        /// Whose it is.
        format: &'static str,
    },
    /// The destination is the source, of another format than asked for.
    #[error("the scales are to be added to {0}, which is precomputed; `format` cannot be \"zarr\"")]
    InPlace(String),
}

impl Error {
    /// The argument that is to be changed, as a JSON pointer.
    pub(crate) fn place(&self) -> &'static str {
        match self {
            Self::Layer(_) => "/path",
            Self::NoSource(_) | Self::BadSource(_) | Self::NoScales(_) => "/src",
            Self::Source(_) | Self::Finest { .. } => "/src_resolution",
            Self::Factor(_) | Self::Both { .. } => "/factors",
            Self::TooCoarse(..) => "/levels",
            Self::OtherFormat { parameter, .. } => match *parameter {
                "shard_size" => "/shard_size",
                "zarr_format" => "/zarr_format",
                _ => "/codec",
            },
            Self::InPlace(_) => "/format",
        }
    }
}
