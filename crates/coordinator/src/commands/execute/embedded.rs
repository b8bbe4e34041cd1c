//! An execution with broker, store and worker in this process.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use backends::embedded::{EmbeddedBroker, EmbeddedStore};
use otaman::Registry;
use protocol::{ExecutionId, Session, SessionId};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::outcome::Output;
use super::work::Work;
use crate::commands::{CANCELLED, Stop, say};
use crate::display::{Display, counted};
use crate::embedded::{StartWorker, WorkerError};
use crate::engine::Policy;
use crate::interrupt::Interrupts;
use crate::run::{self, Parts, Progress};

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
    pub(super) output: Output,
}

impl Embedded {
    /// Runs it to its end, with progress, and prints its result.
    pub(super) async fn execute(self, work: Work, policy: Policy) -> Result<ExitCode, Stop> {
        let id = work.record.id.clone();
        let quiet = self.output.quiet;
        if work.has_changed && !quiet {
            announce_reuse(&work).await?;
        }
        if !quiet {
            let verb = if work.record.incarnation > 1 { "goes on with" } else { "runs" };
            say(&format!("execution {id} {verb} up to {} at once", counted(self.slots.into(), "task")));
        }
        let mut worker = self.start(&id)?;
        let (progress, watched) = watch::channel(Progress::default());
        let (commands, commanded) = mpsc::channel(1);
        let interrupts =
            Interrupts::listen(self.output.resume_command.clone(), commands, worker.stop_now.clone())?;
        let display = (!quiet).then(|| Display::start(watched));
        let parts = Parts {
            root: crate::root::call(&work.spec.root),
            policy,
            resolver: Arc::clone(&work.resolver),
            producer: Arc::new(worker.broker.producer(id.clone())),
            checkpoint: Arc::clone(&work.checkpoint),
            record: work.record.clone(),
        };
        let outcome = tokio::select! {
            report = run::run(parts, commanded, progress) => Some(report.map_err(Stop::from)),
            () = worker.stop_now.cancelled() => None,
            // It ends by itself only when it is not fit to run: without it nothing would go on.
            ended = &mut worker.running => Some(Err(unfit(ended))),
        };
        if let Some(display) = display {
            display.end();
        }
        if let Some(Err(Stop::Infrastructure(error))) = &outcome {
            // Said at once: what runs may take a while to end.
            say(&format!("execution {id} stops: {error:#}"));
        }
        match &outcome {
            Some(Ok(_)) => worker.end().await,
            Some(Err(_)) | None => worker.end_now().await,
        }
        interrupts.end();
        match outcome {
            Some(Ok(report)) => self.output.finish(&id, &report),
            Some(Err(error)) => {
                say(&format!("execution {id} stopped; go on with: {}", self.output.resume_command));
                Err(error)
            }
            None => {
                say(&format!("execution {id} stopped at once; go on with: {}", self.output.resume_command));
                Ok(ExitCode::from(CANCELLED))
            }
        }
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
        let (stop, stop_now) = (CancellationToken::new(), CancellationToken::new());
        let worker = (self.start_worker)(Arc::clone(&self.registry), consumer, session, stop.clone());
        let running = threads.spawn(worker);
        Ok(EmbeddedWorker { threads, broker, running, stop, stop_now })
    }
}

struct EmbeddedWorker {
    threads: tokio::runtime::Runtime,
    broker: EmbeddedBroker,
    running: JoinHandle<Result<(), WorkerError>>,
    stop: CancellationToken,
    /// Cancelled when the user will not wait for running tasks.
    stop_now: CancellationToken,
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

/// This machine's name, for evidence.
fn node_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Says what a changed spec reuses of the earlier runs and what is new.
async fn announce_reuse(work: &Work) -> Result<(), Stop> {
    let root = crate::root::call(&work.spec.root);
    let plan = crate::plan::plan(root, &work.resolver, Some(&*work.checkpoint)).await?;
    let more = if plan.undecided.is_empty() { "" } else { ", at least" };
    let (reused, new) = (counted(plan.reused, "task"), plan.tasks - plan.reused);
    say(&format!("the spec or its variables have changed: {reused} reused, {new} new{more}"));
    Ok(())
}
