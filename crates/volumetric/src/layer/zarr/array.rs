//! An array of a Zarr hierarchy: its metadata as far as they matter here, and its chunks.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value as Json};
use zarrs::array::{
    Array, ArrayBytes, ArrayError, ArrayMetadata, ArrayMetadataV2, ArrayMetadataV3, ArrayShardedExt,
    ArraySubset, ArrayToBytesCodecTraits, ChunkShape, CodecError, CodecOptions,
};
use zarrs_storage::StorageError;

use crate::array::DataType;
use crate::geometry::{Bounds, Vec3};
use crate::layer::chunks::{Chunks, Fill, Layout};
use crate::layer::storage::{self, Storage};
use crate::layer::zarr::axes::{Axes, Axis, copy, own_steps, steps_of};
use crate::layer::zarr::bridge::Bridge;
use crate::layer::{Error, Written};

/// The most values that a chunk may have; beyond it, sizes could not be computed.
const MOST: u64 = 1 << 40;

/// An array, opened.
#[derive(Debug)]
pub(super) struct ZarrArray {
    array: Array<Bridge>,
    storage: Storage,
    pub(super) axes: Axes,
    pub(super) data_type: DataType,
    chunk_shape: Vec<u64>,
    part_shape: Vec<u64>,
}

impl ZarrArray {
    /// The array with these metadata at a place. `place` is where the metadata are.
    pub(super) fn open(
        storage: &Storage,
        place: &str,
        metadata: &Map<String, Json>,
        axes: Option<&Axes>,
    ) -> Result<Self, Error> {
        let refuse = |reason: String| Error::Metadata { place: place.to_owned(), reason };
        let data_type = data_type(metadata).map_err(refuse)?;
        let chunk_shape = chunk_shape(metadata).map_err(refuse)?;
        let json = Json::Object(metadata.clone());
        let understood = if metadata.get("zarr_format").and_then(Json::as_u64) == Some(2) {
            serde_json::from_value::<ArrayMetadataV2>(json).map(ArrayMetadata::V2)
        } else {
            serde_json::from_value::<ArrayMetadataV3>(json).map(ArrayMetadata::V3)
        }
        .map_err(|error| refuse(error.to_string()))?;
        let array = Array::new_with_metadata(Arc::new(Bridge(storage.clone())), "/", understood)
            .map_err(|error| refuse(error.to_string()))?;
        let rank = array.shape().len();
        let axes = match axes.cloned().or_else(|| named_axes(metadata)) {
            Some(axes) => axes,
            None => Axes::usual(rank)
                .ok_or_else(|| refuse(format!("it has {rank} axes; say which by \"axes\"")))?,
        };
        if axes.0.len() != rank || chunk_shape.len() != rank {
            return Err(refuse(format!("it has {rank} axes, which cannot be {axes}")));
        }
        let part_shape = if array.is_sharded() {
            match array.effective_subchunk_shape() {
                Some(shape) => shape.iter().map(|length| length.get()).collect(),
                None => chunk_shape.clone(),
            }
        } else {
            chunk_shape.clone()
        };
        if array.shape().iter().any(|length| *length > 1 << 60) {
            return Err(refuse("it is longer than 2^60 voxels".into()));
        }
        let count = chunk_shape.iter().try_fold(1_u64, |count, length| count.checked_mul(*length));
        if count.is_none_or(|count| count > MOST) {
            return Err(refuse(format!("a chunk of {chunk_shape:?} is too large")));
        }
        Ok(Self { array, storage: storage.clone(), axes, data_type, chunk_shape, part_shape })
    }

    /// How long it is along each axis.
    pub(super) fn shape(&self) -> &[u64] {
        self.array.shape()
    }

    /// How many values a voxel has.
    pub(super) fn channels(&self) -> usize {
        usize::try_from(self.axes.pick(self.shape(), Axis::C, 1)).unwrap_or(usize::MAX)
    }

    /// How many voxels it has along x, y and z.
    pub(super) fn size(&self) -> Vec3 {
        Vec3(self.axes.pick_space(self.shape(), 1).map(|length| i64::try_from(length).unwrap_or(i64::MAX)))
    }

