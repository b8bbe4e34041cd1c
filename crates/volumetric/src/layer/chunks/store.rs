//! What a format must be able to do with the chunks of one scale.

use std::fmt;

use bytes::Bytes;

use crate::geometry::{Bounds, Vec3};
use crate::layer::chunks::Layout;
use crate::layer::{Error, Written};

/// The chunks of one scale in storage. Bytes are values, x fastest, then y, z, channels, of what a chunk has of the
/// volume.
pub(crate) trait Chunks: Send + Sync + fmt::Debug {
    /// How chunks lie that are written as a whole.
    fn layout(&self) -> Layout;

    /// The size of what is read as a whole; it divides the size of a chunk.
    fn part(&self) -> Vec3 {
        self.layout().size
    }

    /// Where a chunk is, for messages.
    fn place(&self, index: Vec3) -> String;

    /// Reads a box of one chunk: the whole of it, or as many parts. Nothing if the chunk was never written.
    fn read(&self, index: Vec3, bounds: Bounds) -> Result<Option<Bytes>, Error>;

    /// Writes a whole chunk.
    fn write(&self, index: Vec3, bytes: &[u8]) -> Result<(), Error>;

    /// Deletes a chunk, so that it was never written.
    fn delete(&self, index: Vec3) -> Result<(), Error>;

    /// What was just written or deleted of these chunks.
    fn written(&self, indices: &[Vec3]) -> Written;

    /// Why chunks cannot be written, if they cannot.
    fn why_read_only(&self) -> Option<String> {
        None
    }

    /// How many of them are worth being asked for at once.
    fn concurrency(&self) -> usize;
}
