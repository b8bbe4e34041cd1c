//! Recorded outcomes as both stores keep them: many to a chunk, an index of which chunk has which
//! task, and the chunks that were read last.

pub(crate) mod cache;
pub(crate) mod chunk;
pub(crate) mod dead;
pub(crate) mod index;
mod pack;
