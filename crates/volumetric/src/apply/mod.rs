//! Applying functions to volumes chunk by chunk: the flows, their tasks, what is checked before anything runs.

mod argument;
mod blend;
mod compute;
mod error;
mod parameters;
mod per_level;
mod recipe;
mod sources;
mod tiles;

pub use argument::Argument;
pub use error::Error;
pub use parameters::SubchunkableApply;
pub use per_level::PerLevel;
