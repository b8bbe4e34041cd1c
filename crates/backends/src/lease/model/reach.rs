//! Whether the end stays in reach: from every state that can come about, some way leads to it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use stateright::Model;

use super::protocol::Protocol;
use super::state::Snapshot;

/// How many states can come about, and one from which the task can never end.
pub(super) struct Reach {
    pub(super) states: usize,
    pub(super) dead_end: Option<Snapshot>,
}

/// States are known by their fingerprints of 64 bits: there are many millions of them.
pub(super) fn explore(protocol: &Protocol) -> Reach {
    let mut numbers: HashMap<u64, usize> = HashMap::new();
    let mut waiting: Vec<(usize, Snapshot)> = protocol.init_states().into_iter().enumerate().collect();
    numbers.extend(waiting.iter().map(|(number, state)| (fingerprint(state), *number)));
    // For each state those from which a step leads to it; and whether its own steps are known.
    let mut before: Vec<Vec<u32>> = vec![Vec::new(); waiting.len()];
    let mut is_inner: Vec<bool> = vec![false; waiting.len()];
    let mut good: Vec<usize> = Vec::new();
    while let Some((number, state)) = waiting.pop() {
        if state.durable.is_some() {
            // What follows cannot take that back.
            good.push(number);
            continue;
        }
        if !protocol.within_boundary(&state) {
            continue;
        }
        is_inner[number] = true;
        let from = u32::try_from(number).expect("fewer states than memory has room for");
        for next in protocol.next_states(&state) {
            let count = before.len();
            let to = match numbers.entry(fingerprint(&next)) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    waiting.push((count, next));
                    before.push(Vec::new());
                    is_inner.push(false);
                    *new.insert(count)
                }
            };
            before[to].push(from);
        }
    }
    let mut is_good = vec![false; before.len()];
    while let Some(number) = good.pop() {
        if !std::mem::replace(&mut is_good[number], true) {
            good.extend(before[number].iter().map(|from| *from as usize));
        }
    }
    // Of a state beyond the boundary nothing is known.
    let dead_end = numbers.iter().find(|(_, number)| is_inner[**number] && !is_good[**number]);
    Reach { states: numbers.len(), dead_end: dead_end.and_then(|(print, _)| find(protocol, *print)) }
}

fn fingerprint(state: &Snapshot) -> u64 {
    BuildHasherDefault::<DefaultHasher>::new().hash_one(state)
}

/// The state that has a fingerprint.
fn find(protocol: &Protocol, print: u64) -> Option<Snapshot> {
    let mut known = HashSet::new();
    let mut waiting = protocol.init_states();
    while let Some(state) = waiting.pop() {
        let this = fingerprint(&state);
        if this == print {
            return Some(state);
        }
        if known.insert(this) && protocol.within_boundary(&state) {
            waiting.extend(protocol.next_states(&state));
        }
    }
    None
}
