//! A set of task ids at about fifteen bytes each.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use protocol::{IdHasher, TaskId};

/// Shards keep the doubling of a full table small beside the whole.
const SHARDS: usize = 1 << 12;

/// A set of task ids that keeps 76 bits of each. Two ids that agree in those would be taken for one,
/// which at a billion ids happens once in a hundred thousand sets; even so it decides only how a
/// task is counted, never whether it runs.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    shards: Vec<HashSet<u64, BuildHasherDefault<IdHasher>>>,
}

impl Seen {
    /// Adds an id; says whether it is new.
    pub(crate) fn insert(&mut self, id: TaskId) -> bool {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, HashSet::default);
        }
        let bits = id.to_u128();
        self.shards[bits as usize % SHARDS].insert((bits >> 64) as u64)
    }
}
