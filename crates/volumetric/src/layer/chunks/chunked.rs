//! A volume made of chunks: what is read, changed and written of which.

use std::sync::Arc;

use bytes::Bytes;

use crate::array::{Array, DataType, Placed, Shape, copy_box};
use crate::geometry::{Bounds, Resolution, Vec3};
use crate::layer::chunks::cache::Cache;
use crate::layer::chunks::many::for_each;
use crate::layer::chunks::{Chunks, Fill, Layout};
use crate::layer::{Error, Scale, Unusable, Volume, Written, absent};

/// A volume made of chunks.
#[derive(Debug, Clone)]
pub(crate) struct Chunked {
    pub(crate) path: String,
    pub(crate) data_type: DataType,
    pub(crate) channels: usize,
    /// The value of what was never written.
    pub(crate) fill: Fill,
    /// Whether chunks that were never written have the fill value; otherwise reading them is an error.
    pub(crate) fills_missing: bool,
    /// Whether chunks of nothing but the fill value are deleted rather than written.
    pub(crate) deletes_filled: bool,
    pub(crate) levels: Vec<Level>,
    /// Scales that there are and that cannot be used.
    pub(crate) unusable: Vec<Unusable>,
    cache: Option<Arc<Cache>>,
}

/// A scale.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    pub(crate) resolution: Resolution,
    pub(crate) chunks: Arc<dyn Chunks>,
}

/// 64 GiB: chunks of more bytes are not read or written.
const MOST_BYTES: u128 = 1 << 36;

impl Chunked {
    /// Of its scales, in any order. What was never written is 0, and chunks of nothing else are written.
    pub(crate) fn new(path: String, data_type: DataType, channels: usize, mut levels: Vec<Level>) -> Self {
        let voxel = channels as u128 * data_type.size() as u128;
        let mut unusable = Vec::new();
        levels.retain(|level| match level.too_large(voxel) {
            Some(reason) => {
                unusable.push(Unusable { resolution: level.resolution, reason });
                false
            }
            None => true,
        });
        levels
            .sort_by(|one, other| one.resolution.voxel_volume().total_cmp(&other.resolution.voxel_volume()));
        Self {
            path,
            data_type,
            channels,
            fill: Fill::nearest(data_type, 0.0),
            fills_missing: true,
            deletes_filled: false,
            levels,
            unusable,
            cache: None,
        }
    }

    fn level(&self, resolution: Resolution) -> Result<(usize, &Level), Error> {
        let mut levels = self.levels.iter().enumerate();
        if let Some(found) = levels.find(|(_, level)| level.resolution == resolution) {
            return Ok(found);
        }
        Err(absent(&self.path, resolution, self.levels.iter().map(|level| level.resolution), &self.unusable))
    }

    fn require_inside(&self, resolution: Resolution, bounds: Bounds, available: Bounds) -> Result<(), Error> {
        if available.contains(&bounds) || bounds.is_empty() {
            return Ok(());
        }
        Err(Error::Outside {
            layer: self.path.clone(),
            bounds: Box::new(bounds),
            resolution,
            available: Box::new(available),
        })
    }

    /// What a chunk has of a box, as bytes of a larger box that they are said to be of.
    fn read_chunk(
        &self,
        scale: usize,
        chunks: &dyn Chunks,
        index: Vec3,
        part: Bounds,
    ) -> Result<Vec<(Bounds, Option<Bytes>)>, Error> {
        let layout = chunks.layout();
        let chunk = layout.chunk(index);
        let parts = Layout { bounds: chunk, offset: layout.whole_chunk(index).start, size: chunks.part() };
        let whole = |wanted: &mut dyn Iterator<Item = Bounds>| {
            wanted.reduce(|all, part| Bounds::new(all.start.min(part.start), all.stop.max(part.stop)))
        };
        let each = || parts.indices(part).map(|index| parts.chunk(index));
        let Some(cache) = &self.cache else {
            let Some(bounds) = whole(&mut each()) else { return Ok(Vec::new()) };
            return Ok(vec![(bounds, self.fetch(chunks, index, bounds)?)]);
        };
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for bounds in each() {
            match cache.get((scale, bounds.start)) {
                Some(bytes) => found.push((bounds, bytes)),
                None => missing.push(bounds),
            }
        }
        if let Some(bounds) = whole(&mut missing.iter().copied()) {
            let bytes = self.fetch(chunks, index, bounds)?;
            for part in missing {
                let bytes = match &bytes {
                    Some(bytes) if part == bounds => Some(bytes.clone()),
                    // Copied, or the part would keep all the others in memory.
                    Some(bytes) => Some(self.cut(bytes, bounds, part)),
                    None => None,
                };
                cache.put((scale, part.start), bytes.clone());
                found.push((part, bytes));
            }
        }
        Ok(found)
    }

    fn fetch(&self, chunks: &dyn Chunks, index: Vec3, bounds: Bounds) -> Result<Option<Bytes>, Error> {
        let bytes = chunks.read(index, bounds)?;
        if bytes.is_none() && !self.fills_missing {
            return Err(Error::MissingChunk { chunk: chunks.place(index) });
        }
        Ok(bytes)
    }

    fn cut(&self, bytes: &[u8], from: Bounds, part: Bounds) -> Bytes {
        let mut cut = vec![0; self.length(part)];
        let (from, to) = (Placed { bytes, bounds: from }, Placed { bytes: &mut *cut, bounds: part });
        copy_box(from, to, part, self.channels, self.fill.width());
        cut.into()
    }

    fn length(&self, bounds: Bounds) -> usize {
        Shape::new(self.channels, bounds.size()).count() * self.fill.width()
    }

