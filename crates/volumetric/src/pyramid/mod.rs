//! Pyramids: the same volume at ever coarser resolutions, for those who look at it and for those who compute with less.

mod destination;
mod downsample;
mod error;
mod flow;
mod steps;

pub use downsample::Downsample;
pub use error::Error;
pub use flow::{Built, Format, Method, Pyramid};
