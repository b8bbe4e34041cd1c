//! Whether the end stays in reach: from every state that can come about, some way leads to it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use stateright::Model;

use super::protocol::Protocol;
use super::state::Snapshot;

/// How many states can come about, and the first from which the task can never end.
pub(super) struct Reach {
    pub(super) states: usize,
    pub(super) dead_end: Option<Snapshot>,
}

pub(super) fn explore(protocol: &Protocol) -> Reach {
    let mut numbers: HashMap<Snapshot, usize> = HashMap::new();
    let mut waiting: Vec<Snapshot> = protocol.init_states();
    // For each state those from which a step leads to it; and whether its own steps are known.
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); waiting.len()];
    let mut is_inner: Vec<bool> = vec![false; waiting.len()];
    let mut good: Vec<usize> = Vec::new();
    numbers.extend(waiting.iter().cloned().zip(0..));
    while let Some(state) = waiting.pop() {
        let number = numbers[&state];
        if state.durable.is_some() {
            // What follows cannot take that back.
            good.push(number);
            continue;
        }
        if !protocol.within_boundary(&state) {
            continue;
        }
        is_inner[number] = true;
        for next in protocol.next_states(&state) {
            let count = before.len();
            let to = match numbers.entry(next) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    waiting.push(new.key().clone());
                    before.push(Vec::new());
                    is_inner.push(false);
                    *new.insert(count)
                }
            };
            before[to].push(number);
        }
    }
    let mut is_good = vec![false; before.len()];
    while let Some(number) = good.pop() {
        if !std::mem::replace(&mut is_good[number], true) {
            good.extend(&before[number]);
        }
    }
    // Of a state beyond the boundary nothing is known.
    let dead_end = numbers.iter().find(|(_, number)| is_inner[**number] && !is_good[**number]);
    Reach { states: numbers.len(), dead_end: dead_end.map(|(state, _)| state.clone()) }
}
