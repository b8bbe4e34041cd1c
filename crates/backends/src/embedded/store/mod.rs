//! The store in one file per execution.

mod cache;
mod checkpoint;
mod chunk;
mod database;
mod directory;
mod handle;
mod hold;
mod index;
mod pack;
mod sidecar;
mod view;

pub use handle::EmbeddedStore;
