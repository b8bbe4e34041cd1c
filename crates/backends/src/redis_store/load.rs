//! Reading which outcomes there are, when an execution is taken up again.

use std::collections::HashSet;

use protocol::{IdMap, MAX_REFERENCED_BYTES, TaskId};

use super::inner::Inner;
use super::keys::Keys;
use super::place::medium;
use crate::chunks::chunk;
use crate::chunks::dead::DeadKey;
use crate::chunks::index::Index;
use crate::redis::cmd;
use crate::store::Error;

/// Bytes that one answer should have, roughly.
const ANSWER_BYTES: usize = 1_000_000;
/// Most chunks in one answer.
const MOST_CHUNKS: usize = 1_000;

/// What there is.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) index: Index,
    pub(super) dead: IdMap<TaskId, DeadKey>,
    /// The number of the next chunk.
    pub(super) next_chunk: u32,
    /// Chunks of batches that were never completely written.
    pub(super) incomplete: Vec<u32>,
}

/// A chunk as it is kept: a batch of outcomes may have several, and counts once its last one is
/// there.
pub(super) struct Stored {
    pub(super) bytes: Vec<u8>,
    /// The number of the batch's last chunk.
    pub(super) last: u32,
}

/// Makes the bytes to keep of a chunk.
pub(super) fn join(mut chunk: Vec<u8>, last: u32) -> Vec<u8> {
    chunk.extend_from_slice(&last.to_be_bytes());
    chunk
}

/// Takes kept bytes apart.
pub(super) fn split(mut bytes: Vec<u8>) -> Result<Stored, &'static str> {
    let (_, last) = bytes.split_last_chunk::<4>().ok_or("a chunk of outcomes is too short")?;
    let last = u32::from_be_bytes(*last);
    bytes.truncate(bytes.len() - 4);
    Ok(Stored { bytes, last })
}

/// How many chunks to ask for, so that answers are neither tiny nor huge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portion(usize);

impl Portion {
    pub(super) fn new() -> Self {
        Self(1)
    }

    pub(super) fn count(self) -> usize {
        self.0
    }

    /// As the last answer was: its chunks and their bytes.
    pub(super) fn adapt(&mut self, chunks: usize, bytes: usize) {
        let fitting = ANSWER_BYTES * chunks.max(1) / bytes.max(1);
        self.0 = fitting.clamp(1, (self.0 * 2).min(MOST_CHUNKS));
    }
}

impl Inner {
    /// Chunks as they are kept, in the order asked; `None` for those that are missing.
    pub(super) async fn chunks(&self, keys: &Keys, numbers: &[u32]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let mut command = cmd("HMGET");
        command.arg(&keys.chunks).arg(numbers);
        // A chunk is as large as the values in it.
        let answer = self.redis.run_large(&command, MAX_REFERENCED_BYTES).await;
        answer.map_err(medium("read", &self.redis, &keys.id))
    }

    /// Reads all chunks, oldest first, some in memory at a time.
    pub(super) async fn load(&self, keys: &Keys) -> Result<Loaded, Error> {
        let numbers = self.redis.run::<Vec<u32>>(cmd("HKEYS").arg(&keys.chunks)).await;
        let mut numbers = numbers.map_err(medium("read", &self.redis, &keys.id))?;
        numbers.sort_unstable();
        let present: HashSet<u32> = numbers.iter().copied().collect();
        let next_chunk = numbers.last().map_or(0, |last| last + 1);
        let mut loaded = Loaded { next_chunk, ..Loaded::default() };
        let (mut portion, mut rest) = (Portion::new(), &numbers[..]);
        while !rest.is_empty() {
            let (asked, later) = rest.split_at(portion.count().min(rest.len()));
            let chunks = self.chunks(keys, asked).await?;
            portion.adapt(chunks.len(), chunks.iter().flatten().map(Vec::len).sum());
            for (number, bytes) in asked.iter().zip(chunks) {
                let Some(bytes) = bytes else { continue };
                let stored = split(bytes).map_err(medium("read", &self.redis, &keys.id))?;
                if present.contains(&stored.last) {
                    loaded.add(*number, &stored.bytes).map_err(medium("read", &self.redis, &keys.id))?;
                } else {
                    loaded.incomplete.push(*number);
                }
            }
            rest = later;
        }
        Ok(loaded)
    }
}

impl Loaded {
    fn add(&mut self, number: u32, bytes: &[u8]) -> Result<(), chunk::Error> {
        let mut position = 0;
        chunk::walk(bytes, |_, task, is_dead| {
            self.index.insert(task, number);
            if is_dead {
                self.dead.insert(task, DeadKey { chunk: number, position });
            } else {
                self.dead.remove(&task);
            }
            position += 1;
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_bytes_are_taken_apart_again() {
        let Stored { bytes, last } = split(join(vec![1, 2], 7)).unwrap();
        assert_eq!((bytes, last), (vec![1, 2], 7));
        assert!(split(vec![0, 0, 1]).is_err());
    }

    #[test]
    fn portions_follow_the_size_of_chunks() {
        let mut portion = Portion::new();
        (0..20).for_each(|_| portion.adapt(portion.count(), portion.count() * 100));
        assert_eq!(portion.count(), MOST_CHUNKS);
        portion.adapt(1_000, 900_000_000);
        assert_eq!(portion.count(), 1);
        portion.adapt(1, 0);
        assert_eq!(portion.count(), 2);
    }
}
