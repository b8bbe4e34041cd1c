//! Hash maps by content id. Such ids are uniform already, so hashing them again would be waste; and
//! nobody can choose them, so there is nothing to defend the table against.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A map by ids.
pub type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;
/// A set of ids.
pub type IdSet<K> = HashSet<K, BuildHasherDefault<IdHasher>>;

/// Folds a 128-bit id, or a part of one, to its hash.
#[derive(Debug, Default, Clone)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        self.0 ^= id as u64 ^ (id >> 64) as u64;
    }

    /// Half of an id.
    fn write_u64(&mut self, half: u64) {
        self.0 ^= half;
    }

    /// A part of an id. Spread over both ends, since tables take the place from the low bits and
    /// a tag from the high ones.
    fn write_u32(&mut self, part: u32) {
        self.0 ^= u64::from(part) << 32 | u64::from(part);
    }

    /// Discriminants of enums such as `NodeId`.
    fn write_isize(&mut self, discriminant: isize) {
        self.0 ^= discriminant as u64;
    }
}
