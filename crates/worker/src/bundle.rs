//! `worker run`: one task of a bundle, by itself.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backends::broker::{self, TaskConsumer as _, TaskProducer as _};
use backends::embedded::EmbeddedBroker;
use futures::FutureExt as _;
use otaman::driver::Rules;
use otaman::{Registry, Resources};
use protocol::{Bundle, Cause, Envelope, Failure, SemaphoreWidths, Session, SessionId, Value};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::activity::Activity;
use crate::config::Config;
use crate::decline::Decline;
use crate::execute::{Ended, Executor};
use crate::failed::Failed;
use crate::isolated::Isolates;
use crate::panics;
use crate::places::Places;
use crate::run::Error;
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
    // Files that it keeps, and its progress, are where no other run looks for them.
    let directory = std::env::temp_dir().join(format!("otaman-run-{}", uuid::Uuid::new_v4().simple()));
    let broker = EmbeddedBroker::new();
    let consumer = Arc::new(broker.consumer(session(), directory));
    let executor = Executor {
        registry: Arc::new(registry),
        resources: Arc::new(resources),
        consumer: Arc::clone(&consumer) as _,
        stop_grace: Config::default().stop_grace.0,
        isolates: Arc::new(Isolates::default()),
        semaphores: Arc::new(MachineSemaphores::new(SemaphoreWidths::default(), None)),
        leaving: CancellationToken::new(),
        peers: None,
        rules,
    };
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(Failed::Start)?;
    let ended = runtime.block_on(async {
        broker.producer(execution).publish(vec![Arc::new(task)]).await?;
        let delivery = consumer.lease().await?.ok_or(broker::Error::Closed)?;
        let mut interrupted = pin!(interrupted().fuse());
        // It has nobody to lend its place to.
        let (places, activity) = (Arc::new(Places::new(1)), Activity::new(1));
        Ok(executor.execute(&delivery, &places, activity.slot(0), interrupted.as_mut()).await)
    });
    let ended = ended.map_err(Error::broker("running a task by itself"))?;
    let attempted = match ended {
        Ended::Attempted(attempted) => attempted,
        Ended::Declined(Decline { why, .. }) => {
            return Err(Failed::Task(Box::new(Failure::new(Cause::Preempted, why))));
        }
    };
    tracing::info!(took = ?attempted.duration, "it has ended");
    match attempted.result {
        Ok(value) => print(&value),
        Err(failure) => Err(Failed::Task(Box::new(failure))),
    }
}

/// A session for tasks of any type.
fn session() -> Session {
    Session {
        id: SessionId::from_uuid(uuid::Uuid::new_v4()),
        node: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        pid: std::process::id(),
        worker_types: Vec::new(),
        concurrency: 1,
        lease: Duration::ZERO,
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
