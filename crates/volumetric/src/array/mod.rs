//! Pieces of volumes in memory.

mod copying;
mod data_type;
mod elements;
mod shape;
mod volume;

pub use data_type::DataType;
pub use elements::{Element, Elements};
pub use shape::Shape;
pub use volume::Array;

pub(crate) use copying::{Placed, copy_box};
pub(crate) use elements::with_elements;
