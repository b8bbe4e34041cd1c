//! A task on its way through the broker, with what its earlier attempts left behind.

use std::sync::Arc;

use protocol::{Attempt, Cause, Failure, Outcome, SessionId, Spent, Task, Token};

use super::inbox::Inbox;

/// A task that has no outcome yet. Small, since it is moved from place to place: whatever only a
/// task that failed before needs is behind one pointer.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) task: Arc<Task>,
    /// Where its outcome goes.
    pub(super) inbox: Arc<Inbox>,
    /// How many attempts have begun.
    pub(super) attempts: u32,
    history: Option<Box<History>>,
}

#[derive(Debug, Default)]
struct History {
    spent: Spent,
    failed: Vec<Attempt>,
    declined: u32,
}

impl Job {
    pub(super) fn new(task: Arc<Task>, inbox: Arc<Inbox>) -> Self {
        Self { task, inbox, attempts: 0, history: None }
    }

    /// The proof of the right to run the current attempt.
    pub(super) fn token(&self, session: SessionId) -> Token {
        Token { attempt: self.attempts, session }
    }

    pub(super) fn spent(&self) -> Spent {
        self.history.as_ref().map_or_else(Spent::default, |history| history.spent)
    }

    pub(super) fn failed_attempts(&self) -> Vec<Attempt> {
        self.history.as_ref().map_or_else(Vec::new, |history| history.failed.clone())
    }

    /// How often workers have left it to others since an attempt last began.
    pub(super) fn declined(&self) -> u32 {
        self.history.as_ref().map_or(0, |history| history.declined)
    }

    /// A worker has left it to others.
    pub(super) fn decline(&mut self) {
        let history = self.history.get_or_insert_default();
        history.declined = history.declined.saturating_add(1);
    }

    /// Counts a failed attempt; of many, the evidence of the last few is kept. From then on the task
    /// is for the workers that its retry policy names.
    pub(super) fn charge(&mut self, failed: Attempt) {
        let history = self.history.get_or_insert_default();
        history.declined = 0;
        history.spent.charge(failed.failure.cause);
        if history.failed.len() == Outcome::MAX_EVIDENCE {
            history.failed.remove(0);
        }
        history.failed.push(failed);
        let worker_type = self.task.worker_type_after(&history.spent);
        if *worker_type != self.task.worker_type {
            self.task = Arc::new((*self.task).clone().on(worker_type.clone()));
        }
    }

    /// The evidence of an attempt whose worker went away.
    pub(super) fn lost_attempt(&self, session: SessionId, node: &str, started_at_us: u64) -> Attempt {
        Attempt {
            number: self.attempts,
            session,
            node: node.to_owned(),
            started_at_us,
            duration: std::time::Duration::ZERO,
            failure: Failure::new(Cause::Lost, "the worker ended without settling the task"),
        }
    }
}
