//! Whether the end stays in reach: from every state that can come about, some way leads to it.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use stateright::Model;

use super::protocol::Protocol;
use super::state::Snapshot;

/// What can come about.
pub(super) struct Reach {
    pub(super) states: usize,
    /// One from which the task can never end.
    pub(super) dead_end: Option<Snapshot>,
}

/// States are known by their fingerprints of 64 bits: there are many millions of them.
pub(super) fn explore(protocol: &Protocol) -> Reach {
    let mut numbers: HashMap<u64, u32> = HashMap::new();
    // Whether the steps of a state are known.
    let mut is_inner: Vec<bool> = Vec::new();
    let mut waiting: Vec<(u32, Snapshot)> = Vec::new();
    // Each step, by the state that it leads to and the one that it is taken in.
    let mut steps: Vec<(u32, u32)> = Vec::new();
    let mut good: Vec<u32> = Vec::new();
    let mut number_of = |state: Snapshot, is_inner: &mut Vec<bool>, waiting: &mut Vec<(u32, Snapshot)>| {
        *numbers.entry(fingerprint(&state)).or_insert_with(|| {
            let number = u32::try_from(is_inner.len()).expect("fewer states than memory has room for");
            is_inner.push(false);
            waiting.push((number, state));
            number
        })
    };
    for state in protocol.init_states() {
        number_of(state, &mut is_inner, &mut waiting);
    }
    while let Some((from, state)) = waiting.pop() {
        if state.durable.is_some() {
            // What follows cannot take that back.
            good.push(from);
            continue;
        }
        if !protocol.within_boundary(&state) {
            continue;
        }
        is_inner[from as usize] = true;
        for next in protocol.next_states(&state) {
            steps.push((number_of(next, &mut is_inner, &mut waiting), from));
        }
    }
    steps.sort_unstable();
    let leading_to = |number: u32| {
        let first = steps.partition_point(|(to, _)| *to < number);
        steps[first..].iter().take_while(move |(to, _)| *to == number).map(|(_, from)| *from)
    };
    let mut is_good = vec![false; is_inner.len()];
    while let Some(number) = good.pop() {
        if !std::mem::replace(&mut is_good[number as usize], true) {
            good.extend(leading_to(number).filter(|from| !is_good[*from as usize]));
        }
    }
    // Of a state beyond the boundary nothing is known.
    let is_dead_end = |number: u32| is_inner[number as usize] && !is_good[number as usize];
    let dead_end = numbers.iter().find(|(_, number)| is_dead_end(**number)).map(|(print, _)| *print);
    Reach { states: is_inner.len(), dead_end: dead_end.and_then(|print| find(protocol, print)) }
}

/// All states that can come about, each as `image` shows it, by fingerprint.
#[expect(clippy::print_stdout, reason = "the number of states tells what was looked through")]
pub(super) fn all(protocol: &Protocol, image: fn(Snapshot) -> Snapshot) -> HashSet<u64> {
    let (mut known, mut images) = (HashSet::new(), HashSet::new());
    let mut waiting = protocol.init_states();
    while let Some(state) = waiting.pop() {
        if known.insert(fingerprint(&state)) {
            if protocol.within_boundary(&state) {
                waiting.extend(protocol.next_states(&state));
            }
            images.insert(fingerprint(&image(state)));
        }
    }
    println!("{} states, {} representatives", known.len(), images.len());
    images
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
