//! Our storage as the crate `zarrs` wants it, for reading parts of shards.

use std::io;

use bytes::Bytes;
use zarrs_storage::byte_range::{ByteRange, ByteRangeIterator};
use zarrs_storage::{MaybeBytes, MaybeBytesIterator, ReadableStorageTraits, StorageError, StoreKey};

use crate::layer::storage::{self, Storage};

/// Our storage as `zarrs` reads it. Writing goes past it.
#[derive(Debug)]
pub(super) struct Bridge(pub(super) Storage);

impl Bridge {
    fn range(&self, key: &StoreKey, range: ByteRange) -> Result<Option<Bytes>, StorageError> {
        let key = key.as_str();
        let bytes = match range {
            ByteRange::FromStart(0, None) => self.0.get(key),
            ByteRange::FromStart(offset, None) => self.0.get_range(key, offset..u64::MAX),
            ByteRange::FromStart(offset, Some(length)) => {
                self.0.get_range(key, offset..offset.saturating_add(length))
            }
            ByteRange::Suffix(length) => self.0.get_end(key, length),
        }
        .map_err(convert)?;
        if let (Some(bytes), ByteRange::FromStart(_, Some(length)) | ByteRange::Suffix(length)) =
            (&bytes, range)
            && bytes.len() as u64 != length
        {
            return Err(StorageError::Other(format!("{} ends too early", self.0.key(key))));
        }
        Ok(bytes)
    }
}

/// Keeps whether trying again may help.
fn convert(error: storage::Error) -> StorageError {
    match error {
        storage::Error::Failed { source, .. } => StorageError::from(io::Error::new(source.kind(), source)),
        other => StorageError::Other(other.to_string()),
    }
}

impl ReadableStorageTraits for Bridge {
    fn get(&self, key: &StoreKey) -> Result<MaybeBytes, StorageError> {
        self.0.get(key.as_str()).map_err(convert)
    }

    fn get_partial(&self, key: &StoreKey, range: ByteRange) -> Result<MaybeBytes, StorageError> {
        self.range(key, range)
    }

    fn get_partial_many<'a>(
        &'a self,
        key: &StoreKey,
        ranges: ByteRangeIterator<'a>,
    ) -> Result<MaybeBytesIterator<'a>, StorageError> {
        let mut parts = Vec::new();
        for range in ranges {
            match self.range(key, range)? {
                Some(bytes) => parts.push(Ok(bytes)),
                None => return Ok(None),
            }
        }
        Ok(Some(Box::new(parts.into_iter())))
    }

    fn size_key(&self, key: &StoreKey) -> Result<Option<u64>, StorageError> {
        self.0.size(key.as_str()).map_err(convert)
    }

    fn supports_get_partial(&self) -> bool {
        true
    }
}
