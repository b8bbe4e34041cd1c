//! Hash maps by task id. Such ids are uniform already, so hashing them again would be waste.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use protocol::TaskId;

/// A map by task id.
pub(super) type IdMap<V> = HashMap<TaskId, V, BuildHasherDefault<IdHasher>>;
/// A set of task ids.
pub(super) type IdSet = HashSet<TaskId, BuildHasherDefault<IdHasher>>;

/// Folds an id, or a part of one, to its hash.
#[derive(Debug, Default, Clone)]
pub(super) struct IdHasher(u64);

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

    /// A part of an id. Spread over both ends, since tables take the place from the low bits and
    /// a tag from the high ones.
    fn write_u32(&mut self, part: u32) {
        self.0 ^= u64::from(part) << 32 | u64::from(part);
    }
}
