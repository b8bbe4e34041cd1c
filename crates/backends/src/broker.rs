//! What a broker promises: a task that was published is run until it has one outcome, by one
//! worker at a time, whatever dies.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use protocol::{Attempt, ExecutionId, Lease, Outcome, SemaphoreName, Spent, Task, TaskId};

/// Why a broker did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The broker is shut down; nothing more will come.
    #[error("the broker is closed")]
    Closed,
    /// The session was taken for dead by others: what it leased is theirs.
    #[error("the session was taken for dead by others, so its tasks are no longer its own")]
    SessionLost,
    /// A server that the broker needs failed for good.
    #[error("a server that the broker needs cannot be used")]
    Server(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// More progress was to be remembered than there is room for.
    #[error(
        "a progress of {size} bytes is more than the {MAX_PROGRESS_BYTES} that are remembered; keep large state in a file and save its name"
    )]
    Progress {
        /// Its size, in bytes.
        size: usize,
    },
    /// A large value could not be put aside.
    #[error("cannot keep {path}")]
    Keep {
        /// The file that was to be kept.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// Refuses a progress that is too large.
    pub(crate) fn check_progress(progress: &Bytes) -> Result<(), Self> {
        let size = progress.len();
        if size > MAX_PROGRESS_BYTES { Err(Self::Progress { size }) } else { Ok(()) }
    }

    /// The failure of a server.
    pub(crate) fn server(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Server(Box::new(error))
    }
}

/// The coordinator's side of a broker, for one execution.
pub trait TaskProducer: Send + Sync {
    /// Hands over tasks, each to the queue of its worker type. From then on it is the broker's affair
    /// that each is run; after an error some may be, and publishing all of them again is harmless.
    fn publish(&self, tasks: Vec<Arc<Task>>) -> BoxFuture<'_, Result<(), Error>>;

    /// Takes back every task that no worker has leased, including those that wait for a retry, and
    /// names them. Their outcomes will not come. Leased ones go on and report.
    fn withdraw(&self) -> BoxFuture<'_, Result<Vec<TaskId>, Error>>;

    /// Waits for news; never returns an empty one. Outcomes come at least once.
    fn news(&self) -> BoxFuture<'_, Result<News, Error>>;

    /// Says that all outcomes up to and including this news are durable, so that the broker may
    /// forget them. News that was never acknowledged comes again to the next coordinator.
    fn acknowledge(&self, receipt: Receipt) -> BoxFuture<'_, Result<(), Error>>;

    /// Says that this run of the execution has ended and its record says so: whatever is left of its
    /// tasks anywhere is never run.
    fn end(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// What keeps tasks from being handed on at present, for people; `None` if nothing does.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// What happened to an execution's tasks since the last news.
#[derive(Debug, Default)]
pub struct News {
    /// For [`TaskProducer::acknowledge`]; grows from news to news.
    pub receipt: Receipt,
    /// How tasks ended.
    pub outcomes: Vec<Outcome>,
    /// Tasks that a worker has been running for a while. Not every lease is told: a short task's
    /// outcome is news enough.
    pub leased: Vec<TaskId>,
    /// Tasks told as leased that are back in their queue, or wait for a retry.
    pub released: Vec<TaskId>,
}

/// Position of a piece of news in the order in which they came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Receipt(pub u64);

/// A worker's side of a broker, for one session.
pub trait TaskConsumer: Send + Sync {
    /// Waits for a task and leases it. Call it once for each free slot and no more: what was
    /// returned is this session's to run. `None` means that the broker is closed for good.
    /// Dropping the future leases nothing.
    fn lease(&self) -> BoxFuture<'_, Result<Option<Delivery>, Error>>;

    /// Ends a leased task with its outcome. Refused (`Stale`) when the lease is no longer ours; the
    /// outcome then counts for nothing.
    fn complete(&self, lease: Lease, outcome: Outcome) -> BoxFuture<'_, Result<Settled, Error>>;

    /// Ends an attempt that failed but is to be tried again after a delay, by the workers that
    /// [`Task::worker_type_after`] names. The delay is not spent in any worker.
    fn retry(&self, lease: Lease, failed: Attempt, after: Duration) -> BoxFuture<'_, Result<Settled, Error>>;

    /// Says, for people, for which semaphore a leased task waits before it begins; `None` once it does not.
    fn waits(&self, _lease: Lease, _semaphore: Option<&SemaphoreName>) {}

    /// Whether a leased task that has not begun is still to begin: its execution is neither paused nor about to
    /// end.
    fn is_wanted<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Result<bool, Error>>;

    /// Gives a leased task back before its attempt has begun, for others to have it after a delay;
    /// without one it goes to the head of its queue. It costs the task nothing, and says who has done so
    /// why.
    fn decline(
        &self,
        lease: Lease,
        node: &str,
        why: String,
        after: Duration,
    ) -> BoxFuture<'_, Result<Settled, Error>>;

    /// Puts a file aside for a task's result and returns the URL under which it can be read. The
    /// file is moved or copied; it lives as long as the execution's record.
    fn keep<'a>(&'a self, execution: &'a ExecutionId, file: &'a Path)
    -> BoxFuture<'a, Result<String, Error>>;

    /// Whether a lease is still ours, as the broker sees it now.
    fn holds<'a>(&'a self, execution: &'a ExecutionId, lease: Lease) -> BoxFuture<'a, Result<bool, Error>>;

    /// Remembers how far a leased task is, for its next attempt, in place of what was remembered
    /// before. Refused (`Stale`) when the lease is no longer ours. It is forgotten when the task ends.
    fn save_progress<'a>(
        &'a self,
        execution: &'a ExecutionId,
        lease: Lease,
        progress: Bytes,
    ) -> BoxFuture<'a, Result<Settled, Error>>;

    /// How far a task was when that was last remembered, by whatever attempt.
    fn saved_progress<'a>(
        &'a self,
        execution: &'a ExecutionId,
        task: TaskId,
    ) -> BoxFuture<'a, Result<Option<Bytes>, Error>>;
}

/// Most bytes that are remembered of a task's progress.
pub const MAX_PROGRESS_BYTES: usize = 1024 * 1024;

/// A leased task.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The execution it belongs to.
    pub execution: ExecutionId,
    /// The task.
    pub task: Arc<Task>,
    /// The right to run this attempt.
    pub lease: Lease,
    /// Which run of the execution has published it; 0 where there can be only one.
    pub incarnation: u32,
    /// How earlier attempts ended, by cause.
    pub spent: Spent,
    /// Evidence of earlier attempts, oldest first; of many only the last few.
    pub failed_attempts: Vec<Attempt>,
    /// How often workers have left it to others since an attempt last began.
    pub declined: u32,
}

/// Whether an attempt's end was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It counts.
    Accepted,
    /// The lease was lost before; it counts for nothing.
    Stale,
}
