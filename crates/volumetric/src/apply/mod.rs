//! Applying functions to volumes chunk by chunk: the flows, their tasks, what is checked before anything runs.

mod argument;
mod blend;
mod checks;
mod chunked;
mod compute;
mod conflict;
mod error;
mod fit;
mod flow;
mod interpolate;
mod memory;
mod parameters;
mod per_level;
mod plan;
mod postpad;
mod prepared;
mod recent;
mod recipe;
mod refusal;
mod sources;
mod tasks;
mod temporaries;
mod tiles;
pub(crate) mod writers;

pub use argument::Argument;
pub use chunked::{ChunkedApply, Chunker, Index};
pub use error::Error;
pub use interpolate::{Interpolate, Mode, Resolutions};
pub use parameters::SubchunkableApply;
pub use per_level::PerLevel;
pub use plan::{Plan, PlannedLevel, PlannedTasks};
pub use postpad::PostpadApply;
pub use recipe::{ChunkName, Level, Recipe, Reduction, Target, Temporaries};
pub use refusal::{Refusal, Refusals};
pub use tasks::{CleanUp, CreateLayer, ProcessChunks, ReduceChunks};
