//! What can be wrong with a place or a size.

use crate::geometry::{Region, Resolution, Vec3};

/// What can be wrong with a place or a size.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a whole number of femtometres, or too far away.
    #[error("{0} nm is not a length between -9.2 and 9.2 km of at most 6 decimals")]
    Length(f64),
    /// A resolution must be above zero.
    #[error("a voxel cannot be {0} nm long; write a length above 0")]
    Resolution(f64),
    /// The region begins or ends inside a voxel.
    #[error("{region} is not made of whole voxels of {resolution}")]
    NotWhole {
        /// The region.
        region: Region,
        /// The size of a voxel.
        resolution: Resolution,
    },
    /// It ends before it begins.
    #[error("a box cannot end before it begins; this one reaches from {start} to {stop} along {axis}")]
    Inverted {
        /// `x`, `y` or `z`.
        axis: char,
        /// Where it begins.
        start: String,
        /// Where it ends.
        stop: String,
    },
    /// A chunk or a distance of nothing.
    #[error("a chunk of {0} has no extent")]
    NotPositive(Vec3),
    /// Chunks with gaps or overlaps where there may be none.
    #[error(
        "chunks of {chunk} at every {stride} do not lie side by side, so they can be neither cut nor joined"
    )]
    NotSideBySide {
        /// The size of a chunk.
        chunk: Vec3,
        /// From the start of one to the start of the next.
        stride: Vec3,
    },
}
