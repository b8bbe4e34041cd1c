//! Which operations depend on which: cycles, and an order in which nothing comes before what it
//! depends on.

use std::collections::BTreeSet;

use crate::entry::Info;

/// The operations' dependencies; operations go by their index.
pub(crate) struct Dependencies {
    of: Vec<Vec<usize>>,
}

impl Dependencies {
    /// The dependencies of these operations, which are sorted by name and version. Of several
    /// versions that meet a requirement the newest is the one depended on.
    pub(crate) fn new(operations: &[&Info]) -> Self {
        let newest = |requirement: &crate::entry::Requirement| {
            operations.iter().rposition(|other| {
                other.name == requirement.name && requirement.versions.matches(&other.version)
            })
        };
        let of = operations.iter().map(|operation| operation.requires.iter().filter_map(newest).collect());
        Self { of: of.collect() }
    }

    /// Cycles, each once, starting with its first operation; without any one of them the rest
    /// would still be there.
    pub(crate) fn cycles(&self) -> Vec<Vec<usize>> {
        let mut search = Search {
            of: &self.of,
            left: vec![false; self.of.len()],
            path: Vec::new(),
            found: BTreeSet::new(),
        };
        for start in 0..self.of.len() {
            search.visit(start);
        }
        search.found.into_iter().collect()
    }

    /// All operations, dependencies first, otherwise in the order of their indices. Those in and
    /// behind cycles are left out.
    pub(crate) fn order(&self) -> Vec<usize> {
        let mut dependents = vec![Vec::new(); self.of.len()];
        let mut missing: Vec<usize> = self.of.iter().map(Vec::len).collect();
        for (dependent, dependencies) in self.of.iter().enumerate() {
            for &dependency in dependencies {
                dependents[dependency].push(dependent);
            }
        }
        let mut ready: BTreeSet<usize> = (0..self.of.len()).filter(|&index| missing[index] == 0).collect();
        let mut order = Vec::with_capacity(self.of.len());
        while let Some(next) = ready.pop_first() {
            order.push(next);
            for &dependent in &dependents[next] {
                missing[dependent] -= 1;
                if missing[dependent] == 0 {
                    ready.insert(dependent);
                }
            }
        }
        order
    }
}

/// A depth-first search, which meets each cycle at the edge that closes it.
struct Search<'a> {
    of: &'a [Vec<usize>],
    left: Vec<bool>,
    path: Vec<usize>,
    found: BTreeSet<Vec<usize>>,
}

impl Search<'_> {
    fn visit(&mut self, index: usize) {
        if let Some(start) = self.path.iter().position(|&earlier| earlier == index) {
            let mut cycle = self.path[start..].to_vec();
            let first = (0..cycle.len()).min_by_key(|&at| cycle[at]).unwrap_or(0);
            cycle.rotate_left(first);
            self.found.insert(cycle);
        } else if !self.left[index] {
            self.path.push(index);
            for &dependency in &self.of[index] {
                self.visit(dependency);
            }
            self.path.pop();
            self.left[index] = true;
        }
    }
}
