//! The store in one file per execution.

mod checkpoint;
mod database;
mod directory;
mod handle;
mod hold;
mod sidecar;
mod view;

pub use handle::EmbeddedStore;
