//! Operations and flows over image volumes: chunk by chunk, with context and blending, from layers
//! to layers.
//!
//! A *layer* is a volume in storage; an *array* is a piece of one in memory; a *region* is a box in
//! space, *bounds* are one in voxels of some resolution. Built on `otaman` alone: this crate must never
//! know how tasks travel or who schedules them.
//!
//! ```
//! use volumetric::geometry::{Bounds, Region, Resolution, Vec3};
//!
//! let resolution = Resolution::from_nanometres([4.0, 4.0, 40.0])?;
//! let region = Region::from_nanometres([0.0, 0.0, 0.0], [4096.0, 4096.0, 400.0])?;
//! assert_eq!(region.bounds(resolution)?, Bounds::new(Vec3::ZERO, Vec3::new(1024, 1024, 10)));
//! # Ok::<(), volumetric::geometry::Error>(())
//! ```

pub mod apply;
pub mod array;
pub mod blending;
pub mod expression;
pub mod function;
pub mod geometry;
pub mod layer;
pub mod picture;