    /// The values that a chunk shall have of which an array covers a part, if they are not the array's own.
    fn merge(&self, chunks: &dyn Chunks, index: Vec3, array: Placed<&[u8]>) -> Result<Vec<u8>, Error> {
        let chunk = chunks.layout().chunk(index);
        let part = chunk.intersection(&array.bounds);
        let mut bytes = if part == chunk {
            vec![0; self.length(chunk)]
        } else {
            match chunks.read(index, chunk)? {
                Some(bytes) => bytes.into(),
                None => self.fill.repeated(self.length(chunk)),
            }
        };
        let to = Placed { bytes: &mut *bytes, bounds: chunk };
        copy_box(array, to, part, self.channels, self.fill.width());
        Ok(bytes)
    }

    fn write_chunk(&self, chunks: &dyn Chunks, index: Vec3, array: Placed<&[u8]>) -> Result<(), Error> {
        let merged;
        let bytes = if chunks.layout().chunk(index) == array.bounds {
            array.bytes
        } else {
            merged = self.merge(chunks, index, array)?;
            &merged
        };
        if self.deletes_filled && self.fill.is_all_of(bytes) {
            chunks.delete(index)
        } else {
            chunks.write(index, bytes)
        }
    }
}

impl Volume for Chunked {
    fn path(&self) -> &str {
        &self.path
    }

    fn data_type(&self) -> DataType {
        self.data_type
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn scales(&self) -> Vec<Scale> {
        self.levels.iter().map(Level::scale).collect()
    }

    fn unusable(&self) -> Vec<Unusable> {
        self.unusable.clone()
    }

    fn scale(&self, resolution: Resolution) -> Result<Scale, Error> {
        self.level(resolution).map(|(_, level)| level.scale())
    }

    fn fill_value(&self) -> f64 {
        self.fill.to_f64(self.data_type)
    }

    fn cached(&self, bytes: u64) -> Option<Arc<dyn Volume>> {
        Some(Arc::new(Self { cache: Some(Arc::new(Cache::new(bytes))), ..self.clone() }))
    }

    fn read(&self, resolution: Resolution, bounds: Bounds) -> Result<Array, Error> {
        let (scale, level) = self.level(resolution)?;
        let (chunks, layout) = (&*level.chunks, level.chunks.layout());
        self.require_inside(resolution, bounds, layout.bounds)?;
        let mut array = Array::zeros(self.data_type, Shape::new(self.channels, bounds.size()));
        let indices: Vec<Vec3> = layout.indices(bounds).collect();
        let target = array.elements_mut().bytes_mut();
        let is_filled = self.fill.is_zero();
        let read =
            |index: &Vec3| self.read_chunk(scale, chunks, *index, bounds.intersection(&layout.chunk(*index)));
        let paste = |_: &Vec3, parts: Vec<(Bounds, Option<Bytes>)>| {
            for (from, bytes) in parts {
                let part = from.intersection(&bounds);
                let filled;
                let bytes = match &bytes {
                    Some(bytes) => bytes,
                    None if is_filled => continue,
                    None => {
                        filled = Bytes::from(self.fill.repeated(self.length(from)));
                        &filled
                    }
                };
                let to = Placed { bytes: &mut *target, bounds };
                copy_box(Placed { bytes, bounds: from }, to, part, self.channels, self.fill.width());
            }
            Ok(())
        };
        for_each(&indices, chunks.concurrency(), read, paste)?;
        Ok(array)
    }

    fn write(&self, resolution: Resolution, start: Vec3, array: &Array) -> Result<Written, Error> {
        let (scale, level) = self.level(resolution)?;
        let (chunks, layout) = (&*level.chunks, level.chunks.layout());
        if let Some(reason) = chunks.why_read_only() {
            return Err(Error::ReadOnly { layer: self.path.clone(), reason });
        }
        if (array.data_type(), array.shape().channels) != (self.data_type, self.channels) {
            return Err(Error::Mismatch {
                layer: self.path.clone(),
                data_type: self.data_type,
                channels: self.channels,
                found: array.data_type(),
                found_channels: array.shape().channels,
            });
        }
        let bounds = Bounds::at(start, array.shape().size);
        self.require_inside(resolution, bounds, layout.bounds)?;
        let placed = Placed { bytes: array.elements().bytes(), bounds };
        let indices: Vec<Vec3> = layout.indices(bounds).collect();
        let write = |index: &Vec3| self.write_chunk(chunks, *index, placed);
        let result = for_each(&indices, chunks.concurrency(), write, |_, ()| Ok(()));
        if let Some(cache) = &self.cache {
            cache.forget(scale, |start| {
                indices.iter().any(|index| layout.chunk(*index).contains(&Bounds::at(start, Vec3::ONE)))
            });
        }
        result.map(|()| chunks.written(&indices))
    }
}

impl Level {
    /// Why no machine could hold what is read as a whole, if so.
    fn too_large(&self, voxel: u128) -> Option<String> {
        let part = self.chunks.part();
        let bytes = part
            .0
            .iter()
            .try_fold(voxel, |all, length| all.checked_mul(u128::try_from(*length).unwrap_or(0)));
        (bytes.is_none_or(|bytes| bytes > MOST_BYTES))
            .then(|| format!("its chunks of {part} with {voxel} bytes a voxel are larger than 64 GiB"))
    }

    fn scale(&self) -> Scale {
        let layout = self.chunks.layout();
        Scale {
            resolution: self.resolution,
            bounds: layout.bounds,
            chunk: layout.size,
            offset: layout.offset,
        }
    }
}
