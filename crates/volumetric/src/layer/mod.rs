//! Layers: volumes in storage.

mod error;
mod volume;

pub use error::Error;
pub use volume::{Scale, Volume};
