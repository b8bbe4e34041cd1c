//! Which chunk holds a task's newest outcome, at about fifteen bytes per task.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use protocol::{IdHasher, IdMap, TaskId};

/// Bits of a fingerprint that choose a shard. Shards keep the doubling of a full table small beside
/// the whole.
const SHARD_BITS: u32 = 12;
/// Bits of a fingerprint that are kept in the shard.
const KEY_BITS: u32 = 32;

/// A map from tasks to chunk numbers that keeps only a fingerprint of each id.
///
/// The first task with a fingerprint gets its place for ever; every other task with that
/// fingerprint, and every further outcome of the same task, goes to an exact map. So what is found
/// in the exact map is right, and what is found by fingerprint is right if the task was recorded at
/// all, which a look into the chunk tells. Of ten million tasks about three share a fingerprint;
/// tasks that are recorded again are those that failed before.
#[derive(Debug)]
pub(crate) struct Index {
    /// Fewer than above only in tests.
    shard_bits: u32,
    key_bits: u32,
    shards: Vec<HashMap<u32, u32, BuildHasherDefault<IdHasher>>>,
    exact: IdMap<TaskId, u32>,
}

impl Default for Index {
    fn default() -> Self {
        Self::with_bits(SHARD_BITS, KEY_BITS)
    }
}

impl Index {
    fn with_bits(shard_bits: u32, key_bits: u32) -> Self {
        Self { shard_bits, key_bits, shards: Vec::new(), exact: IdMap::default() }
    }

    /// The chunk that holds the task's newest outcome, if the task was recorded; if it was not,
    /// possibly some chunk.
    pub(crate) fn find(&self, task: TaskId) -> Option<u32> {
        if !self.exact.is_empty()
            && let Some(chunk) = self.exact.get(&task)
        {
            return Some(*chunk);
        }
        let (shard, key) = self.place(task);
        self.shards.get(shard)?.get(&key).copied()
    }

    /// Notes that a task was recorded in a chunk, the newest so far.
    pub(crate) fn insert(&mut self, task: TaskId, chunk: u32) {
        let (shard, key) = self.place(task);
        if self.shards.is_empty() {
            self.shards.resize_with(1 << self.shard_bits, HashMap::default);
        }
        match self.shards[shard].entry(key) {
            std::collections::hash_map::Entry::Vacant(place) => drop(place.insert(chunk)),
            std::collections::hash_map::Entry::Occupied(_) => drop(self.exact.insert(task, chunk)),
        }
    }

    /// Shard and key. Ids are uniform unless they were made up; the product spreads those too.
    fn place(&self, task: TaskId) -> (usize, u32) {
        let id = task.to_u128();
        let mixed = (id as u64 ^ ((id >> 64) as u64).rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let key = mixed >> (64 - self.shard_bits - self.key_bits) & (u64::MAX >> (64 - self.key_bits));
        ((mixed >> (64 - self.shard_bits)) as usize, key as u32)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Exact in the same way as a user of the index: a chunk that lacks the task means a miss.
    fn look_up(index: &Index, chunks: &[Vec<TaskId>], task: TaskId) -> Option<u32> {
        index.find(task).filter(|chunk| chunks[*chunk as usize].contains(&task))
    }

    proptest! {
        #[test]
        fn colliding_fingerprints_never_mix_up_tasks(
            key_bits in 1u32..4,
            chunks in prop::collection::vec(prop::collection::vec(0..40u128, 0..12), 0..12),
        ) {
            let task = |number: u128| TaskId::of_key(&number.to_string());
            let chunks: Vec<Vec<TaskId>> =
                chunks.iter().map(|tasks| tasks.iter().copied().map(task).collect()).collect();
            let mut index = Index::with_bits(1, key_bits);
            for (number, tasks) in chunks.iter().enumerate() {
                tasks.iter().for_each(|task| index.insert(*task, number as u32));
            }
            for number in 0..60 {
                let newest = chunks.iter().rposition(|tasks| tasks.contains(&task(number)));
                prop_assert_eq!(look_up(&index, &chunks, task(number)), newest.map(|chunk| chunk as u32));
            }
        }
    }

    #[test]
    fn distinct_tasks_hardly_ever_need_the_exact_map() {
        let mut index = Index::default();
        for number in 0..200_000u32 {
            index.insert(TaskId::of_key(&number.to_string()), number);
        }
        assert!(index.exact.len() < 5, "{} of 200,000", index.exact.len());
        assert_eq!(index.find(TaskId::of_key("77")), Some(77));
    }
}
