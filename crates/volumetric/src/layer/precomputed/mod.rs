//! Neuroglancer's precomputed volumes.

mod parameters;

pub use parameters::{AddMode, AddedScale, OnExists, PrecomputedSpec};
