//! Which tasks are dead: those whose newest outcome is a failure.

use protocol::{IdMap, TaskId};

use crate::store::Entry;

/// Where the outcome of a dead task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeadKey {
    pub(crate) chunk: u32,
    pub(crate) position: u32,
}

impl DeadKey {
    /// As one number, in the same order.
    pub(crate) fn number(self) -> u64 {
        u64::from(self.chunk) << 32 | u64::from(self.position)
    }

    pub(crate) fn from_number(number: u64) -> Self {
        Self { chunk: (number >> 32) as u32, position: number as u32 }
    }
}

/// For each task of a batch that is dead after it, which entry is its last one.
pub(crate) fn newest_positions(entries: &[Entry]) -> IdMap<TaskId, usize> {
    let mut newest = IdMap::default();
    if entries.iter().any(|entry| entry.outcome.failure().is_some()) {
        newest.extend(entries.iter().enumerate().map(|(at, entry)| (entry.outcome.task, at)));
        newest.retain(|_, at| entries[*at].outcome.failure().is_some());
    }
    newest
}
