//! What a format of volumes must promise.

use std::sync::Arc;

use crate::array::{Array, DataType};
use crate::geometry::{Bounds, Resolution, Vec3, snap};
use crate::layer::{Error, Written};

/// One resolution of a volume.
#[derive(Debug, Clone, PartialEq)]
pub struct Scale {
    /// How large a voxel is.
    pub resolution: Resolution,
    /// Where the volume is.
    pub bounds: Bounds,
    /// What is written as a whole: a storage chunk, or a shard of several. Two tasks must never write into one at
    /// the same time. Chunks lie side by side from `offset` on and are cut off by `bounds`.
    pub chunk: Vec3,
    /// Where the first chunk begins.
    pub offset: Vec3,
}

impl Scale {
    /// All storage chunks that have voxels in a box.
    pub(crate) fn chunks(&self, bounds: Bounds) -> Bounds {
        snap::expanded(bounds, self.chunk, self.offset).intersection(&self.bounds)
    }
}

/// A resolution that there is and that cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Unusable {
    /// Which one.
    pub resolution: Resolution,
    /// Why.
    pub reason: String,
}

/// A volume in storage, opened. Reading and writing block.
pub trait Volume: Send + Sync + std::fmt::Debug {
    /// Where it is, for messages.
    fn path(&self) -> &str;

    /// What its values are.
    fn data_type(&self) -> DataType;

    /// How many values each voxel has.
    fn channels(&self) -> usize;

    /// Its resolutions, finest first.
    fn scales(&self) -> Vec<Scale>;

    /// Its resolutions that cannot be used, in any order.
    fn unusable(&self) -> Vec<Unusable> {
        Vec::new()
    }

    /// One of its resolutions.
    ///
    /// # Errors
    /// If it has no such one, or it cannot be used.
    fn scale(&self, resolution: Resolution) -> Result<Scale, Error>;

    /// The values in a box. What was never written has the fill value.
    ///
    /// # Errors
    /// If the box reaches outside, or storage fails.
    fn read(&self, resolution: Resolution, bounds: Bounds) -> Result<Array, Error>;

    /// Writes an array whose first voxel lies at `start`. Whoever reads a chunk meanwhile sees it as it was
    /// before or as it is after. A chunk that is not covered whole is read, changed and written; that is safe only
    /// while nobody else writes to the same chunk.
    ///
    /// # Errors
    /// If it reaches outside, is of another type, or storage fails.
    fn write(&self, resolution: Resolution, start: Vec3, array: &Array) -> Result<Written, Error>;

    /// What was never written has this value.
    fn fill_value(&self) -> f64 {
        0.0
    }

    /// The same volume with a cache of decoded chunks that holds at most this many bytes, if it can have one.
    fn cached(&self, bytes: u64) -> Option<Arc<dyn Volume>> {
        let _ = bytes;
        None
    }
}
