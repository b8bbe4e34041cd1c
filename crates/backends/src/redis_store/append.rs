//! How a batch of entries becomes calls to Redis.

use std::borrow::Cow;

use protocol::{IdMap, TaskId};

use super::load::join;
use crate::chunks::chunk::Packer;
use crate::chunks::dead::{DeadKey, newest_positions};
use crate::store::Entry;

/// Bytes after which a call is full.
const CALL_BYTES: usize = 1_000_000;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What a batch changes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Which chunk each entry went to, in their order.
    pub(super) places: Vec<u32>,
    /// Tasks that are dead now.
    pub(super) dead: Vec<(TaskId, DeadKey)>,
    /// Tasks of the batch that were dead before, and where that was noted.
    pub(super) no_longer_dead: Vec<(TaskId, DeadKey)>,
    chunks: Vec<(u32, Vec<u8>)>,
    notes: Vec<(DeadKey, Vec<u8>)>,
}

/// What writes that failed may have left behind; removed with the next one.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    pub(super) chunks: Vec<u32>,
    pub(super) notes: Vec<DeadKey>,
}

/// The arguments of one call, after the fence.
pub(super) type Arguments<'a> = Vec<Cow<'a, [u8]>>;

impl Batch {
    /// Packs entries into chunks numbered from `first`.
    pub(super) fn pack(
        entries: &[Entry],
        first: u32,
        incarnation: u32,
        dead: &IdMap<TaskId, DeadKey>,
    ) -> Result<Self, Source> {
        let mut batch = Self { places: Vec::with_capacity(entries.len()), ..Self::default() };
        let newest = newest_positions(entries);
        let mut rest = entries.iter().enumerate().peekable();
        while let Some((_, entry)) = rest.peek() {
            let number = first.checked_add(batch.chunks.len() as u32).ok_or("it has too many chunks")?;
            let mut packer = Packer::new(incarnation, entry.outcome.started_at_us);
            while let Some((at, entry)) = rest.next_if(|_| !packer.is_full()) {
                let task = entry.outcome.task;
                let position = packer.add(&entry.outcome)?;
                batch.places.push(number);
                if newest.get(&task) == Some(&at) {
                    let key = DeadKey { chunk: number, position };
                    batch.notes.push((key, rmp_serde::to_vec_named(&*entry.task)?));
                    batch.dead.push((task, key));
                }
                if let Some(key) = dead.get(&task) {
                    batch.no_longer_dead.push((task, *key));
                }
            }
            batch.chunks.push((number, packer.finish()));
        }
        let last = first + batch.chunks.len() as u32 - 1;
        for (_, chunk) in &mut batch.chunks {
            *chunk = join(std::mem::take(chunk), last);
        }
        Ok(batch)
    }

    /// The numbers of its chunks.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.chunks.iter().map(|(number, _)| *number)
    }

    /// What to remove if it is not known whether it was written.
    pub(super) fn leave(&self, leftovers: &mut Leftovers) {
        leftovers.chunks.extend(self.numbers());
        leftovers.notes.extend(self.dead.iter().map(|(_, key)| *key));
    }

    /// The calls to make, in this order. The batch counts once the last one is done: it holds the
    /// last chunk, and removes what no longer holds.
    pub(super) fn calls(&self, leftovers: &Leftovers) -> Vec<Arguments<'_>> {
        let mut calls = Vec::new();
        let mut call = Call::default();
        for (key, task) in &self.notes {
            call.notes.push((key.number(), task));
            calls.extend(call.take_if_full());
        }
        for (at, (number, chunk)) in self.chunks.iter().enumerate() {
            call.chunks.push((*number, chunk));
            if at + 1 < self.chunks.len() {
                calls.extend(call.take_if_full());
            }
        }
        let gone = self.no_longer_dead.iter().map(|(_, key)| key).chain(&leftovers.notes);
        call.gone_notes = gone.map(|key| key.number()).collect();
        call.gone_chunks.clone_from(&leftovers.chunks);
        calls.push(call.arguments());
        calls
    }
}

