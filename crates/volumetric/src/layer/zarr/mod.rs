//! Zarr arrays, and OME-Zarr images.

mod array;
mod axes;
mod bridge;
mod hierarchy;
mod layer;
mod making;
mod metadata;
mod ome;
mod parameters;

pub use parameters::ZarrSpec;

/// How many requests to a far store are made at once.
const CONCURRENCY: usize = 16;
