//! What a store promises: what it has said is recorded survives any crash, and no two coordinators
//! write one execution.

use std::sync::Arc;

use futures::future::BoxFuture;
use protocol::{Counts, ExecutionId, ExecutionRecord, Outcome, Task, TaskId};

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No execution has this name.
    #[error("no execution is named {id}")]
    Unknown {
        /// The name.
        id: ExecutionId,
    },
    /// An execution of this name exists already.
    #[error("an execution named {id} exists already")]
    Exists {
        /// The name.
        id: ExecutionId,
    },
    /// Another coordinator holds the execution.
    #[error("execution {id} is being run by {owner}")]
    Busy {
        /// The name.
        id: ExecutionId,
        /// Who holds it, for people.
        owner: String,
    },
    /// Written by a later release.
    #[error("{place} has format {found}; this release reads up to {supported}, so upgrade it")]
    Format {
        /// The file.
        place: String,
        /// Its format version.
        found: u32,
        /// The newest one that we read.
        supported: u32,
    },
    /// The medium failed: disk full, no permission, damaged file.
    #[error("cannot {action} {place}")]
    Medium {
        /// What was tried, such as "write".
        action: &'static str,
        /// The file or key.
        place: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Where executions are remembered.
pub trait Store: Send + Sync {
    /// Starts to remember a new execution and holds it. Its incarnation is later than that of the record if
    /// an execution of this name was removed.
    fn create(&self, record: ExecutionRecord) -> BoxFuture<'_, Result<Arc<dyn Checkpoint>, Error>>;

    /// Takes up an execution again and holds it: its incarnation is one more than before, and no
    /// other coordinator can write it meanwhile.
    fn resume<'a>(&'a self, id: &'a ExecutionId) -> BoxFuture<'a, Result<Arc<dyn Checkpoint>, Error>>;

    /// Looks at one execution without holding it, also while another process runs it.
    fn view<'a>(&'a self, id: &'a ExecutionId) -> BoxFuture<'a, Result<View, Error>>;

    /// Looks at all executions, newest first. One that cannot be read is left out with a warning.
    fn list(&self) -> BoxFuture<'_, Result<Vec<View>, Error>>;

    /// Holds an execution that is to be removed; an error if another coordinator holds it.
    fn take_to_remove<'a>(&'a self, id: &'a ExecutionId) -> BoxFuture<'a, Result<Box<dyn Removal>, Error>>;
}

/// An execution that is held to be removed. Dropped, it stays.
pub trait Removal: Send {
    /// The latest incarnation of the execution.
    fn incarnation(&self) -> u32;

    /// Forgets the execution, its outcomes and the files that were kept for its results in the same
    /// place. Its name may then be used again: the incarnations of that execution go on where this
    /// one's ended, as far as others may still know of it.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>>;
}

/// An execution as seen from outside.
#[derive(Debug, Clone)]
pub struct View {
    /// Its record; with counts as of a second ago or less while it runs.
    pub record: ExecutionRecord,
    /// Who runs it now, for people; `None` if nobody does.
    pub owner: Option<String>,
    /// Its dead tasks, at most 1,000, latest first; empty in lists and, where one process at a time can read it, while
    /// another one runs it.
    pub dead: Vec<Entry>,
}

/// One task and how it ended.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The task.
    pub task: Arc<Task>,
    /// Its outcome.
    pub outcome: Arc<Outcome>,
}

/// The durable record of one execution's outcomes, held by one coordinator until dropped.
pub trait Checkpoint: Send + Sync {
    /// The record as it was when this was created or resumed, with the new incarnation.
    fn record(&self) -> ExecutionRecord;

    /// Records how tasks ended. All of it is durable when this returns; after an error, none or all.
    fn append(&self, entries: Vec<Entry>) -> BoxFuture<'_, Result<(), Error>>;

    /// Looks up outcomes, in the order asked; of several recorded for a task, the newest.
    fn recall<'a>(&'a self, tasks: &'a [TaskId]) -> BoxFuture<'a, Result<Vec<Option<Recalled>>, Error>>;

    /// Replaces the record; durable when this returns.
    fn update(&self, record: ExecutionRecord) -> BoxFuture<'_, Result<(), Error>>;

    /// Shows others how far the execution is; not durable, cheap, called every second or so.
    fn show_progress(&self, counts: Counts) -> BoxFuture<'_, Result<(), Error>>;
}

/// A recorded outcome.
#[derive(Debug, Clone)]
pub struct Recalled {
    /// How the task ended.
    pub outcome: Arc<Outcome>,
    /// Which run of the execution recorded it.
    pub incarnation: u32,
}
