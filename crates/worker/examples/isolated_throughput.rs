//! How many tasks that do nothing a worker runs in processes of their own, reused or fresh, and as commands:
//! `cargo run --release -p worker --example isolated_throughput`. The first argument sets their number.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backends::broker::TaskProducer as _;
use backends::embedded::EmbeddedBroker;
use otaman::{Isolation, Registry, Resources};
use protocol::{Session, SessionId, Task, Value};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use worker::Config;

/// Slots of the worker.
const SLOTS: u32 = 2;
/// More than a process takes that has run nothing, and less than four times as much: with this limit none
/// is used twice.
const TIGHT: u64 = 16 * 1024 * 1024;

type Failed = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failed> {
    let first = std::env::args().nth(1);
    let is_other_process = first.as_ref().is_some_and(|first| first.starts_with("--"));
    if is_other_process {
        // Never returns.
        drop(worker::embedded(Resources::new()));
    }
    let count = first.map_or(Ok(2_000), |count| count.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let measure = |what: &str, make: &dyn Fn(u32) -> Result<Task, Failed>| {
        let rate = runtime.block_on(rate(count, make))?;
        writeln!(std::io::stdout(), "{rate:>8.0} tasks/s  {what}")?;
        Ok::<_, Failed>(())
    };
    let command =
        |number: u32| task("command", &json!({"argv": ["true"], "env": {"NUMBER": number.to_string()}}));
    let echo = |number| task("echo", &json!({"value": number}));
    let isolated = |number| Ok(Task { isolation: Isolation::Process, ..echo(number)? });
    // Before there is a program that could be its guard.
    measure("command `true`, without a guard", &command)?;
    drop(worker::embedded(Resources::new()));
    for _ in 0..2 {
        measure("command `true`, guarded", &command)?;
        measure("isolated `echo`, processes reused", &isolated)?;
        let fresh = |number| Ok(Task { memory_limit: Some(TIGHT), ..isolated(number)? });
        measure("isolated `echo`, a fresh process for each", &fresh)?;
    }
    Ok(())
}

fn task(operation: &str, arguments: &serde_json::Value) -> Result<Task, Failed> {
    Ok(Task::new(operation.parse()?, "1.0.0".parse()?, Value::encode(arguments)?))
}

/// Tasks a second, all of which must succeed.
async fn rate(count: u32, make: &dyn Fn(u32) -> Result<Task, Failed>) -> Result<f64, Failed> {
    let broker = EmbeddedBroker::new();
    let producer = broker.producer("throughput".parse()?);
    let config = Config { concurrency: SLOTS as usize, ..Config::default() };
    let session = Session {
        id: SessionId::from_uuid(uuid::Uuid::new_v4()),
        node: "here".into(),
        pid: std::process::id(),
        worker_types: Vec::new(),
        concurrency: SLOTS,
        lease: Duration::from_secs(10),
    };
    let consumer = Arc::new(broker.consumer(session.clone(), std::env::temp_dir()));
    let (registry, resources) = (Arc::new(Registry::linked()?), Arc::new(Resources::new()));
    let stop = CancellationToken::new();
    let work = worker::run(config, registry, resources, consumer, session, stop.clone());
    let working = tokio::spawn(work);
    let tasks: Vec<Arc<Task>> =
        (0..count).map(|number| make(number).map(Arc::new)).collect::<Result<_, _>>()?;
    let (start, mut heard) = (Instant::now(), 0);
    producer.publish(tasks).await?;
    while heard < count as usize {
        let news = producer.news().await?;
        if let Some(failure) = news.outcomes.iter().find_map(|outcome| outcome.failure()) {
            return Err(failure.summary().into());
        }
        heard += news.outcomes.len();
        producer.acknowledge(news.receipt).await?;
    }
    let rate = f64::from(count) / start.elapsed().as_secs_f64();
    stop.cancel();
    working.await??;
    Ok(rate)
}
