//! Counting: each task in exactly one place at every instant.

use protocol::{Counts, OperationName, Outcome, TaskState};

/// How many tasks are in which state. Conservation: `expanded` is the sum of all states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    expanded: u64,
    states: [u64; TaskState::ALL.len()],
    pub(super) skipped: u64,
    pub(super) retried: u64,
    pub(super) reused: u64,
    /// Outcomes that did not count: told twice, late, or of no task of ours.
    pub(super) ignored: u64,
    operations: Vec<OperationTally>,
}

/// The tasks of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationTally {
    /// The operation.
    pub name: OperationName,
    /// Tasks yielded.
    pub expanded: u64,
    /// Tasks that ended well.
    pub succeeded: u64,
    /// Tasks that are dead.
    pub failed: u64,
    /// Tasks running, as far as told.
    pub leased: u64,
    /// Tasks never submitted for a failed dependency.
    pub skipped: u64,
}

/// Which operation a task is counted under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OperationIndex(u32);

impl Tally {
    /// Tasks in this state.
    pub fn count(&self, state: TaskState) -> u64 {
        self.states[state as usize]
    }

    /// Outcomes that did not count: told twice, late, or of no task of ours.
    pub fn ignored(&self) -> u64 {
        self.ignored
    }

    /// Per operation, in the order of their first task.
    pub fn operations(&self) -> &[OperationTally] {
        &self.operations
    }

    /// The counts that are kept and shown.
    pub fn counts(&self) -> Counts {
        Counts {
            expanded: self.expanded,
            succeeded: self.count(TaskState::Succeeded),
            failed: self.count(TaskState::Failed),
            cancelled: self.count(TaskState::Cancelled),
            skipped: self.skipped,
            retried: self.retried,
            reused: self.reused,
        }
    }

    /// Whether every expanded task is in exactly one state.
    pub fn is_conserved(&self) -> bool {
        self.expanded == self.states.iter().sum::<u64>()
    }

    pub(super) fn operation(&mut self, name: &OperationName) -> OperationIndex {
        // Executions have a handful of operations, and most tasks are of the latest ones.
        if let Some(index) = self.operations.iter().rposition(|known| known.name == *name) {
            return OperationIndex(index as u32);
        }
        let name = name.clone();
        self.operations.push(OperationTally {
            name,
            expanded: 0,
            succeeded: 0,
            failed: 0,
            leased: 0,
            skipped: 0,
        });
        OperationIndex(self.operations.len() as u32 - 1)
    }

    pub(super) fn expand(&mut self, operation: OperationIndex, into: TaskState) {
        self.expanded += 1;
        self.states[into as usize] += 1;
        self.of(operation).expanded += 1;
        self.enter(operation, into);
    }

    /// Counts a task that ended in an earlier run.
    pub(super) fn reuse(&mut self, operation: OperationIndex, outcome: &Outcome) {
        let has_succeeded = outcome.value().is_some();
        self.expand(operation, if has_succeeded { TaskState::Succeeded } else { TaskState::Failed });
        self.reused += u64::from(has_succeeded);
    }

    pub(super) fn skip(&mut self, operation: OperationIndex) {
        self.skipped += 1;
        self.of(operation).skipped += 1;
    }

    pub(super) fn advance(&mut self, operation: OperationIndex, from: TaskState, to: TaskState) {
        self.states[from as usize] -= 1;
        self.states[to as usize] += 1;
        if from == TaskState::Leased {
            self.of(operation).leased -= 1;
        }
        self.enter(operation, to);
    }

    fn enter(&mut self, operation: OperationIndex, state: TaskState) {
        let tally = self.of(operation);
        match state {
            TaskState::Leased => tally.leased += 1,
            TaskState::Succeeded => tally.succeeded += 1,
            TaskState::Failed => tally.failed += 1,
            TaskState::Waiting | TaskState::Queued | TaskState::Cancelled => {}
        }
    }

    fn of(&mut self, operation: OperationIndex) -> &mut OperationTally {
        &mut self.operations[operation.0 as usize]
    }
}
