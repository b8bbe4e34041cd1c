//! A place where a layer is kept: keys and what stands under them.

use std::io::{self, Read};
use std::ops::Range;
use std::path::PathBuf;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;

use crate::layer::storage::error::{Action, Error};
use crate::layer::storage::local;
use crate::layer::storage::location::Location;
use crate::layer::storage::remote::Objects;

/// A place where a layer is kept. All calls block; what is put is there as a whole or not at all.
#[derive(Debug, Clone)]
pub struct Storage {
    shown: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Local(PathBuf),
    Remote(Objects),
}

/// What is longer when it is unzipped was made to fill our memory.
const MOST_UNZIPPED: u64 = 1 << 32;

/// Bytes, and how they say they are compressed, such as `gzip`.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) bytes: Bytes,
    pub(crate) encoding: Option<String>,
}

impl Storage {
    /// The place at a local path or a URL: `file://`, `s3://`, `gs://`, `az://`, `http://`, `https://`, and
    /// `memory://` for tests. Nothing is read or sent. Credentials come from the environment variables that each
    /// provider's own tools use; for public buckets set `AWS_SKIP_SIGNATURE`, `GOOGLE_SKIP_SIGNATURE` or
    /// `AZURE_SKIP_SIGNATURE` to `true`, for other servers that speak as S3 does `AWS_ENDPOINT`.
    ///
    /// # Errors
    /// If there can be no such place, or the environment does not say what is needed.
    pub fn open(place: &str) -> Result<Self, Error> {
        let location = Location::parse(place)?;
        let shown = location.shown();
        let kind = match location {
            Location::Local(directory) => Kind::Local(directory),
            Location::Remote { scheme, base, path } => {
                let objects = Objects::open(scheme, &base, &path).map_err(|source| Error::Failed {
                    action: Action::Connect,
                    place: shown.clone(),
                    source,
                })?;
                Kind::Remote(objects)
            }
        };
        Ok(Self { shown, kind })
    }

    /// Where it is, without credentials.
    pub fn place(&self) -> &str {
        &self.shown
    }

    /// Whether it is in files of this machine.
    pub fn is_local(&self) -> bool {
        matches!(self.kind, Kind::Local(_))
    }

    /// Whether what is put can say by itself how it is compressed. Otherwise names do.
    pub(crate) fn says_encodings(&self) -> bool {
        match &self.kind {
            Kind::Local(_) => false,
            Kind::Remote(objects) => !objects.is_web(),
        }
    }

