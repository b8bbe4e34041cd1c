//! The chunks that were read last.

use std::collections::HashMap;
use std::sync::Arc;

use super::chunk::Chunk;

/// Most that the chunks of one generation may weigh, in bytes.
const GENERATION: usize = 16 * 1024 * 1024;

/// Two generations of chunks: what is used moves to the young one; when that is full it becomes the
/// old one, whose unused rest is forgotten. As good as "least recently used" for access that is
/// nearly in order, and without a list to maintain.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    young: HashMap<u32, Arc<Chunk>>,
    old: HashMap<u32, Arc<Chunk>>,
    weight: usize,
}

impl Cache {
    pub(crate) fn get(&mut self, number: u32) -> Option<Arc<Chunk>> {
        if let Some(chunk) = self.young.get(&number) {
            return Some(Arc::clone(chunk));
        }
        let chunk = self.old.remove(&number)?;
        self.insert(number, Arc::clone(&chunk));
        Some(chunk)
    }

    pub(crate) fn insert(&mut self, number: u32, chunk: Arc<Chunk>) {
        if self.weight + chunk.weight() > GENERATION && !self.young.is_empty() {
            self.old = std::mem::take(&mut self.young);
            self.weight = 0;
        }
        self.weight += chunk.weight();
        self.young.insert(number, chunk);
    }
}

#[cfg(test)]
mod tests {
    use protocol::{Ending, Outcome, TaskId, Value};

    use super::super::chunk::Packer;
    use super::*;

    fn chunk(bytes: usize) -> Arc<Chunk> {
        let mut packer = Packer::new(1, 0);
        let value = Value::encode(&"x".repeat(bytes)).unwrap();
        let outcome =
            Outcome { ending: Ending::Succeeded(value), ..Outcome::cancelled(TaskId::from_u128(1)) };
        packer.add(&outcome).unwrap();
        Arc::new(Chunk::parse(packer.finish()).unwrap())
    }

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut cache = Cache::default();
        cache.insert(0, chunk(10));
        for number in 1..200 {
            cache.insert(number, chunk(1_000_000));
            assert!(cache.get(0).is_some(), "used all the time");
            assert!(cache.young.len() + cache.old.len() < 40, "bounded");
        }
        assert!(cache.get(1).is_none());
        assert!(cache.get(199).is_some());
    }
}