    pub(super) fn fill(&self) -> Fill {
        Fill::of_bytes(self.array.fill_value().as_ne_bytes())
    }
}

/// What its values are.
fn data_type(metadata: &Map<String, Json>) -> Result<DataType, String> {
    let (name, is_v2) = match (metadata.get("data_type"), metadata.get("dtype")) {
        (Some(name), _) => (name, false),
        (None, Some(name)) => (name, true),
        (None, None) => return Err("it says no data type".into()),
    };
    let text = name.as_str().unwrap_or_default();
    let code = if is_v2 { text.trim_start_matches(['<', '>', '|', '=']) } else { text };
    let found = match code {
        "uint8" | "u1" => DataType::Uint8,
        "uint16" | "u2" => DataType::Uint16,
        "uint32" | "u4" => DataType::Uint32,
        "uint64" | "u8" => DataType::Uint64,
        "int8" | "i1" => DataType::Int8,
        "int16" | "i2" => DataType::Int16,
        "int32" | "i4" => DataType::Int32,
        "int64" | "i8" => DataType::Int64,
        "float32" | "f4" => DataType::Float32,
        "float64" | "f8" => DataType::Float64,
        _ => {
            return Err(format!(
                "its data type is {name}; there are integers of 8 to 64 bits, float32 and float64"
            ));
        }
    };
    Ok(found)
}

fn chunk_shape(metadata: &Map<String, Json>) -> Result<Vec<u64>, String> {
    let shape = match metadata.get("chunks") {
        Some(shape) => Some(shape),
        None => match metadata.get("chunk_grid") {
            Some(grid) if grid.get("name").and_then(Json::as_str) == Some("regular") => {
                grid.get("configuration").and_then(|configuration| configuration.get("chunk_shape"))
            }
            Some(grid) => return Err(format!("its chunks lie in another grid than a regular one: {grid}")),
            None => None,
        },
    };
    let lengths = shape.and_then(Json::as_array).into_iter().flatten().map(Json::as_u64);
    let lengths: Option<Vec<u64>> = lengths.map(|length| length.filter(|length| *length > 0)).collect();
    lengths.filter(|lengths| !lengths.is_empty()).ok_or_else(|| "it says no chunk shape".to_owned())
}

/// The axes by the names that an array of format 3 may give them.
fn named_axes(metadata: &Map<String, Json>) -> Option<Axes> {
    let names = metadata.get("dimension_names")?.as_array()?;
    let names: Option<Vec<&str>> =
        names.iter().map(|name| name.as_str().filter(|name| name.len() == 1)).collect();
    names?.concat().parse().ok()
}

