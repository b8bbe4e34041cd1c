//! Volumes made of chunks, whatever the format: what to read, change and write of which.

mod cache;
mod chunked;
mod fill;
mod layout;
mod many;
mod store;

pub(crate) use chunked::{Chunked, Level};
pub(crate) use fill::Fill;
pub(crate) use layout::Layout;
pub(crate) use store::Chunks;
