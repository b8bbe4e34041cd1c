//! A worker at an embedded broker, and operations that do everything an operation may do.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use backends::broker::TaskProducer;
use backends::embedded::{EmbeddedBroker, EmbeddedProducer};
use otaman::stock::{Command, Echo, Sleep};
use otaman::{Context, Descriptor, Error, Operation, Registry, Resources, Result};
use protocol::{DurationText, OperationName, Outcome, RetryPolicy, Session, SessionId, Task, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use worker::{Config, Report};

/// No wait of a test takes longer.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Does one of the things an operation may do.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Perform {
    act: Act,
}

/// What an operation may do.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Fails for good after so many lines of log.
    Fail(u32),
    /// Fails in passing, up to this attempt.
    FailUpTo(u32),
    /// Panics.
    Panic,
    /// Panics on a thread of its own.
    PanicBlocking,
    /// Waits for the stage's gate, and for nothing else.
    Wait,
    /// Keeps a thread until the stage lets it go, and listens to nobody.
    Block,
    /// Keeps a thread until it is told to stop.
    BlockUntilCancelled,
    /// Waits for the gate with a place in this semaphore.
    Hold(String),
    /// Keeps a thread, with a place in this semaphore, until the stage lets it go.
    HoldBlocking(String),
}

/// What acts share with their test.
pub struct Stage {
    /// Acts that wait for the gate.
    pub waiting: AtomicUsize,
    /// Most that ever waited at once.
    pub most_waiting: AtomicUsize,
    /// Lets waiting acts go on.
    pub gate: Semaphore,
    /// Lets blocking acts go on.
    pub is_over: AtomicBool,
}

impl Default for Stage {
    fn default() -> Self {
        let (waiting, most_waiting, is_over) = Default::default();
        Self { waiting, most_waiting, gate: Semaphore::new(0), is_over }
    }
}

impl Stage {
    /// Waits until so many acts wait for the gate.
    pub async fn until_waiting(&self, count: usize) {
        let all = async {
            while self.waiting.load(Ordering::SeqCst) != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DEADLINE, all).await.expect("the acts wait");
    }
}

/// Counts as waiting as long as it lives.
struct Waiting<'a>(&'a Stage);

impl<'a> Waiting<'a> {
    fn new(stage: &'a Stage) -> Self {
        let waiting = stage.waiting.fetch_add(1, Ordering::SeqCst) + 1;
        stage.most_waiting.fetch_max(waiting, Ordering::SeqCst);
        Self(stage)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Operation for Perform {
    type Output = u32;

    fn descriptor() -> Descriptor {
        Descriptor::new("perform", "1.2.0")
    }

    async fn run(self, context: Context) -> Result<u32> {
        let stage = context.resource::<Arc<Stage>>()?;
        match self.act {
            Act::Fail(lines) => {
                (0..lines).for_each(|line| context.log(format!("line {line}")));
                Err(Error::permanent("wrong from the start"))
            }
            Act::FailUpTo(attempt) if context.attempt() <= attempt => Err(Error::transient("not yet")),
            Act::FailUpTo(_) => Ok(context.attempt()),
            Act::Panic => panic!("act panicked"),
            Act::PanicBlocking => context.blocking(|_| panic!("blocking act panicked")).await,
            Act::Wait => {
                let _waiting = Waiting::new(&stage);
                stage.gate.acquire().await?.forget();
                Ok(context.attempt())
            }
            Act::Hold(name) => {
                let _permit = context.semaphore(&name).await?;
                let _waiting = Waiting::new(&stage);
                stage.gate.acquire().await?.forget();
                Ok(context.attempt())
            }
            Act::HoldBlocking(name) => {
                let work = move |context: &Context| {
                    let _permit = context.semaphore_blocking(&name)?;
                    let _waiting = Waiting::new(&stage);
                    while !stage.is_over.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                    }
                    Ok(context.attempt())
                };
                context.blocking(work).await
            }
            Act::Block | Act::BlockUntilCancelled => {
                let heeds = matches!(self.act, Act::BlockUntilCancelled);
                let work = move |context: &Context| {
                    while !(stage.is_over.load(Ordering::SeqCst) || heeds && context.is_cancelled()) {
                        std::thread::yield_now();
                    }
                    Err(Error::permanent("told to stop"))
                };
                context.blocking(work).await
            }
        }
    }
}

/// A worker, and the other side of its broker.
pub struct Bench {
    pub broker: EmbeddedBroker,
    pub producer: EmbeddedProducer,
    pub stage: Arc<Stage>,
    pub config: Config,
    pub kept: tempfile::TempDir,
}

/// A worker that runs.
pub struct Running {
    pub stop: CancellationToken,
    pub report: JoinHandle<Result<Report, worker::Error>>,
}

impl Bench {
    pub fn new() -> Self {
        let broker = EmbeddedBroker::new();
        let producer = broker.producer("tested".parse().unwrap());
        let kept = tempfile::tempdir().unwrap();
        let config = Config {
            concurrency: 2,
            stop_grace: DurationText(Duration::from_millis(100)),
            semaphore_dir: Some(kept.path().join("semaphores")),
            ..Config::default()
        };
        Self { broker, producer, stage: Arc::default(), config, kept }
    }

