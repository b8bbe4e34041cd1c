//! An execution with broker, store and worker in this process.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use backends::embedded::{EmbeddedBroker, EmbeddedStore};
use otaman::Registry;
use protocol::{ExecutionId, SemaphoreWidth, Session, SessionId};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::course::{self, Broker, Commands, Settings};
use super::work::Work;
use crate::commands::backend::node_name;
use crate::commands::{Stop, say};
use crate::display::counted;
use crate::embedded::{StartWorker, WorkerError};

/// One task at once for each core.
pub(super) fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32)
}

/// Broker, store and worker in this process.
pub(super) struct Embedded {
    pub(super) registry: Arc<Registry>,
    pub(super) store: EmbeddedStore,
    pub(super) start_worker: Arc<dyn StartWorker>,
    /// Tasks run at once.
    pub(super) slots: u32,
    /// How many may hold which semaphore.
    pub(super) semaphores: Vec<SemaphoreWidth>,
}

impl Embedded {
    /// Runs it to its end, with progress, and prints its result.
    pub(super) async fn execute(self, work: Work, settings: Settings) -> Result<ExitCode, Stop> {
        let id = &work.record.id;
        let output = &settings.output;
        course::announce_reuse(&work, output).await?;
        if !output.quiet {
            let verb = if work.is_resumed { "goes on with" } else { "runs" };
            say(&format!("execution {id} {verb} up to {} at once", counted(self.slots.into(), "task")));
        }
        let mut worker = self.start(id)?;
        let broker = Broker { producer: Arc::new(worker.broker.producer(id.clone())), revive: None };
        // It ends by itself only when it is not fit to run: without it nothing would go on.
        let beside = async { unfit((&mut worker.running).await) };
        let ended = course::run(&work, &settings, broker, Commands::new(), beside).await?;
        if ended.is_over() {
            worker.end().await
        } else {
            worker.end_now().await
        }
        ended.conclude(&work, output)
    }

    fn start(&self, id: &ExecutionId) -> Result<EmbeddedWorker, Stop> {
        // Tasks get threads of their own, so that one that never yields cannot hold up the engine.
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(cores().min(self.slots).max(1) as usize)
            .thread_name("worker")
            .enable_all()
            .build()
            .context("starting the worker's threads")?;
        let broker = {
            let _entered = threads.enter();
            EmbeddedBroker::new()
        };
        let session = Session {
            id: SessionId::from_uuid(uuid::Uuid::new_v4()),
            node: node_name(),
            pid: std::process::id(),
            worker_types: Vec::new(),
            concurrency: self.slots,
            lease: Duration::from_secs(60),
        };
        let consumer = Arc::new(broker.consumer(session.clone(), self.store.kept_dir(id)));
        let stop = CancellationToken::new();
        let (registry, semaphores) = (Arc::clone(&self.registry), self.semaphores.clone());
        let worker = (self.start_worker)(registry, consumer, session, semaphores, stop.clone());
        let running = threads.spawn(worker);
        Ok(EmbeddedWorker { threads, broker, running, stop })
    }
}

struct EmbeddedWorker {
    threads: tokio::runtime::Runtime,
    broker: EmbeddedBroker,
    running: JoinHandle<Result<(), WorkerError>>,
    stop: CancellationToken,
}

/// How long running tasks get to end their processes when everything stops at once.
const LAST_GRACE: Duration = Duration::from_secs(2);

impl EmbeddedWorker {
    /// Ends it without waiting for running tasks.
    async fn end_now(self) {
        self.running.abort();
        self.end().await;
    }

    async fn end(self) {
        self.stop.cancel();
        self.broker.close();
        if !self.running.is_finished() {
            match self.running.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "the worker ended early"),
                Err(aborted) if aborted.is_cancelled() => {}
                Err(panicked) => tracing::error!(%panicked, "the worker panicked"),
            }
        }
        // A runtime must not be dropped in async code; what still runs then need not be waited for.
        let threads = self.threads;
        let _ = tokio::task::spawn_blocking(move || threads.shutdown_timeout(LAST_GRACE)).await;
    }
}

/// Why a worker ended although it was not told to.
fn unfit(ended: Result<Result<(), WorkerError>, JoinError>) -> Stop {
    let error = match ended {
        Ok(Ok(())) => anyhow::anyhow!("it ended without a reason"),
        Ok(Err(error)) => anyhow::Error::from_boxed(error),
        Err(panicked) => anyhow::Error::from(panicked),
    };
    Stop::Infrastructure(error.context("the worker cannot run tasks"))
}
