//! Where layers are kept: local files, and object stores behind a face that blocks.

mod error;
mod local;
mod location;
mod remote;
mod runtime;
mod store;

pub use error::{Action, Error};
pub use store::Storage;

pub(crate) use location::{absolute, canonical, is_same_place};
