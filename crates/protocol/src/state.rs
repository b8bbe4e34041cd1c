//! Task states and the only table of allowed transitions.

use serde::{Deserialize, Serialize};

/// Where a task is on its walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Known, not yet handed to the broker.
    Waiting,
    /// With the broker, or between two attempts.
    Queued,
    /// A worker runs it.
    Leased,
    /// Ended with a value.
    Succeeded,
    /// Dead: ended in failure for good.
    Failed,
    /// Taken back.
    Cancelled,
}

/// A transition that the table does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task cannot go from {from} to {to}")]
pub struct TransitionError {
    /// The state it is in.
    pub from: TaskState,
    /// The state it was to go to.
    pub to: TaskState,
}

impl TaskState {
    /// All states, in the order of a task's walk.
    pub const ALL: [Self; 6] =
        [Self::Waiting, Self::Queued, Self::Leased, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Whether nothing follows.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The word for it in messages and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Leased => "leased",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The transition table. An outcome may arrive before the news of its lease, and of a task
    /// whose lease was thought lost, so final states follow `Queued` too. A recorded outcome of an
    /// earlier run takes a task from `Waiting` to its end.
    pub const fn allows(self, to: Self) -> bool {
        match self {
            Self::Waiting => !matches!(to, Self::Waiting | Self::Leased),
            Self::Queued => !matches!(to, Self::Waiting | Self::Queued),
            Self::Leased => !matches!(to, Self::Waiting | Self::Leased),
            Self::Succeeded | Self::Failed | Self::Cancelled => false,
        }
    }

    /// Goes to `to`.
    ///
    /// # Errors
    /// If the table does not allow it; the state is then unchanged.
    pub fn advance(&mut self, to: Self) -> Result<(), TransitionError> {
        if !self.allows(to) {
            return Err(TransitionError { from: *self, to });
        }
        *self = to;
        Ok(())
    }
}

impl std::fmt::Display for TaskState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_states_are_final_and_nothing_waits_again() {
        for from in TaskState::ALL {
            for to in TaskState::ALL {
                let allowed = from.allows(to);
                assert!(!(allowed && from.is_final()), "{from} to {to}");
                assert!(!(allowed && to == TaskState::Waiting), "{from} to {to}");
                assert!(!(allowed && from == to), "{from} to {to}");
            }
        }
        assert!(TaskState::Leased.allows(TaskState::Queued), "a lost lease returns the task");
    }
}
