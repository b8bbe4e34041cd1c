//! What a run leaves.

use std::sync::Arc;

use protocol::{Outcome, Task};

use crate::error::Error;

/// How a flow or task ended, and what ran on the way.
#[derive(Debug)]
pub struct Run<T> {
    /// Its value, or why it failed.
    pub result: Result<T, Error>,
    /// The tasks that ran, in the order in which they ended.
    pub tasks: Vec<Ran>,
}

/// A task that ran.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The task.
    pub task: Arc<Task>,
    /// How it ended, after how many attempts.
    pub outcome: Arc<Outcome>,
    /// What it logged, line by line, in all attempts.
    pub log: Vec<String>,
    /// The progress that it last reported: units done, of how many.
    pub progress: Option<(u64, u64)>,
}

impl<T> Run<T> {
    /// The names of the operations whose tasks ran, in that order.
    pub fn operations(&self) -> Vec<&str> {
        self.tasks.iter().map(|ran| ran.task.operation.as_str()).collect()
    }
}
