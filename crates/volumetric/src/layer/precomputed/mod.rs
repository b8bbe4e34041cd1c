//! Neuroglancer's precomputed volumes.

mod chunks;
mod cv_kwargs;
mod encoding;
mod info;
mod layer;
mod making;
mod parameters;
mod segmentation;
mod shards;

pub use parameters::{AddMode, AddedScale, OnExists, PrecomputedSpec};

use layer::open_storage;
