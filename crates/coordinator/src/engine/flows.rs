//! The flows that are not settled yet: whom to ask next, and who waits for what.

use std::collections::BTreeSet;

use otaman::driver::{NodeId, OnFailure};
use protocol::{Failure, FlowId, IdMap, IdSet, OperationName, Value};
use smallvec::SmallVec;

/// The flows that yielded a child, and what its failure means to each.
pub(super) type Parents = SmallVec<[Parent; 1]>;

/// A flow that yielded a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parent {
    pub(super) flow: FlowId,
    pub(super) on_failure: OnFailure,
}

/// Adds a parent unless it is one; says whether it was added.
pub(super) fn adopt(parents: &mut Parents, parent: Parent) -> bool {
    if let Some(known) = parents.iter_mut().find(|known| known.flow == parent.flow) {
        // Yielded twice by one flow: the stricter meaning holds.
        if parent.on_failure == OnFailure::Propagate {
            known.on_failure = OnFailure::Propagate;
        }
        return false;
    }
    parents.push(parent);
    true
}

/// Unsettled flows.
#[derive(Debug, Default)]
pub(super) struct Flows {
    table: IdMap<FlowId, LiveFlow>,
    next_sequence: u64,
    /// Flows that may be asked, oldest first.
    ready: BTreeSet<(u64, FlowId)>,
}

#[derive(Debug)]
pub(super) struct LiveFlow {
    pub(super) name: OperationName,
    pub(super) parents: Parents,
    /// Children that are not settled.
    pub(super) unsettled: usize,
    /// Children whose failure is this flow's.
    pub(super) failed: IdSet<NodeId>,
    pub(super) phase: Phase,
    /// Something it waited for failed: the rest is only counted, not run.
    pub(super) is_skipping: bool,
    sequence: u64,
}

/// Where a flow is between two steps.
#[derive(Debug)]
pub(super) enum Phase {
    /// It may be asked.
    Ready,
    /// It was asked and has not answered.
    Asked,
    /// It awaits something of its own.
    Stalled,
    /// It waits for children.
    Waiting(Wait),
    /// Its generator has ended; it is done when its children are.
    Ended(Result<Value, Failure>),
}

/// What a flow waits for.
#[derive(Debug)]
pub(super) enum Wait {
    /// All children so far.
    All,
    /// These children.
    For {
        /// Those not settled yet.
        left: IdSet<NodeId>,
        /// Whether one of them failed.
        has_failed: bool,
    },
}

impl Flows {
    pub(super) fn get(&self, id: FlowId) -> Option<&LiveFlow> {
        self.table.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: FlowId) -> Option<&mut LiveFlow> {
        self.table.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: FlowId) -> Option<LiveFlow> {
        self.table.remove(&id)
    }

    /// Adds a flow that may be asked.
    pub(super) fn insert(&mut self, id: FlowId, name: OperationName, parents: Parents) {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let phase = Phase::Ready;
        let failed = IdSet::default();
        self.table.insert(
            id,
            LiveFlow { name, parents, unsettled: 0, failed, phase, is_skipping: false, sequence },
        );
        self.ready.insert((sequence, id));
    }

    /// Lets a flow be asked again.
    pub(super) fn make_ready(&mut self, id: FlowId) {
        if let Some(flow) = self.table.get_mut(&id) {
            flow.phase = Phase::Ready;
            self.ready.insert((flow.sequence, id));
        }
    }

    /// Takes the flow to ask next: the oldest, so that tasks come in the same order in every run. When
    /// more than `most_live` flows are not settled it is the youngest, so that those are brought to
    /// their ends before older ones yield more of them.
    pub(super) fn ask_next(&mut self, most_live: usize) -> Option<FlowId> {
        let is_crowded = self.table.len() > most_live;
        let (_, id) = if is_crowded { self.ready.pop_last() } else { self.ready.pop_first() }?;
        self.table.get_mut(&id)?.phase = Phase::Asked;
        Some(id)
    }

    /// Whether a failure of something with these parents is looked at by some flow on every way up
    /// to the root.
    pub(super) fn is_caught(&self, parents: &Parents) -> bool {
        let mut seen = IdSet::default();
        let mut open: Vec<FlowId> = Vec::new();
        let climb = |parents: &Parents, open: &mut Vec<FlowId>| {
            let passing = parents.iter().filter(|parent| parent.on_failure == OnFailure::Propagate);
            open.extend(passing.map(|parent| parent.flow));
            // The root has no parents: what reaches it is caught by nobody.
            !parents.is_empty()
        };
        if !climb(parents, &mut open) {
            return false;
        }
        while let Some(id) = open.pop() {
            if seen.insert(id)
                && let Some(flow) = self.table.get(&id)
                && !climb(&flow.parents, &mut open)
            {
                return false;
            }
        }
        true
    }

    /// Whether `ancestor` is `flow` or stands above it.
    pub(super) fn is_ancestor(&self, ancestor: FlowId, flow: FlowId) -> bool {
        let mut seen = IdSet::default();
        let mut open = vec![flow];
        while let Some(id) = open.pop() {
            if id == ancestor {
                return true;
            }
            if seen.insert(id)
                && let Some(flow) = self.table.get(&id)
            {
                open.extend(flow.parents.iter().map(|parent| parent.flow));
            }
        }
        false
    }
}
