//! What an operation may know and do while it runs.

use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use protocol::{ExecutionId, ExitCodes, SemaphoreName, Task, TaskId, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::resources::{Resource, Resources};
use crate::semaphores::{Permit, Semaphores};

/// The running attempt's surroundings. Cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<ContextParts>);

/// Where an operation's reports go; whoever runs the operation implements it.
pub trait Reporter: Send + Sync {
    /// `done` of `total` units are done.
    fn progress(&self, done: u64, total: u64);
    /// A line of log or output of the task.
    fn log(&self, line: &str);
    /// Puts a file aside as part of the result and returns its URL.
    fn keep<'a>(&'a self, file: &'a Path) -> BoxFuture<'a, Result<String, Error>>;
    /// Whether the attempt still has the right to the task.
    fn holds_lease(&self) -> BoxFuture<'_, Result<bool, Error>>;
    /// Remembers how far the task is. An error if the attempt has lost its right to it.
    fn save_progress(&self, progress: Value) -> BoxFuture<'_, Result<(), Error>>;
    /// How far the task was when that was last remembered.
    fn saved_progress(&self) -> BoxFuture<'_, Result<Option<Value>, Error>>;
}

/// The place among running tasks that an attempt has; whoever runs the operation implements it.
pub trait Place: Send + Sync {
    /// Lets another task run in it until what this returns is dropped.
    fn lend(&self) -> Box<dyn Send + '_>;
}

/// A place that nobody else could have.
impl Place for () {
    fn lend(&self) -> Box<dyn Send + '_> {
        Box::new(())
    }
}

/// What a context is made of; whoever runs the operation fills it in.
pub struct ContextParts {
    /// The execution.
    pub execution: ExecutionId,
    /// The task.
    pub task: Arc<Task>,
    /// 1-based number of the attempt.
    pub attempt: u32,
    /// Cancelled when the attempt should stop.
    pub cancellation: CancellationToken,
    /// What the worker has for its operations.
    pub resources: Arc<Resources>,
    /// Where reports go.
    pub reporter: Arc<dyn Reporter>,
    /// The place among the worker's tasks.
    pub place: Arc<dyn Place>,
    /// Where places in semaphores are had.
    pub semaphores: Arc<dyn Semaphores>,
    /// The places that the task has by its `@semaphores`. They are given back with the last clone of
    /// the context, so that code which is still at work after it was abandoned keeps them.
    pub permits: Vec<Permit>,
}

impl Context {
    /// Puts a context together.
    pub fn new(parts: ContextParts) -> Self {
        Self(Arc::new(parts))
    }

    /// The execution this task belongs to.
    pub fn execution(&self) -> &ExecutionId {
        &self.0.execution
    }

    /// The task's id.
    pub fn task(&self) -> TaskId {
        self.0.task.id
    }

