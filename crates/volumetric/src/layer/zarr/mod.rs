//! Zarr arrays, and OME-Zarr images.

mod parameters;

pub use parameters::ZarrSpec;
