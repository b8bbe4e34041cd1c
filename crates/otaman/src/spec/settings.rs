//! Settings of an execution that a spec may carry.

use std::num::NonZeroU32;

use protocol::ExecutionId;

/// Settings that the root of a spec may carry, as parameters of `mazepa.execute`. What is absent is
/// decided elsewhere, by the command line for example.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Name of the execution.
    pub execution_id: Option<ExecutionId>,
    /// What a dead task means to the rest.
    pub on_failure: Option<FailurePolicy>,
    /// How many workers to run on this machine.
    pub workers: Option<NonZeroU32>,
    /// Show no progress.
    pub quiet: bool,
}

/// What a dead task means to the rest of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailurePolicy {
    /// Nothing new is started.
    Stop,
    /// What does not depend on it goes on.
    Continue,
}
