//! A dead task, packed so that it can be run again by itself.

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;
use crate::task::Task;

/// A task with how it ended: all that is needed to run it again anywhere. It travels as an
/// [`Envelope`](crate::Envelope) that went by reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bundle {
    /// The task.
    pub task: Task,
    /// How it ended.
    pub outcome: Outcome,
}
