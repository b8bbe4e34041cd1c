//! What layers need of functions and geometry.

pub use crate::function::{Function, FunctionSpec};
pub use crate::geometry::RegionSpec;