    /// Starts a worker.
    pub fn start(&self) -> Running {
        let session = session();
        let consumer = Arc::new(self.broker.consumer(session.clone(), PathBuf::from(self.kept.path())));
        let stop = CancellationToken::new();
        let (registry, resources) = (Arc::new(registry()), Arc::new(resources(&self.stage)));
        let running = worker::run(self.config.clone(), registry, resources, consumer, session, stop.clone());
        Running { stop, report: tokio::spawn(running) }
    }

    pub async fn publish(&self, tasks: impl IntoIterator<Item = Task>) {
        self.producer.publish(tasks.into_iter().map(Arc::new).collect()).await.unwrap();
    }

    /// Waits for so many outcomes.
    pub async fn outcomes(&self, count: usize) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let all = async {
            while outcomes.len() < count {
                let news = self.producer.news().await.unwrap();
                outcomes.extend(news.outcomes);
                self.producer.acknowledge(news.receipt).await.unwrap();
            }
        };
        tokio::time::timeout(DEADLINE, all).await.expect("the outcomes come");
        outcomes
    }

    /// Has one task run by a worker of its own.
    pub async fn outcome_of(&self, task: Task) -> Outcome {
        let running = self.start();
        self.publish([task]).await;
        let outcome = self.outcomes(1).await.remove(0);
        running.end().await;
        outcome
    }

    /// Waits until so many acts wait for the gate.
    pub async fn until_waiting(&self, count: usize) {
        self.stage.until_waiting(count).await;
    }
}

impl Running {
    /// Stops the worker and waits for its end.
    pub async fn end(self) -> Report {
        self.stop.cancel();
        self.ended().await
    }

    pub async fn ended(self) -> Report {
        tokio::time::timeout(DEADLINE, self.report).await.expect("the worker ends").unwrap().unwrap()
    }
}

/// All operations of the tests.
pub fn registry() -> Registry {
    let registry = Registry::builder()
        .operation::<Perform>()
        .operation::<crate::causes::End>()
        .operation::<Echo>()
        .operation::<Sleep>()
        .operation::<Command>();
    registry.build().unwrap()
}

/// What they need.
pub fn resources(stage: &Arc<Stage>) -> Resources {
    Resources::new().with(Arc::clone(stage))
}

pub fn session() -> Session {
    Session {
        id: SessionId::from_uuid(uuid::Uuid::new_v4()),
        node: "here".into(),
        pid: std::process::id(),
        worker_types: Vec::new(),
        concurrency: 2,
        lease: Duration::from_secs(10),
    }
}

/// A call of an operation whose retries come at once.
pub fn task(operation: &str, version: &str, arguments: &Json) -> Task {
    let name = OperationName::new(operation).unwrap();
    let mut task = Task::new(name, version.parse().unwrap(), Value::encode(arguments).unwrap());
    let initial_delay = Duration::from_millis(1);
    task.retry =
        Some(Box::new(RetryPolicy { initial_delay, max_delay: initial_delay, ..RetryPolicy::default() }));
    task
}

pub fn act(act: &Act) -> Task {
    task("perform", "1.2.0", &json!({ "act": act }))
}

pub fn echo(number: u64) -> Task {
    task("echo", "1.0.0", &json!({"value": number}))
}

/// The same task with a limit, and no second attempt after it.
pub fn limited(mut task: Task, milliseconds: u64) -> Task {
    task.runtime_limit = Some(Duration::from_millis(milliseconds));
    task.retry = Some(Box::new(RetryPolicy::never()));
    task
}
