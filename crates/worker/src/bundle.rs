//! `worker run`: one task of a bundle, by itself.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backends::broker::{Delivery, Error, Settled, TaskConsumer};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use otaman::driver::Rules;
use otaman::{Registry, Resources};
use protocol::{
    Attempt, Bundle, Envelope, ExecutionId, Failure, Lease, Outcome, SemaphoreWidths, SessionId, Spent,
    TaskId, Token, Value,
};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::execute::Executor;
use crate::failed::Failed;
use crate::isolated::Isolates;
use crate::panics;
use crate::semaphores::MachineSemaphores;

/// Runs the task of a bundle once, and prints its value as JSON.
pub(crate) fn run(file: &Path, rules: Rules, registry: Registry, resources: Resources) -> Result<(), Failed> {
    let Envelope { execution, body: Bundle { task, outcome } } = read(file)?;
    tracing::info!(%execution, task = %task.id, operation = %task.operation, version = %task.version, "running a task by itself");
    if let Some(failure) = outcome.failure() {
        tracing::info!(
            cause = failure.cause.as_str(),
            attempt = outcome.attempt,
            "it failed before: {}",
            failure.summary()
        );
    }
    panics::install();
    let executor = Executor {
        registry: Arc::new(registry),
        resources: Arc::new(resources),
        consumer: Arc::new(Alone),
        stop_grace: Config::default().stop_grace.0,
        isolates: Arc::new(Isolates::default()),
        semaphores: Arc::new(MachineSemaphores::new(SemaphoreWidths::default(), None)),
        leaving: CancellationToken::new(),
        colleagues: None,
        rules,
        fitness: None,
    };
    let token = Token { attempt: outcome.attempt, session: SessionId::from_uuid(uuid::Uuid::new_v4()) };
    let lease = Lease { task: task.id, token };
    let task = Arc::new(task);
    let delivery = Delivery { execution, task, lease, spent: Spent::default(), failed_attempts: Vec::new() };
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(Failed::Start)?;
    let ended = runtime.block_on(async {
        let mut interrupted = pin!(interrupted().fuse());
        executor.execute(&delivery, interrupted.as_mut()).await
    });
    tracing::info!(took = ?ended.duration, "it has ended");
    match ended.result {
        Ok(value) => print(&value),
        Err(failure) => Err(Failed::Task(Box::new(failure))),
    }
}

fn read(file: &Path) -> Result<Envelope<Bundle>, Failed> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    let file = || if file == Path::new("-") { PathBuf::from("standard input") } else { file.to_owned() };
    read.map_err(|source| Failed::Bundle { file: file(), source })?;
    Envelope::decode_large(&bytes).map_err(|source| Failed::NoBundle { file: file(), source })
}

/// Ctrl-C stops the task as the end of a worker would.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn print(value: &Value) -> Result<(), Failed> {
    let json = value.to_json().map_err(|error| Failed::Print(io::Error::other(error)))?;
    let mut out = io::stdout().lock();
    let printed = serde_json::to_writer_pretty(&mut out, &json).map_err(io::Error::from);
    printed.and_then(|()| writeln!(out)).map_err(Failed::Print)
}

/// For a task that nobody has leased: nothing is reported, and files stay where they are.
struct Alone;

impl TaskConsumer for Alone {
    fn lease(&self) -> BoxFuture<'_, Result<Option<Delivery>, Error>> {
        async { Ok(None) }.boxed()
    }

    fn complete(&self, _: Lease, _: Outcome) -> BoxFuture<'_, Result<Settled, Error>> {
        async { Ok(Settled::Stale) }.boxed()
    }

    fn retry(&self, _: Lease, _: Attempt, _: Duration) -> BoxFuture<'_, Result<Settled, Error>> {
        async { Ok(Settled::Stale) }.boxed()
    }

    fn holds<'a>(&'a self, _: &'a ExecutionId, _: Lease) -> BoxFuture<'a, Result<bool, Error>> {
        async { Ok(true) }.boxed()
    }

    fn save_progress<'a>(
        &'a self,
        _: &'a ExecutionId,
        _: Lease,
        _: bytes::Bytes,
    ) -> BoxFuture<'a, Result<Settled, Error>> {
        async { Ok(Settled::Accepted) }.boxed()
    }

    fn saved_progress<'a>(
        &'a self,
        _: &'a ExecutionId,
        _: TaskId,
    ) -> BoxFuture<'a, Result<Option<bytes::Bytes>, Error>> {
        async { Ok(None) }.boxed()
    }

    fn keep<'a>(&'a self, _: &'a ExecutionId, file: &'a Path) -> BoxFuture<'a, Result<String, Error>> {
        async move {
            let kept = std::env::temp_dir().join(format!("otaman-kept-{}", uuid::Uuid::new_v4()));
            let moved = std::fs::rename(file, &kept).or_else(|_| std::fs::copy(file, &kept).map(drop));
            moved.map_err(|source| Error::Keep { path: file.display().to_string(), source })?;
            Ok(format!("file://{}", kept.display()))
        }
        .boxed()
    }
}

/// What is said of a task that failed, on many lines.
pub(crate) fn describe(failure: &Failure) -> String {
    let mut text = format!("{} [{}]", failure.summary(), failure.cause.as_str());
    if let Some(place) = &failure.backtrace {
        text.push_str(&format!("\n    at: {place}"));
    }
    for line in failure.tail.lines() {
        text.push_str(&format!("\n    | {line}"));
    }
    text
}
