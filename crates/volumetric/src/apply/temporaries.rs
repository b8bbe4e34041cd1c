//! Results of chunks that wait to be put together: a file for each, written as a whole, in an encoding of its own that
//! loses nothing, whatever the layer's is. A file that is missing or damaged is an error, never zeros.

use otaman::Context;
use serde::{Deserialize, Serialize};

use crate::apply::error::Error;
use crate::apply::recipe::{Target, Temporaries};
use crate::array::{Array, DataType, Elements, Shape};
use crate::geometry::{Bounds, Vec3};
use crate::layer::storage::Storage;

/// Bytes before the values.
const HEADER: u64 = 256;

/// What a file begins with.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Header {
    format: String,
    data_type: DataType,
    channels: usize,
    bounds: Bounds,
}

const FORMAT: &str = "otaman-chunk-1";

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
        bytes.resize(usize::try_from(HEADER).expect("is small"), b' ');
        bytes.extend_from_slice(array.elements().bytes());
        Ok(self.storage.put(&name(level, chunk), &bytes)?)
    }

    /// The part of a chunk's result that is needed for a box, perhaps with more around it, and where it is.
    ///
    /// # Errors
    /// If there is no such result, or it is damaged.
    pub(crate) fn get(&self, level: usize, chunk: Bounds, wanted: &Bounds) -> Result<(Array, Bounds), Error> {
        let name = name(level, chunk);
        let path = || self.storage.key(&name);
        let read = |range: std::ops::Range<u64>| {
            self.storage.get_range(&name, range)?.ok_or_else(|| Error::Missing { path: path() })
        };
        let foreign = |problem: String| Error::Foreign { path: path(), expected: Box::new(chunk), problem };
        let expected = Header {
            format: FORMAT.into(),
            data_type: self.data_type,
            channels: self.channels,
            bounds: chunk,
        };
        let found = read(0..HEADER)?;
        match serde_json::from_slice::<Header>(&found) {
            Ok(found) if found == expected => {}
            Ok(found) => return Err(foreign(format!("it is {found:?}"))),
            Err(error) => return Err(foreign(format!("its header is damaged ({error})"))),
        }
        // Planes along z lie one after another.
        let common = chunk.intersection(wanted);
        let part = Bounds::new(
            Vec3::new(chunk.start[0], chunk.start[1], common.start[2]),
            Vec3::new(chunk.stop[0], chunk.stop[1], common.stop[2]),
        );
        let whole = Shape::new(1, chunk.size()).count() * self.data_type.size();
        let plane =
            Shape::new(1, Vec3::new(chunk.size()[0], chunk.size()[1], 1)).count() * self.data_type.size();
        let shape = Shape::new(self.channels, part.size());
        let mut elements = Elements::zeros(self.data_type, shape.count());
        let length = shape.count() / self.channels.max(1) * self.data_type.size();
        let before = usize::try_from(part.start[2] - chunk.start[2]).expect("is inside the chunk") * plane;
        for (channel, places) in elements.bytes_mut().chunks_exact_mut(length.max(1)).enumerate() {
            let start = HEADER + (channel * whole + before) as u64;
            let bytes = read(start..start + length as u64)?;
            if bytes.len() != length {
                return Err(foreign("it ends too early".into()));
            }
            places.copy_from_slice(&bytes);
        }
        Ok((Array::new(shape, elements), part))
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