/// Values in C order, and how many there are along each axis.
type Block = (Cow<'static, [u8]>, Vec<u64>);

/// One point of time of an array, as chunks of a volume.
#[derive(Debug)]
pub(super) struct ZarrChunks {
    pub(super) array: ZarrArray,
    /// Where the first voxel is.
    pub(super) offset: Vec3,
    pub(super) time: u64,
    /// Whether it matters that a chunk was never written.
    pub(super) tells_missing: bool,
}

impl ZarrChunks {
    fn width(&self) -> usize {
        self.array.data_type.size()
    }

    fn options() -> CodecOptions {
        // As many tasks run at once as there are cores; each keeps to one.
        CodecOptions::default().with_concurrent_target(1).with_store_empty_chunks(true)
    }

    /// The chunks of the array that make up one of the volume: one for each row of channels.
    fn of_array(&self, index: Vec3) -> impl Iterator<Item = (Vec<u64>, u64)> + '_ {
        let axes = &self.array.axes;
        let along = |axis, otherwise| axes.pick(&self.array.chunk_shape, axis, otherwise);
        let (channels, times) = (along(Axis::C, 1), along(Axis::T, 1));
        let count = axes.pick(self.array.shape(), Axis::C, 1).div_ceil(channels);
        (0..count).map(move |row| {
            let indices = axes.spread(|axis| match axis {
                Axis::T => self.time / times,
                Axis::C => row,
                Axis::Space(axis) => u64::try_from(index[axis]).unwrap_or_default(),
            });
            (indices, row * channels)
        })
    }

    fn key(&self, indices: &[u64]) -> String {
        self.array.array.chunk_key(indices).as_str().to_owned()
    }

    fn shape(&self) -> ChunkShape {
        let nonzero = |length: &u64| std::num::NonZeroU64::new(*length).expect("checked when it was opened");
        self.array.chunk_shape.iter().map(nonzero).collect()
    }

    /// How many values a box has along x, y, z and of this row of channels.
    fn counts(&self, bounds: Bounds, first_channel: u64) -> [usize; 4] {
        let row = self.array.axes.pick(&self.array.chunk_shape, Axis::C, 1);
        let channels = (self.array.channels() as u64 - first_channel).min(row);
        let [x, y, z] = bounds.size().0.map(|length| usize::try_from(length).unwrap_or_default());
        [x, y, z, usize::try_from(channels).unwrap_or_default()]
    }

    /// The values of one chunk of the array, whole or the part that covers a box, and their shape.
    fn fetch(&self, indices: &[u64], within: Bounds, is_whole: bool) -> Result<Option<Block>, Error> {
        let (key, array) = (self.key(indices), &self.array.array);
        if is_whole {
            let Some(encoded) = self.array.storage.get(&key)? else { return Ok(None) };
            let (shape, options) = (self.shape(), Self::options());
            let decoded = array
                .codecs()
                .decode(Cow::Owned(encoded.into()), &shape, array.data_type(), array.fill_value(), &options)
                .map_err(|error| self.broken(&key, &error))?;
            let values = decoded.into_owned().into_fixed().map_err(|error| self.broken(&key, &error))?;
            return Ok(Some((values, self.array.chunk_shape.clone())));
        }
        if self.tells_missing && self.array.storage.size(&key)?.is_none() {
            return Ok(None);
        }
        let range = self.array.axes.spread(|axis| match axis {
            Axis::T => {
                let times = self.array.axes.pick(&self.array.chunk_shape, Axis::T, 1);
                self.time % times..self.time % times + 1
            }
            Axis::C => 0..self.array.axes.pick(&self.array.chunk_shape, Axis::C, 1),
            Axis::Space(axis) => {
                let place = |place: i64| u64::try_from(place).unwrap_or_default();
                place(within.start[axis])..place(within.stop[axis])
            }
        });
        let shape = range.iter().map(|range| range.end - range.start).collect();
        let subset = ArraySubset::new_with_ranges(&range);
        let values: ArrayBytes<'static> = array
            .retrieve_chunk_subset_opt(indices, &subset, &Self::options())
            .map_err(|error| self.failed(&key, &error))?;
        let values = values.into_fixed().map_err(|error| self.broken(&key, &error))?;
        Ok(Some((values, shape)))
    }

    fn broken(&self, key: &str, error: &dyn std::error::Error) -> Error {
        Error::Chunk { chunk: self.array.storage.key(key), reason: error.to_string() }
    }

    /// Tells what storage did not give from what it gave and is broken.
    fn failed(&self, key: &str, error: &ArrayError) -> Error {
        match error {
            ArrayError::StorageError(StorageError::IOError(source))
            | ArrayError::CodecError(CodecError::StorageError(StorageError::IOError(source))) => {
                let source = io::Error::new(source.kind(), source.to_string());
                storage::Error::reading(self.array.storage.key(key), source).into()
            }
            other => self.broken(key, other),
        }
    }
}

impl Chunks for ZarrChunks {
    fn layout(&self) -> Layout {
        let size = self.array.axes.pick_space(&self.array.chunk_shape, 1);
        Layout {
            bounds: Bounds::at(self.offset, self.array.size()),
            offset: self.offset,
            size: Vec3(size.map(|length| i64::try_from(length).unwrap_or(i64::MAX))),
        }
    }

    fn part(&self) -> Vec3 {
        let size = self.array.axes.pick_space(&self.array.part_shape, 1);
        Vec3(size.map(|length| i64::try_from(length).unwrap_or(i64::MAX)))
    }

    fn place(&self, index: Vec3) -> String {
        let (indices, _) = self.of_array(index).next().expect("there is a row of channels");
        self.array.storage.key(&self.key(&indices))
    }

