//! The chunks of a precomputed scale that stand in Neuroglancer's shards: only read.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::array::Shape;
use crate::geometry::{Bounds, Vec3};
use crate::layer::chunks::{Chunks, Layout};
use crate::layer::precomputed::chunks::CONCURRENCY;
use crate::layer::precomputed::encoding::Encoding;
use crate::layer::storage::Storage;
use crate::layer::{Error, Written};

/// The chunks of a scale.
#[derive(Debug)]
pub(super) struct Shards {
    pub(super) storage: Storage,
    pub(super) layout: Layout,
    pub(super) encoding: Encoding,
    pub(super) channels: usize,
    pub(super) width: usize,
    pub(super) sharding: Sharding,
    pub(super) indices: Indices,
}

/// How chunks are spread over shards and their parts.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Sharding {
    #[serde(rename = "@type")]
    kind: String,
    preshift_bits: u32,
    hash: Hash,
    minishard_bits: u32,
    shard_bits: u32,
    #[serde(default)]
    minishard_index_encoding: Compression,
    #[serde(default)]
    data_encoding: Compression,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum Hash {
    #[serde(rename = "identity")]
    Identity,
    #[serde(rename = "murmurhash3_x86_128")]
    Murmur,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Compression {
    #[default]
    Raw,
    Gzip,
}

/// Indices of parts of shards that were read lately: which chunk is where.
#[derive(Debug, Default)]
pub(super) struct Indices(Mutex<HashMap<(u64, u64), Arc<Index>>>);

/// Where and how long each chunk is, from the end of the shard's own index.
type Index = HashMap<u64, (u64, u64)>;

/// How many indices are kept.
const KEPT: usize = 1024;
/// An index that is larger is no index.
const MOST_INDEX: u64 = 1 << 30;

impl Sharding {
    /// What an `info` says, or why it cannot be used.
    pub(super) fn of(json: &Json) -> Result<Self, String> {
        let sharding: Self = serde_json::from_value(json.clone())
            .map_err(|error| format!("its \"sharding\" cannot be used: {error}"))?;
        if sharding.kind != "neuroglancer_uint64_sharded_v1" {
            return Err(format!("its \"sharding\" is {:?}, which is not known", sharding.kind));
        }
        if sharding.preshift_bits > 63
            || sharding.minishard_bits + sharding.shard_bits > 64
            || sharding.minishard_bits > 32
        {
            return Err("its \"sharding\" has more bits than there can be".into());
        }
        Ok(sharding)
    }

    /// The shard of a chunk, and the part of it.
    fn place(&self, chunk: u64) -> (u64, u64) {
        let shifted = chunk >> self.preshift_bits;
        let hashed = match self.hash {
            Hash::Identity => shifted,
            Hash::Murmur => murmur(shifted),
        };
        let low = |number: u64, bits: u32| if bits >= 64 { number } else { number & ((1 << bits) - 1) };
        let minishard = low(hashed, self.minishard_bits);
        let shard = low(hashed.checked_shr(self.minishard_bits).unwrap_or(0), self.shard_bits);
        (shard, minishard)
    }

    fn name(&self, shard: u64) -> String {
        let digits = self.shard_bits.div_ceil(4) as usize;
        format!("{shard:0digits$x}.shard")
    }

    /// Bytes of the index at the beginning of a shard.
    fn index_length(&self) -> u64 {
        16 << self.minishard_bits
    }
}

impl Shards {
    /// The number of a chunk: bits of its indices in turn, as far as the volume needs them.
    fn chunk(&self, index: Vec3) -> u64 {
        let chunks = self.layout.bounds.size().zip(self.layout.size, |size, chunk| {
            u64::try_from(size).unwrap_or_default().div_ceil(u64::try_from(chunk).unwrap_or(1)).cast_signed()
        });
        let (mut number, mut at) = (0_u64, 0);
        for bit in 0..63 {
            for axis in 0..3 {
                if 1_i64 << bit < chunks[axis] && at < 64 {
                    number |= (u64::try_from(index[axis]).unwrap_or_default() >> bit & 1) << at;
                    at += 1;
                }
            }
        }
        number
    }

    fn broken(&self, shard: u64, reason: &str) -> Error {
        Error::Chunk { chunk: self.storage.key(&self.sharding.name(shard)), reason: reason.to_owned() }
    }

    fn unzip(&self, shard: u64, bytes: Bytes, compression: Compression, limit: u64) -> Result<Bytes, Error> {
        match compression {
            Compression::Raw => Ok(bytes),
            Compression::Gzip => {
                let mut values = Vec::new();
                MultiGzDecoder::new(&bytes[..])
                    .take(limit)
                    .read_to_end(&mut values)
                    .map_err(|error| self.broken(shard, &format!("it cannot be unzipped: {error}")))?;
                Ok(values.into())
            }
        }
    }

    /// What of a shard lies from `start` to `stop` after its index.
    fn range(&self, shard: u64, start: u64, stop: u64) -> Result<Option<Bytes>, Error> {
        let first = self.sharding.index_length();
        let (Some(start), Some(stop)) = (first.checked_add(start), first.checked_add(stop)) else {
            return Err(self.broken(shard, "its index names places that cannot be"));
        };
        let bytes = self.storage.get_range(&self.sharding.name(shard), start..stop)?;
        if bytes.as_ref().is_some_and(|bytes| bytes.len() as u64 != stop - start) {
            return Err(self.broken(shard, "it ends before what its index names"));
        }
        Ok(bytes)
    }

    /// The index of a part of a shard, if the shard exists.
    fn index(&self, shard: u64, minishard: u64) -> Result<Option<Arc<Index>>, Error> {
        let kept = || self.indices.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = kept().get(&(shard, minishard)) {
            return Ok(Some(index.clone()));
        }
        let name = self.sharding.name(shard);
        let Some(entry) = self.storage.get_range(&name, minishard * 16..minishard * 16 + 16)? else {
            return Ok(None);
        };
        let number = |bytes: &[u8], place: usize| {
            let bytes = bytes.get(place * 8..place * 8 + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        let (Some(start), Some(stop)) = (number(&entry, 0), number(&entry, 1)) else {
            return Err(self.broken(shard, "it ends before its index does"));
        };
        let mut index = Index::new();
        if start != stop {
            if stop < start || stop - start > MOST_INDEX {
                return Err(self.broken(shard, "its index names places that cannot be"));
            }
            let Some(bytes) = self.range(shard, start, stop)? else { return Ok(None) };
            let bytes = self.unzip(shard, bytes, self.sharding.minishard_index_encoding, MOST_INDEX)?;
            if !bytes.len().is_multiple_of(24) {
                return Err(self.broken(shard, "the index of a part is no list of chunks"));
            }
            // Three rows: chunks' numbers, gaps before them, lengths; numbers as differences.
            let count = bytes.len() / 24;
            let (mut chunk, mut place) = (0_u64, 0_u64);
            for at in 0..count {
                let get = |row: usize| number(&bytes, row * count + at).unwrap_or_default();
                chunk = chunk.wrapping_add(get(0));
                place = place.wrapping_add(get(1));
                index.insert(chunk, (place, get(2)));
                place = place.wrapping_add(get(2));
            }
        }
        let index = Arc::new(index);
        let mut kept = kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert((shard, minishard), index.clone());
        Ok(Some(index))
    }
}

impl Chunks for Shards {
    fn layout(&self) -> Layout {
        self.layout
    }

    fn place(&self, index: Vec3) -> String {
        let chunk = self.chunk(index);
        let (shard, _) = self.sharding.place(chunk);
        format!("chunk {chunk} of {}", self.storage.key(&self.sharding.name(shard)))
    }

    fn read(&self, index: Vec3, _: Bounds) -> Result<Option<Bytes>, Error> {
        let chunk = self.chunk(index);
        let (shard, minishard) = self.sharding.place(chunk);
        let Some(places) = self.index(shard, minishard)? else { return Ok(None) };
        let Some(&(start, length)) = places.get(&chunk) else { return Ok(None) };
        let Some(stop) = start.checked_add(length) else {
            return Err(self.broken(shard, "its index names places that cannot be"));
        };
        let Some(bytes) = self.range(shard, start, stop)? else { return Ok(None) };
        let size = self.layout.chunk(index).size();
        let expected = Shape::new(self.channels, size).count() * self.width;
        let limit = self.encoding.most_bytes(expected) as u64 + 1;
        let bytes = self.unzip(shard, bytes, self.sharding.data_encoding, limit)?;
        let values = self.encoding.decode(bytes, size, self.channels, self.width);
        values.map(Some).map_err(|reason| self.broken(shard, &format!("chunk {chunk}: {reason}")))
    }

    fn write(&self, _: Vec3, _: &[u8]) -> Result<(), Error> {
        Err(Error::ReadOnly { layer: self.storage.place().to_owned(), reason: READ_ONLY.into() })
    }

    fn delete(&self, _: Vec3) -> Result<(), Error> {
        Err(Error::ReadOnly { layer: self.storage.place().to_owned(), reason: READ_ONLY.into() })
    }

    fn written(&self, _: &[Vec3]) -> Written {
        Written::default()
    }

    fn why_read_only(&self) -> Option<String> {
        Some(READ_ONLY.into())
    }

    fn concurrency(&self) -> usize {
        if self.storage.is_local() { 1 } else { CONCURRENCY }
    }
}

const READ_ONLY: &str = "Neuroglancer's shards are only read; make a layer without \"sharding\" (info_scales with info_inherit_all_params)";

/// The lower half of `MurmurHash3_x86_128` of a number's eight bytes, with seed 0.
fn murmur(number: u64) -> u64 {
    const C1: u32 = 0x239b_961b;
    const C2: u32 = 0xab0e_9789;
    const C3: u32 = 0x38b3_4ae5;
    let (low, high) = ((number & 0xffff_ffff) as u32, (number >> 32) as u32);
    let mut h2 = high.wrapping_mul(C2).rotate_left(16).wrapping_mul(C3);
    let mut h1 = low.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    let (mut h3, mut h4) = (0_u32, 0_u32);
    for half in [&mut h1, &mut h2, &mut h3, &mut h4] {
        *half ^= 8;
    }
    let mut mix = |finish: bool| {
        if finish {
            for half in [&mut h1, &mut h2, &mut h3, &mut h4] {
                *half ^= *half >> 16;
                *half = half.wrapping_mul(0x85eb_ca6b);
                *half ^= *half >> 13;
                *half = half.wrapping_mul(0xc2b2_ae35);
                *half ^= *half >> 16;
            }
        }
        h1 = h1.wrapping_add(h2).wrapping_add(h3).wrapping_add(h4);
        h2 = h2.wrapping_add(h1);
        h3 = h3.wrapping_add(h1);
        h4 = h4.wrapping_add(h1);
    };
    mix(false);
    mix(true);
    u64::from(h1) | u64::from(h2) << 32
}