    /// Number of this attempt; the first is 1.
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// Whether the attempt should stop: its runtime limit has passed, or it was cancelled. Long
    /// synchronous code asks now and then and returns an error.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancellation.is_cancelled()
    }

    /// Waits until the attempt should stop.
    pub async fn cancelled(&self) {
        self.0.cancellation.cancelled().await;
    }

    /// Reports that `done` of `total` units are done.
    pub fn progress(&self, done: u64, total: u64) {
        self.0.reporter.progress(done, total);
    }

    /// Writes a line to the task's log; the last lines travel with a failure.
    pub fn log(&self, line: impl AsRef<str>) {
        self.0.reporter.log(line.as_ref());
    }

    /// Puts a file aside as part of the result, for what is too large to be a value. The file is
    /// moved.
    ///
    /// # Errors
    /// If it cannot be moved or copied.
    pub async fn keep(&self, file: &Path) -> Result<String, Error> {
        self.0.reporter.keep(file).await
    }

    /// Remembers how far the task is, at most 1 MiB, for its next attempt: after a preemption, a lost
    /// worker or a failure it can go on from there. What was saved before is replaced.
    ///
    /// # Errors
    /// If it cannot be serialised or kept, or the task was given to another worker meanwhile: then
    /// there is no point in going on.
    pub async fn save_progress<T: Serialize + Sync>(&self, progress: &T) -> Result<(), Error> {
        let progress = Value::encode(progress)?;
        self.0.reporter.save_progress(progress).await.map_err(|error| error.context("saving progress"))
    }

    /// How far the task was when an earlier attempt last saved it; `None` if none has.
    ///
    /// # Errors
    /// If it cannot be read, or is not a `T`.
    pub async fn saved_progress<T: DeserializeOwned>(&self) -> Result<Option<T>, Error> {
        let read = || "reading saved progress";
        let saved = self.0.reporter.saved_progress().await.map_err(|error| error.context(read()))?;
        saved.map(|saved| saved.decode().map_err(|error| Error::from(error).context(read()))).transpose()
    }

    /// Puts a finished file in its place, if the attempt still has the right to its task; otherwise
    /// another worker has, and its file counts. The target appears whole or not at all, also after a
    /// crash. Both must be in one file system.
    ///
    /// A worker that is stopped between the look at its right and the renaming that follows it may
    /// still come late: no file system knows of leases.
    ///
    /// # Errors
    /// If the right was lost or the file cannot be renamed; it is then left where it is.
    pub async fn commit(&self, staged: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<(), Error> {
        let (staged, target) = (staged.as_ref().to_owned(), target.as_ref().to_owned());
        let place = format!("committing {} as {}", staged.display(), target.display());
        let done = async {
            let written = staged.clone();
            on_disk(move || std::fs::File::open(written)?.sync_all()).await?;
            if !self.0.reporter.holds_lease().await? {
                return Err(Error::permanent(
                    "the task was given to another worker; the file counts for nothing",
                ));
            }
            on_disk(move || {
                std::fs::rename(&staged, &target)?;
                let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
                std::fs::File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
            })
            .await
        };
        done.await.map_err(|error| error.context(place))
    }

    /// Something that the worker was given for its operations.
    ///
    /// # Errors
    /// If it was given nothing of this type.
    pub fn resource<T: Send + Sync + 'static>(&self) -> Result<Resource<T>, Error> {
        self.0.resources.get()
    }

    /// Waits for a place in one of the machine's semaphores, such as `read`; it is given back when
    /// the permit is dropped. All workers of this user on the machine share them; who comes first is
    /// served first. The wait counts against the runtime limit, other than that for the task's
    /// `@semaphores`. Whoever takes several takes them in the order of their names, so that no two
    /// wait for each other.
    ///
    /// # Errors
    /// If the worker knows no such semaphore, the task has all its places already, the attempt
    /// should stop, or the files of the semaphore cannot be used.
    pub async fn semaphore(&self, name: &str) -> Result<Permit, Error> {
        let name = SemaphoreName::new(name)?;
        let held = u32::from(self.0.task.semaphores.contains(&name));
        tokio::select! {
            biased;
            permit = self.0.semaphores.acquire(&name, held) => permit,
            () = self.cancelled() => Err(Error::transient(format!("told to stop while waiting for semaphore {name}"))),
        }
    }

    /// The same for synchronous code, as in [`Self::blocking`] or an operation that is a plain function.
    ///
    /// # Errors
    /// As [`Self::semaphore`].
    ///
    /// # Panics
    /// In asynchronous code, which it would hold up.
    pub fn semaphore_blocking(&self, name: &str) -> Result<Permit, Error> {
        tokio::runtime::Handle::current().block_on(self.semaphore(name))
    }

    /// Exit codes after which this task is worth another attempt.
    pub fn transient_exit_codes(&self) -> ExitCodes {
        self.0.task.retry.as_ref().map(|retry| retry.transient_exit_codes.clone()).unwrap_or_default()
    }

    /// Waits for a disk or a server in synchronous code, while another task computes in this one's place. Afterwards
    /// this goes on at once, so that for a moment more tasks may run than there are places; what is long to compute
    /// has no place in `wait`. No more are lent than there are, and none by an operation in a process of its own.
    pub fn waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        let _lent = self.0.place.lend();
        wait()
    }

    /// Runs synchronous code on a thread of its own, so that it holds up nobody.
    ///
    /// # Errors
    /// What the code returns. A panic in it goes on in the caller.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let context = self.clone();
        let span = tracing::Span::current();
        match tokio::task::spawn_blocking(move || span.in_scope(|| work(&context))).await {
            Ok(result) => result,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Error::transient("the worker is shutting down")),
            },
        }
    }
}

async fn on_disk(work: impl FnOnce() -> std::io::Result<()> + Send + 'static) -> Result<(), Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Error::transient("the worker is shutting down")),
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Context({}, attempt {})", self.0.task.id, self.0.attempt)
    }
}
