//! The tasks that are not settled yet, and who waits for them.

use std::collections::VecDeque;
use std::sync::Arc;

use backends::store::Entry;
use protocol::{IdMap, Outcome, Task, TaskId, TaskState};

use super::flows::Parents;
use super::tally::{OperationIndex, Tally};

/// Unsettled tasks. What is settled leaves the table: the checkpoint remembers it.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    table: IdMap<TaskId, Unsettled>,
    /// Known but not yet published, in the order of yielding.
    waiting: VecDeque<TaskId>,
    /// Accepted outcomes whose record is not durable yet, in the order of asking.
    accepted: VecDeque<Arc<Outcome>>,
}

#[derive(Debug)]
pub(super) struct Unsettled {
    task: Arc<Task>,
    state: TaskState,
    operation: OperationIndex,
    is_accepted: bool,
    pub(super) parents: Parents,
}

/// A task that has just been settled.
pub(super) struct Settled {
    pub(super) outcome: Arc<Outcome>,
    pub(super) parents: Parents,
}

impl Tasks {
    /// How many are not settled.
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// How many wait to be published.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn get_mut(&mut self, id: TaskId) -> Option<&mut Unsettled> {
        self.table.get_mut(&id)
    }

    pub(super) fn get(&self, id: TaskId) -> Option<&Unsettled> {
        self.table.get(&id)
    }

    pub(super) fn insert(&mut self, task: Arc<Task>, parents: Parents, tally: &mut Tally) {
        let operation = tally.operation(&task.operation);
        tally.expand(operation, TaskState::Waiting);
        self.waiting.push_back(task.id);
        let state = TaskState::Waiting;
        self.table.insert(task.id, Unsettled { task, state, operation, is_accepted: false, parents });
    }

    /// Takes up to `most` waiting tasks for publishing.
    pub(super) fn publish(&mut self, most: usize, tally: &mut Tally) -> Vec<Arc<Task>> {
        let count = most.min(self.waiting.len());
        let mut batch = Vec::with_capacity(count);
        for id in self.waiting.drain(..count) {
            let unsettled = self.table.get_mut(&id).expect("a waiting task is unsettled");
            unsettled.advance(TaskState::Queued, tally);
            batch.push(Arc::clone(&unsettled.task));
        }
        batch
    }

    /// Follows news of leases; news that comes late is ignored.
    pub(super) fn move_to(&mut self, ids: &[TaskId], state: TaskState, tally: &mut Tally) {
        for id in ids {
            // News of a task that waits to be published is of an earlier coordinator's copy of it.
            if let Some(unsettled) = self.table.get_mut(id)
                && unsettled.state != TaskState::Waiting
                && unsettled.state.allows(state)
            {
                unsettled.advance(state, tally);
            }
        }
    }

    /// Accepts outcomes, the first of each task; the others are counted and dropped.
    pub(super) fn accept(&mut self, outcomes: Vec<Outcome>, tally: &mut Tally) -> Vec<Entry> {
        let mut entries = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            match self.table.get_mut(&outcome.task) {
                Some(unsettled) if !unsettled.is_accepted && unsettled.state != TaskState::Waiting => {
                    unsettled.is_accepted = true;
                    let outcome = Arc::new(outcome);
                    self.accepted.push_back(Arc::clone(&outcome));
                    entries.push(Entry { task: Arc::clone(&unsettled.task), outcome });
                }
                Some(_) | None => tally.ignored += 1,
            }
        }
        entries
    }

    /// Settles the task whose outcome was accepted first among those not yet settled.
    pub(super) fn settle_next(&mut self, tally: &mut Tally) -> Settled {
        let outcome = self.accepted.pop_front().expect("only what was to be recorded is said to be");
        let mut unsettled = self.table.remove(&outcome.task).expect("an accepted task is unsettled");
        tally.retried += u64::from(outcome.retries);
        let state = if outcome.value().is_some() { TaskState::Succeeded } else { TaskState::Failed };
        unsettled.advance(state, tally);
        Settled { outcome, parents: unsettled.parents }
    }

    /// Cancels what waits; it was never published.
    pub(super) fn cancel_waiting(&mut self, tally: &mut Tally) {
        for id in std::mem::take(&mut self.waiting) {
            self.remove_cancelled(id, tally);
        }
    }

    /// Cancels what the broker gave back, unless an outcome was faster.
    pub(super) fn cancel(&mut self, ids: &[TaskId], tally: &mut Tally) {
        for id in ids {
            if self.table.get(id).is_some_and(|unsettled| !unsettled.is_accepted) {
                self.remove_cancelled(*id, tally);
            }
        }
    }

    fn remove_cancelled(&mut self, id: TaskId, tally: &mut Tally) {
        if let Some(mut unsettled) = self.table.remove(&id) {
            unsettled.advance(TaskState::Cancelled, tally);
        }
    }
}

impl Unsettled {
    fn advance(&mut self, to: TaskState, tally: &mut Tally) {
        let from = self.state;
        self.state.advance(to).expect("callers go by the table");
        tally.advance(self.operation, from, to);
    }
}
