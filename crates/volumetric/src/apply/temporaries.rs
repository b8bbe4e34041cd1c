//! Results of chunks that wait to be put together: a file for each, written as a whole, in an encoding of its own that
//! loses nothing, whatever the layer's is. A file that is missing or damaged is an error, never zeros. It begins with a
//! header of `HEADER` bytes; then come a checksum (CRC-32C, little endian) of each plane along z, channel by channel, and
//! the planes in the same order, x fastest.

use std::ops::Range;

use crc32c::crc32c;
use otaman::Context;
use serde::{Deserialize, Serialize};

use crate::apply::error::Error;
use crate::apply::recipe::{Target, Temporaries};
use crate::array::{Array, DataType, Elements, Shape};
use crate::geometry::{Bounds, Vec3};
use crate::layer::storage::Storage;

/// Bytes before the checksums, and of each of those.
const HEADER: usize = 256;
const CHECKSUM: usize = size_of::<u32>();

/// What a file begins with.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    format: String,
    data_type: DataType,
    channels: usize,
    bounds: Bounds,
}

const TOO_SHORT: &str = "it ends too early";

const FORMAT: &str = "otaman-chunk-2";

/// The results of one flow in one execution.
#[derive(Debug)]
pub(crate) struct Store {
    storage: Storage,
    data_type: DataType,
    channels: usize,
}

impl Store {
    /// Of the flow that a task belongs to. Executions keep theirs apart: two that run the same spec at once do not
    /// delete each other's.
    ///
    /// # Errors
    /// If there can be no such place.
    pub(crate) fn open(target: &Target, temporaries: &Temporaries, context: &Context) -> Result<Self, Error> {
        let storage = Storage::open(&temporaries.directory)?.child(&folder(temporaries, context));
        Ok(Self { storage, data_type: target.data_type, channels: target.channels })
    }

    /// Keeps the result for a chunk. What is kept again is the same, since it is named by what it depends on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn put(&self, level: usize, chunk: Bounds, array: &Array) -> Result<(), Error> {
        let header = Header {
            format: FORMAT.into(),
            data_type: array.data_type(),
            channels: array.shape().channels,
            bounds: chunk,
        };
        let mut bytes = serde_json::to_vec(&header)?;
        bytes.resize(HEADER, b' ');
        let values = array.elements().bytes();
        let planes = || values.chunks_exact(self.plane(chunk).max(1));
        bytes.reserve(planes().len() * CHECKSUM + values.len());
        bytes.extend(planes().flat_map(|plane| crc32c(plane).to_le_bytes()));
        bytes.extend_from_slice(values);
        Ok(self.storage.put(&name(level, chunk), &bytes)?)
    }

    /// The part of a chunk's result that is needed for a box, perhaps with more around it, and where it is.
    ///
    /// # Errors
    /// If there is no such result, or it is damaged.
    pub(crate) fn get(&self, level: usize, chunk: Bounds, wanted: &Bounds) -> Result<(Array, Bounds), Error> {
        let name = name(level, chunk);
        let path = || self.storage.key(&name);
        let read = |range: Range<usize>| {
            self.storage
                .get_range(&name, range.start as u64..range.end as u64)?
                .ok_or_else(|| Error::Missing { path: path() })
        };
        let foreign = |problem: String| Error::Foreign { path: path(), expected: Box::new(chunk), problem };
        let expected = Header {
            format: FORMAT.into(),
            data_type: self.data_type,
            channels: self.channels,
            bounds: chunk,
        };
        let depth = usize::try_from(chunk.size()[2]).expect("it was written");
        let values_at = HEADER + self.channels * depth * CHECKSUM;
        let head = read(0..values_at)?;
        match serde_json::from_slice::<Header>(&head[..HEADER.min(head.len())]) {
            Ok(found) if found == expected => {}
            Ok(found) => return Err(foreign(format!("it is {found:?}"))),
            Err(error) => return Err(foreign(format!("its header is damaged ({error})"))),
        }
        if head.len() < values_at {
            return Err(foreign(TOO_SHORT.into()));
        }
        let checksums = &head[HEADER..];
        // Planes along z lie one after another.
        let common = chunk.intersection(wanted);
        let part = Bounds::new(
            Vec3::new(chunk.start[0], chunk.start[1], common.start[2]),
            Vec3::new(chunk.stop[0], chunk.stop[1], common.stop[2]),
        );
        let plane = self.plane(chunk);
        let shape = Shape::new(self.channels, part.size());
        let mut elements = Elements::zeros(self.data_type, shape.count());
        let length = shape.count() / self.channels.max(1) * self.data_type.size();
        let before = usize::try_from(part.start[2] - chunk.start[2]).expect("is inside the chunk");
        for (channel, places) in elements.bytes_mut().chunks_exact_mut(length.max(1)).enumerate() {
            let first = channel * depth + before;
            let start = values_at + first * plane;
            let bytes = read(start..start + length)?;
            if bytes.len() != length {
                return Err(foreign(TOO_SHORT.into()));
            }
            let sums = checksums[first * CHECKSUM..].chunks_exact(CHECKSUM);
            if bytes.chunks_exact(plane).zip(sums).any(|(plane, sum)| crc32c(plane).to_le_bytes() != sum) {
                return Err(foreign("its values are damaged".into()));
            }
            places.copy_from_slice(&bytes);
        }
        Ok((Array::new(shape, elements), part))
    }

    /// The bytes of a plane along z of one channel.
    fn plane(&self, chunk: Bounds) -> usize {
        let size = chunk.size();
        Shape::new(1, Vec3::new(size[0], size[1], 1)).count() * self.data_type.size()
    }
}

/// Deletes all results of a flow. None may be needed any more.
///
/// # Errors
/// If one cannot be deleted.
pub(crate) fn delete(temporaries: &Temporaries, context: &Context) -> Result<(), Error> {
    Ok(Storage::open(&temporaries.directory)?.delete_all(&folder(temporaries, context))?)
}

fn folder(temporaries: &Temporaries, context: &Context) -> String {
    format!("{}-{}", context.execution(), temporaries.key)
}

fn name(level: usize, chunk: Bounds) -> String {
    let [x, y, z] = chunk.start.0;
    format!("{level}/{x}_{y}_{z}")
}