#[derive(Default)]
struct Call<'a> {
    chunks: Vec<(u32, &'a [u8])>,
    notes: Vec<(u64, &'a [u8])>,
    gone_notes: Vec<u64>,
    gone_chunks: Vec<u32>,
}

impl<'a> Call<'a> {
    fn take_if_full(&mut self) -> Option<Arguments<'a>> {
        let chunks = self.chunks.iter().map(|(_, bytes)| bytes.len());
        let bytes: usize = chunks.chain(self.notes.iter().map(|(_, bytes)| bytes.len())).sum();
        (bytes >= CALL_BYTES).then(|| std::mem::take(self).arguments())
    }

    fn arguments(self) -> Arguments<'a> {
        let number = |number: u64| Cow::Owned(number.to_string().into_bytes());
        let counts = [self.chunks.len(), self.notes.len(), self.gone_notes.len()];
        let mut arguments: Arguments<'a> = counts.map(|count| number(count as u64)).into();
        for (name, bytes) in &self.chunks {
            arguments.extend([number((*name).into()), Cow::Borrowed(*bytes)]);
        }
        for (name, bytes) in &self.notes {
            arguments.extend([number(*name), Cow::Borrowed(*bytes)]);
        }
        arguments.extend(self.gone_notes.into_iter().map(number));
        arguments.extend(self.gone_chunks.into_iter().map(|name| number(name.into())));
        arguments
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use protocol::{Cause, Ending, Failure, OperationName, Outcome, Task, Value};

    use super::*;

    fn entry(number: u32, ending: Ending) -> Entry {
        let arguments = Value::encode(&number).unwrap();
        let task = Task::new(OperationName::new("make").unwrap(), "1.0.0".parse().unwrap(), arguments);
        let outcome = Outcome { ending, ..Outcome::cancelled(task.id) };
        Entry { task: Arc::new(task), outcome: Arc::new(outcome) }
    }

    fn large(number: u32) -> Entry {
        entry(number, Ending::Succeeded(Value::encode(&"x".repeat(600_000)).unwrap()))
    }

    fn dead(number: u32) -> Entry {
        entry(number, Ending::Failed(Failure::new(Cause::Permanent, "no")))
    }

    /// The counts at the beginning of each call.
    fn counts(calls: &[Arguments<'_>]) -> Vec<[String; 3]> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        calls.iter().map(|call| [0, 1, 2].map(|at| text(&call[at]))).collect()
    }

    #[test]
    fn the_last_call_has_the_last_chunk_and_all_removals() {
        let before = DeadKey { chunk: 1, position: 2 };
        let was_dead = IdMap::from_iter([(large(4).task.id, before)]);
        let entries = [large(1), large(2), dead(3), large(4), large(5)];
        let batch = Batch::pack(&entries, 7, 1, &was_dead).unwrap();
        assert_eq!(batch.places, [7, 7, 8, 8, 8]);
        assert_eq!(batch.numbers().collect::<Vec<_>>(), [7, 8]);
        assert_eq!(batch.no_longer_dead, [(large(4).task.id, before)]);
        assert_eq!(batch.dead, [(dead(3).task.id, DeadKey { chunk: 8, position: 0 })]);
        let leftovers = Leftovers { chunks: vec![3], notes: vec![DeadKey { chunk: 3, position: 0 }] };
        let calls = batch.calls(&leftovers);
        assert_eq!(counts(&calls), [["1", "1", "0"], ["1", "0", "2"]]);
        let last = calls.last().unwrap();
        assert_eq!((&*last[3], last.last().map(AsRef::as_ref)), (&b"8"[..], Some(&b"3"[..])));
        assert!(calls.iter().all(|call| call.iter().map(|arg| arg.len()).sum::<usize>() < 2 * CALL_BYTES));
    }

    #[test]
    fn what_may_have_been_written_is_left_to_be_removed() {
        let batch = Batch::pack(&[dead(1), dead(2), dead(1)], 5, 1, &IdMap::default()).unwrap();
        let mut leftovers = Leftovers::default();
        batch.leave(&mut leftovers);
        assert_eq!(leftovers.chunks, [5]);
        assert_eq!(leftovers.notes.iter().map(|key| key.position).collect::<Vec<_>>(), [1, 2]);
    }
}
