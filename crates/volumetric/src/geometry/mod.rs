//! Exact geometry: whole voxels and whole femtometres, never floats.

mod axis;
mod bounds;
mod error;
mod grid;
mod region;
mod region_spec;
mod resolution;
pub mod snap;
mod vec3;

pub use bounds::Bounds;
pub use error::Error;
pub use grid::{Fit, Grid, Layout};
pub use region::Region;
pub use region_spec::{RegionSpec, from_coordinates};
pub use resolution::Resolution;
pub use vec3::Vec3;
