//! Decoded parts of chunks that were read lately, up to a number of bytes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use crate::geometry::Vec3;

/// Which scale, and where the part begins.
pub(super) type Key = (usize, Vec3);

/// Decoded parts, those used last staying longest. A part that was never written is known as such.
#[derive(Debug)]
pub(super) struct Cache {
    limit: u64,
    // Held for a look-up; parts are shared, not copied.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    parts: HashMap<Key, (u64, Option<Bytes>)>,
    /// By when they were used last.
    order: BTreeMap<u64, Key>,
    clock: u64,
    bytes: u64,
}

/// What an entry costs beside its bytes.
const ENTRY: u64 = 256;

impl Cache {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, state: Mutex::default() }
    }

    pub(super) fn get(&self, key: Key) -> Option<Option<Bytes>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { parts, order, clock, .. } = &mut *state;
        let (used, part) = parts.get_mut(&key)?;
        order.remove(used);
        *clock += 1;
        *used = *clock;
        order.insert(*clock, key);
        Some(part.clone())
    }

    pub(super) fn put(&self, key: Key, part: Option<Bytes>) {
        let cost = cost(part.as_ref());
        if cost > self.limit {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.remove(key);
        while state.bytes + cost > self.limit {
            let Some((_, &oldest)) = state.order.first_key_value() else { break };
            state.remove(oldest);
        }
        state.clock += 1;
        let clock = state.clock;
        state.bytes += cost;
        state.order.insert(clock, key);
        state.parts.insert(key, (clock, part));
    }

    /// Forgets all parts of a scale that begin in a box.
    pub(super) fn forget(&self, scale: usize, mut begins_in: impl FnMut(Vec3) -> bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let keys: Vec<Key> =
            state.parts.keys().filter(|(of, start)| *of == scale && begins_in(*start)).copied().collect();
        for key in keys {
            state.remove(key);
        }
    }
}

impl State {
    fn remove(&mut self, key: Key) {
        if let Some((used, part)) = self.parts.remove(&key) {
            self.order.remove(&used);
            self.bytes -= cost(part.as_ref());
        }
    }
}

fn cost(part: Option<&Bytes>) -> u64 {
    ENTRY + part.map_or(0, |bytes| bytes.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(x: i64) -> Key {
        (0, Vec3::new(x, 0, 0))
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let part = || Some(Bytes::from(vec![1; 1000]));
        let cache = Cache::new(3 * (1000 + ENTRY));
        for x in 0..3 {
            cache.put(key(x), part());
        }
        assert_eq!(cache.get(key(0)), Some(part()));
        cache.put(key(3), part());
        assert_eq!(cache.get(key(1)), None);
        assert!([0, 2, 3].iter().all(|&x| cache.get(key(x)) == Some(part())));
        assert_eq!(cache.state.lock().unwrap().bytes, cache.limit);
    }

    #[test]
    fn what_is_larger_than_all_is_not_kept_and_the_same_is_kept_once() {
        let cache = Cache::new(1000);
        cache.put(key(0), Some(Bytes::from(vec![1; 1000])));
        assert_eq!(cache.get(key(0)), None);
        for _ in 0..10 {
            cache.put(key(1), None);
        }
        assert_eq!(cache.get(key(1)), Some(None));
        cache.forget(0, |start| start == key(1).1);
        assert_eq!((cache.get(key(1)), cache.state.lock().unwrap().bytes), (None, 0));
    }
}