    fn read(&self, index: Vec3, bounds: Bounds) -> Result<Option<Bytes>, Error> {
        let layout = self.layout();
        let within = bounds.translated(-layout.whole_chunk(index).start);
        let is_whole = self.array.part_shape == self.array.chunk_shape || bounds == layout.chunk(index);
        let width = self.width();
        let own = own_steps(bounds.size(), width);
        let mut all = Vec::new();
        let mut is_missing = true;
        for (indices, channel) in self.of_array(index) {
            let fetched = self.fetch(&indices, within, is_whole)?;
            let counts = self.counts(bounds, channel);
            let length = own[3] * self.array.channels();
            let Some((values, shape)) = fetched else { continue };
            is_missing = false;
            let theirs = steps_of(&self.array.axes, &shape, width);
            if theirs == own && values.len() == length {
                return Ok(Some(values.into_owned().into()));
            }
            if all.is_empty() {
                all = self.array.fill().repeated(length);
            }
            // A whole chunk holds every point of time that it has; a part only the one that was asked for.
            let times = self.array.axes.pick(&shape, Axis::T, 1);
            let time = usize::try_from(self.time % times).unwrap_or_default();
            let time_step = time_step(&self.array.axes, &shape, width);
            let first = if is_whole { time * time_step } else { 0 };
            let at = own[3] * usize::try_from(channel).unwrap_or_default();
            copy((&values[first..], theirs), (&mut all[at..], own), counts, width);
        }
        Ok((!is_missing).then(|| all.into()))
    }

    fn write(&self, index: Vec3, bytes: &[u8]) -> Result<(), Error> {
        let chunk = self.layout().chunk(index);
        let (width, shape) = (self.width(), self.shape());
        let own = own_steps(chunk.size(), width);
        let theirs = steps_of(&self.array.axes, &self.array.chunk_shape, width);
        let whole =
            self.array.chunk_shape.iter().map(|length| usize::try_from(*length).unwrap_or(usize::MAX));
        let whole = whole.product::<usize>() * width;
        let array = &self.array.array;
        for (indices, channel) in self.of_array(index) {
            let (key, counts) = (self.key(&indices), self.counts(chunk, channel));
            let from = &bytes[own[3] * usize::try_from(channel).unwrap_or_default()..][..own[3] * counts[3]];
            let values = if theirs == own && from.len() == whole {
                Cow::Borrowed(from)
            } else {
                // What a chunk has beyond the array has the fill value.
                let mut values = self.array.fill().repeated(whole);
                copy((from, own), (&mut values, theirs), counts, width);
                Cow::Owned(values)
            };
            let encoded = array
                .codecs()
                .encode(
                    ArrayBytes::new_flen(values),
                    &shape,
                    array.data_type(),
                    array.fill_value(),
                    &Self::options(),
                )
                .map_err(|error| self.broken(&key, &error))?;
            self.array.storage.put(&key, &encoded)?;
        }
        Ok(())
    }

    fn delete(&self, index: Vec3) -> Result<(), Error> {
        for (indices, _) in self.of_array(index) {
            self.array.storage.delete(&self.key(&indices))?;
        }
        Ok(())
    }

    fn written(&self, indices: &[Vec3]) -> Written {
        let chunks = indices.iter().flat_map(|index| self.of_array(*index));
        Written::new(&self.array.storage, chunks.map(|(indices, _)| self.key(&indices)).collect())
    }

    fn why_read_only(&self) -> Option<String> {
        let times = self.array.axes.pick(&self.array.chunk_shape, Axis::T, 1);
        (times > 1).then(|| {
            format!("its chunks hold {times} points of time each; have it in chunks of one to write to it")
        })
    }

    fn concurrency(&self) -> usize {
        if self.array.storage.is_local() { 1 } else { super::CONCURRENCY }
    }
}

/// How many bytes lie between points of time.
fn time_step(axes: &Axes, shape: &[u64], width: usize) -> usize {
    let Some(index) = axes.0.iter().position(|axis| *axis == Axis::T) else { return 0 };
    shape[index + 1..].iter().map(|length| usize::try_from(*length).unwrap_or(usize::MAX)).product::<usize>()
        * width
}
