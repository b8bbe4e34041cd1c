//! What can go wrong while a chunk is processed.

use crate::array::DataType;
use crate::geometry::{Bounds, Vec3};

/// What can go wrong while a chunk is processed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A layer could not be opened, read or written.
    #[error("{what} {bounds}")]
    Layer {
        /// What was being done, such as `reading "src"`.
        what: String,
        /// Where.
        bounds: Bounds,
        /// Why.
        #[source]
        source: Box<crate::layer::Error>,
    },
    /// A layer could not be opened.
    #[error("opening {what}")]
    Open {
        /// Which one.
        what: String,
        /// Why.
        #[source]
        source: Box<crate::layer::Error>,
    },
    /// The function failed.
    #[error("processing the chunk {chunk}")]
    Function {
        /// The chunk.
        chunk: Bounds,
        /// Why.
        #[source]
        source: Box<crate::function::Error>,
    },
    /// The function is wrong as such.
    #[error("building the operation")]
    Operation(#[source] Box<crate::function::Error>),
    /// A grid cannot be laid.
    #[error(transparent)]
    Geometry(#[from] crate::geometry::Error),
    /// The function gives values of another number of channels than the layer has.
    #[error("{function} gives {found} channels for {layer}, which has {channels}")]
    Channels {
        /// The function.
        function: String,
        /// How many it gives.
        found: usize,
        /// The layer.
        layer: String,
        /// How many it has.
        channels: usize,
    },
    /// The function gives no voxels where there is something to write to.
    #[error("{function} gives {found}, but there is a layer to write to; set dst to null to get values")]
    NoVoxels {
        /// The function.
        function: String,
        /// What it gives.
        found: String,
    },
    /// Results of another size than the rest of them.
    #[error("the result of {found} for the chunk {chunk} is not as large as the chunk")]
    Size {
        /// The chunk.
        chunk: Bounds,
        /// The result.
        found: Vec3,
    },
    /// An intermediate result that should be there is not. Nothing is made up for it.
    #[error(
        "the intermediate result {path} is missing; it was deleted, or its directory is not shared by all workers; what has made it will not run again in this execution, so start a new one"
    )]
    Missing {
        /// Where it should be.
        path: String,
    },
    /// An intermediate result that is damaged or another one.
    #[error("the intermediate result {path} is not that of {expected}: {problem}")]
    Foreign {
        /// Where it is.
        path: String,
        /// What it should be.
        expected: Box<Bounds>,
        /// What is wrong.
        problem: String,
    },
    /// Another flow writes into a storage chunk of the flow, too.
    #[error(
        "this flow writes {written} of {path}, and another one {other} at the same time; both would write the storage chunk {chunk}, and one would undo what the other does; let one wait for the other (mazepa.sequential_flow), or have their boxes end where storage chunks end"
    )]
    Writers {
        /// The layer.
        path: String,
        /// The storage chunk.
        chunk: Box<Bounds>,
        /// What this flow writes.
        written: Box<Bounds>,
        /// What the other writes.
        other: Box<Bounds>,
    },
    /// Intermediate results could not be kept or read.
    #[error(transparent)]
    Storage(#[from] crate::layer::storage::Error),
    /// What all tasks share cannot be read.
    #[error("the task's recipe is malformed")]
    Recipe(#[from] serde_json::Error),
    /// The attempt is to stop.
    #[error("told to stop before the chunk {0}")]
    Stopped(Bounds),
    /// Sums that would not be exact.
    #[error("{0} cannot be blended by weights")]
    TooWide(DataType),
}

impl From<crate::function::Error> for Error {
    fn from(error: crate::function::Error) -> Self {
        Self::Operation(Box::new(error))
    }
}
