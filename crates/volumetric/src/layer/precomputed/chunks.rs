//! The chunks of a precomputed scale that stand in files of their own: raw values, gzipped or not.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use crate::array::Shape;
use crate::geometry::{Bounds, Vec3};
use crate::layer::chunks::{Chunks, Layout};
use crate::layer::precomputed::encoding::Encoding;
use crate::layer::storage::Storage;
use crate::layer::{Error, Written};

/// The chunks of a scale.
#[derive(Debug)]
pub(super) struct Files {
    /// The scale's own place.
    pub(super) storage: Storage,
    pub(super) layout: Layout,
    pub(super) encoding: Encoding,
    pub(super) channels: usize,
    /// Bytes of one value.
    pub(super) width: usize,
    /// Whether chunks are written gzipped.
    pub(super) gzips: bool,
}

/// How many requests to a far store are made at once.
pub(super) const CONCURRENCY: usize = 16;
/// Names of chunks end with it in files, where nothing else says that they are compressed.
const GZIP: &str = ".gz";
/// Compressions that CloudVolume knows and we do not.
const UNKNOWN: [&str; 4] = [".br", ".zstd", ".xz", ".bz2"];

impl Files {
    /// `x0-x1_y0-y1_z0-z1`, with what the chunk has of the volume.
    fn name(&self, index: Vec3) -> String {
        let Bounds { start, stop } = self.layout.chunk(index);
        format!("{}-{}_{}-{}_{}-{}", start[0], stop[0], start[1], stop[1], start[2], stop[2])
    }

    fn length(&self, index: Vec3) -> usize {
        Shape::new(self.channels, self.layout.chunk(index).size()).count() * self.width
    }

    /// The bytes of a chunk as they were encoded, without what compressed them.
    fn fetch(&self, name: &str, limit: usize) -> Result<Option<Bytes>, Error> {
        if let Some(object) = self.storage.get_object(name)? {
            let says_gzip = object.encoding.as_deref() == Some("gzip");
            // Some servers undo the compression on the way and say so nevertheless, others do not say what it is.
            let may_be_gzip = object.bytes.starts_with(&[0x1f, 0x8b]);
            return match object.encoding.as_deref() {
                None | Some("gzip" | "identity" | "")
                    if may_be_gzip && (says_gzip || object.bytes.len() != limit) =>
                {
                    self.unzip(name, &object.bytes, limit).map(Some)
                }
                None | Some("gzip" | "identity" | "") => Ok(Some(object.bytes)),
                Some(other) => {
                    Err(self.broken(name, format!("it is compressed by {other}; only gzip is read")))
                }
            };
        }
        if self.storage.says_encodings() {
            return Ok(None);
        }
        let zipped = format!("{name}{GZIP}");
        if let Some(bytes) = self.storage.get(&zipped)? {
            return self.unzip(&zipped, &bytes, limit).map(Some);
        }
        if self.storage.is_local() {
            for end in UNKNOWN {
                if self.storage.size(&format!("{name}{end}"))?.is_some() {
                    let reason = format!("it is compressed ({end}); only gzip is read");
                    return Err(self.broken(&format!("{name}{end}"), reason));
                }
            }
            // A writer may have replaced the gzipped file by the other one between the two looks.
            return Ok(self.storage.get(name)?);
        }
        Ok(None)
    }

    fn unzip(&self, name: &str, bytes: &[u8], expected: usize) -> Result<Bytes, Error> {
        let mut values = Vec::with_capacity(expected + 1);
        // One byte more than there can be shows what is too long, however long it is.
        let limit = self.encoding.most_bytes(expected) as u64 + 1;
        MultiGzDecoder::new(bytes)
            .take(limit)
            .read_to_end(&mut values)
            .map_err(|error| self.broken(name, format!("it cannot be unzipped: {error}")))?;
        Ok(values.into())
    }

    fn broken(&self, name: &str, reason: String) -> Error {
        Error::Chunk { chunk: self.storage.key(name), reason }
    }
}

impl Chunks for Files {
    fn layout(&self) -> Layout {
        self.layout
    }

    fn place(&self, index: Vec3) -> String {
        self.storage.key(&self.name(index))
    }

    fn read(&self, index: Vec3, _: Bounds) -> Result<Option<Bytes>, Error> {
        let (name, length) = (self.name(index), self.length(index));
        let Some(bytes) = self.fetch(&name, length)? else { return Ok(None) };
        let size = self.layout.chunk(index).size();
        let values = self
            .encoding
            .decode(bytes, size, self.channels, self.width)
            .map_err(|reason| self.broken(&name, reason))?;
        Ok(Some(values))
    }

    fn write(&self, index: Vec3, bytes: &[u8]) -> Result<(), Error> {
        let name = self.name(index);
        if !self.gzips {
            self.storage.put(&name, bytes)?;
            if !self.storage.says_encodings() {
                self.storage.delete(&format!("{name}{GZIP}"))?;
            }
            return Ok(());
        }
        let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::default());
        let zipped = encoder
            .write_all(bytes)
            .and_then(|()| encoder.finish())
            .expect("writing to memory does not fail");
        if self.storage.says_encodings() {
            self.storage.put_encoded(&name, &zipped, Some("gzip"))?;
        } else {
            self.storage.put(&format!("{name}{GZIP}"), &zipped)?;
            // It comes first in reading, so it goes last.
            self.storage.delete(&name)?;
        }
        Ok(())
    }

    fn delete(&self, index: Vec3) -> Result<(), Error> {
        let name = self.name(index);
        if !self.storage.says_encodings() {
            // Never the older one of two may show: the one that hides the other goes last.
            self.storage.delete(&format!("{name}{GZIP}"))?;
        }
        Ok(self.storage.delete(&name)?)
    }

    fn written(&self, indices: &[Vec3]) -> Written {
        let names = indices.iter().map(|index| self.name(*index));
        let ending = if self.gzips && !self.storage.says_encodings() { GZIP } else { "" };
        Written::new(&self.storage, names.map(|name| name + ending).collect())
    }

    fn why_read_only(&self) -> Option<String> {
        self.encoding.why_not_written()
    }

    fn concurrency(&self) -> usize {
        if self.storage.is_local() { 1 } else { CONCURRENCY }
    }
}