    /// The place below it.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let kind = match &self.kind {
            Kind::Local(directory) => Kind::Local(directory.join(name)),
            Kind::Remote(objects) => Kind::Remote(objects.child(name)),
        };
        Self { shown: self.key(name), kind }
    }

    /// Where a key is, for messages.
    pub fn key(&self, key: &str) -> String {
        if key.is_empty() {
            self.shown.clone()
        } else {
            format!("{}/{key}", self.shown.trim_end_matches('/'))
        }
    }

    /// What stands under a key, if anything does; unzipped, if it says that it is zipped.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<Bytes>, Error> {
        let Some(object) = self.get_object(key)? else { return Ok(None) };
        // Some servers undo the compression and say nevertheless that there is one.
        if object.encoding.as_deref() != Some("gzip") || !object.bytes.starts_with(&[0x1f, 0x8b]) {
            return Ok(Some(object.bytes));
        }
        let mut bytes = Vec::new();
        MultiGzDecoder::new(&object.bytes[..])
            .take(MOST_UNZIPPED)
            .read_to_end(&mut bytes)
            .map_err(|source| self.failed(Action::Read, key, source))?;
        Ok(Some(bytes.into()))
    }

    pub(crate) fn get_object(&self, key: &str) -> Result<Option<Object>, Error> {
        match &self.kind {
            Kind::Local(directory) => local::get(&directory.join(key))
                .map(|bytes| bytes.map(|bytes| Object { bytes: bytes.into(), encoding: None })),
            Kind::Remote(objects) => {
                objects.get(key).map(|got| got.map(|got| Object { bytes: got.bytes, encoding: got.encoding }))
            }
        }
        .map_err(|source| self.failed(Action::Read, key, source))
    }

    /// A part of what stands under a key, cut off where that ends.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn get_range(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>, Error> {
        match &self.kind {
            Kind::Local(directory) => {
                local::get_range(&directory.join(key), range).map(|bytes| bytes.map(Bytes::from))
            }
            Kind::Remote(objects) => objects.get_range(key, range),
        }
        .map_err(|source| self.failed(Action::Read, key, source))
    }

    /// The last bytes of what stands under a key.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn get_end(&self, key: &str, length: u64) -> Result<Option<Bytes>, Error> {
        match &self.kind {
            Kind::Local(directory) => {
                local::get_end(&directory.join(key), length).map(|bytes| bytes.map(Bytes::from))
            }
            Kind::Remote(objects) => objects.get_end(key, length),
        }
        .map_err(|source| self.failed(Action::Read, key, source))
    }

    /// How many bytes stand under a key, if it exists.
    ///
    /// # Errors
    /// If that cannot be found out.
    pub fn size(&self, key: &str) -> Result<Option<u64>, Error> {
        match &self.kind {
            Kind::Local(directory) => local::size(&directory.join(key)),
            Kind::Remote(objects) => objects.size(key),
        }
        .map_err(|source| self.failed(Action::Read, key, source))
    }

    /// Puts bytes under a key; whoever reads it meanwhile gets what was there before or these.
    ///
    /// # Errors
    /// If they cannot be written; then what was there before still is.
    pub fn put(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        self.put_encoded(key, bytes, None)
    }

    /// Puts bytes that say how they are compressed, where storage can say so.
    pub(crate) fn put_encoded(
        &self,
        key: &str,
        bytes: &[u8],
        encoding: Option<&'static str>,
    ) -> Result<(), Error> {
        match &self.kind {
            Kind::Local(directory) => local::put(&directory.join(key), bytes),
            Kind::Remote(objects) => {
                self.require_writing(objects, Action::Write, key)?;
                objects.put(key, Bytes::copy_from_slice(bytes), encoding)
            }
        }
        .map_err(|source| self.failed(Action::Write, key, source))
    }

    /// Puts bytes under a key unless something stands there; says whether it did.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn put_if_absent(&self, key: &str, bytes: &[u8]) -> Result<bool, Error> {
        match &self.kind {
            Kind::Local(directory) => local::put_if_absent(&directory.join(key), bytes),
            Kind::Remote(objects) => {
                self.require_writing(objects, Action::Write, key)?;
                objects.put_if_absent(key, Bytes::copy_from_slice(bytes))
            }
        }
        .map_err(|source| self.failed(Action::Write, key, source))
    }

    /// Waits until what was put under keys, or deleted, is safe from a loss of power. Object stores answer no sooner.
    ///
    /// # Errors
    /// If that cannot be said.
    pub(crate) fn sync(&self, keys: impl IntoIterator<Item = String>) -> Result<(), Error> {
        match &self.kind {
            Kind::Local(directory) => local::sync(keys.into_iter().map(|key| directory.join(key)))
                .map_err(|source| self.failed(Action::Write, "", source)),
            Kind::Remote(_) => Ok(()),
        }
    }

    /// Deletes what stands under a key, if anything does.
    ///
    /// # Errors
    /// If it cannot be deleted.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        match &self.kind {
            Kind::Local(directory) => local::delete(&directory.join(key)),
            Kind::Remote(objects) => {
                self.require_writing(objects, Action::Delete, key)?;
                objects.delete(key)
            }
        }
        .map_err(|source| self.failed(Action::Delete, key, source))
    }

    /// Deletes what stands under a key and under all that go on with a slash after it; under all keys if it is empty.
    ///
    /// # Errors
    /// If something cannot be deleted. Part of it may be gone then.
    pub fn delete_all(&self, key: &str) -> Result<(), Error> {
        match &self.kind {
            Kind::Local(directory) => local::delete_all(&directory.join(key)),
            Kind::Remote(objects) => {
                self.require_writing(objects, Action::Delete, key)?;
                objects.delete_all(key)
            }
        }
        .map_err(|source| self.failed(Action::Delete, key, source))
    }

    /// All keys that go on with a slash after this one, without it and the slash, sorted; all keys if it is empty.
    ///
    /// # Errors
    /// If they cannot be listed, as on web servers.
    pub fn list(&self, key: &str) -> Result<Vec<String>, Error> {
        match &self.kind {
            Kind::Local(directory) => local::list(&directory.join(key)),
            Kind::Remote(objects) => {
                if objects.is_web() {
                    let reason = "web servers do not list files";
                    return Err(Error::Unsupported { action: Action::List, place: self.key(key), reason });
                }
                objects.list(key)
            }
        }
        .map_err(|source| self.failed(Action::List, key, source))
    }

    fn require_writing(&self, objects: &Objects, action: Action, key: &str) -> Result<(), Error> {
        if objects.is_web() {
            let reason =
                "http:// and https:// are only read; write to a path or an s3://, gs:// or az:// URL";
            return Err(Error::Unsupported { action, place: self.key(key), reason });
        }
        Ok(())
    }

    fn failed(&self, action: Action, key: &str, source: io::Error) -> Error {
        Error::Failed { action, place: self.key(key), source }
    }
}
