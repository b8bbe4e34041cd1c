//! Exact geometry: whole voxels and whole femtometres, never floats.

mod bounds;
mod error;
mod region;
mod resolution;
mod vec3;

pub use bounds::Bounds;
pub use error::Error;
pub use region::Region;
pub use resolution::Resolution;
pub use vec3::Vec3;
