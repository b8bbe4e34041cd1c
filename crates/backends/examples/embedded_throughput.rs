//! How fast the embedded broker and store are: `cargo run --release --example embedded_throughput`.
//! A first argument sets the number of tasks, a second one `broker`, `store` or `both`.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backends::broker::{Receipt, TaskConsumer, TaskProducer};
use backends::embedded::{EmbeddedBroker, EmbeddedStore};
use backends::store::{Checkpoint, Entry, Store};
use protocol::{
    Ending, ExecutionId, ExecutionRecord, OperationName, Outcome, Session, SessionId, Task, Value,
};
use tokio::sync::mpsc;

/// Tasks that are out at once.
const IN_FLIGHT: usize = 20_000;
const PUBLISH_AT_ONCE: usize = 1_024;
const RECORD_AT_ONCE: usize = 8_192;
const CONSUMERS: usize = 2;

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().map_or(Ok(1_000_000), |count| count.parse())?;
    let only = arguments.next();
    let directory = std::env::temp_dir().join(format!("otaman-throughput-{}", std::process::id()));
    for what in ["broker", "store", "both"] {
        if only.as_ref().is_some_and(|only| only != what) {
            continue;
        }
        let begun = Instant::now();
        match what {
            "broker" => run(count, None).await?,
            "store" => fill(count, checkpoint(&directory, what).await?).await?,
            _ => run(count, Some(checkpoint(&directory, what).await?)).await?,
        }
        let rate = count as f64 / begun.elapsed().as_secs_f64();
        say(&format!("{what}: {rate:.0} tasks/s, peak {} MiB of memory so far", peak_memory_mib()?))?;
    }
    if only.as_deref() != Some("broker") {
        recall(count, &directory, only.as_deref().unwrap_or("store")).await?;
        std::fs::remove_dir_all(&directory)?;
    }
    Ok(())
}

/// Publishes, leases, completes and hears of all tasks; records their outcomes if asked to.
async fn run(count: usize, checkpoint: Option<Arc<dyn Checkpoint>>) -> Result<(), Failed> {
    let broker = EmbeddedBroker::new();
    let producer = broker.producer("throughput".parse()?);
    let consumers: Vec<_> = (0..CONSUMERS).map(|_| tokio::spawn(work(broker.clone()))).collect();
    let (to_record, recorder) = match checkpoint {
        Some(checkpoint) => {
            let (sender, receiver) = mpsc::channel(4);
            (Some(sender), Some(tokio::spawn(record(checkpoint, receiver))))
        }
        None => (None, None),
    };
    let (mut published, mut heard) = (0, 0);
    while heard < count {
        while published < count && published - heard + PUBLISH_AT_ONCE <= IN_FLIGHT {
            let until = count.min(published + PUBLISH_AT_ONCE);
            producer.publish((published..until).map(task).collect()).await?;
            published = until;
        }
        let news = producer.news().await?;
        heard += news.outcomes.len();
        if let Some(sender) = &to_record {
            let template = task(0);
            let entry = |outcome| Entry { task: Arc::clone(&template), outcome: Arc::new(outcome) };
            sender.send(news.outcomes.into_iter().map(entry).collect()).await?;
        }
        acknowledge(&producer, news.receipt).await?;
    }
    drop(to_record);
    if let Some(recorder) = recorder {
        recorder.await??;
    }
    broker.close();
    for consumer in consumers {
        consumer.await??;
    }
    Ok(())
}

async fn acknowledge(producer: &impl TaskProducer, receipt: Receipt) -> Result<(), Failed> {
    Ok(producer.acknowledge(receipt).await?)
}

async fn work(broker: EmbeddedBroker) -> Result<(), Failed> {
    let session = session();
    let id = session.id;
    let consumer = broker.consumer(session, std::env::temp_dir());
    while let Some(delivery) = consumer.lease().await? {
        let mut outcome = outcome(delivery.task.id, id);
        outcome.attempt = delivery.lease.token.attempt;
        consumer.complete(delivery.lease, outcome).await?;
    }
    Ok(())
}

/// Groups what has come while the last group was written.
async fn record(
    checkpoint: Arc<dyn Checkpoint>,
    mut entries: mpsc::Receiver<Vec<Entry>>,
) -> Result<(), Failed> {
    while let Some(mut group) = entries.recv().await {
        while group.len() < RECORD_AT_ONCE
            && let Ok(more) = entries.try_recv()
        {
            group.extend(more);
        }
        checkpoint.append(group).await?;
    }
    Ok(())
}

async fn fill(count: usize, checkpoint: Arc<dyn Checkpoint>) -> Result<(), Failed> {
    let (template, id) = (task(0), session().id);
    let mut slowest = Duration::ZERO;
    for first in (0..count).step_by(RECORD_AT_ONCE) {
        let until = count.min(first + RECORD_AT_ONCE);
        let entry = |at| Entry { task: Arc::clone(&template), outcome: Arc::new(outcome(task_id(at), id)) };
        let entries = (first..until).map(entry).collect();
        let begun = Instant::now();
        checkpoint.append(entries).await?;
        slowest = slowest.max(begun.elapsed());
    }
    let begun = Instant::now();
    for _ in 0..100 {
        checkpoint
            .append(vec![Entry { task: Arc::clone(&template), outcome: Arc::new(outcome(task_id(0), id)) }])
            .await?;
    }
    let single = begun.elapsed() / 100;
    say(&format!(
        "store: slowest append of {RECORD_AT_ONCE} took {slowest:.1?}, an append of one {single:.1?}"
    ))
}

/// Resumes what was filled and looks everything up in order.
async fn recall(count: usize, directory: &std::path::Path, name: &str) -> Result<(), Failed> {
    let store = EmbeddedStore::open(directory.to_owned())?;
    let begun = Instant::now();
    let checkpoint = store.resume(&name.parse()?).await?;
    let resumed = begun.elapsed();
    let begun = Instant::now();
    for first in (0..count).step_by(100) {
        let wanted: Vec<_> = (first..count.min(first + 100)).map(task_id).collect();
        if checkpoint.recall(&wanted).await?.iter().any(Option::is_none) {
            return Err("a recorded outcome is missing".into());
        }
    }
    let each = begun.elapsed() / u32::try_from(count)?;
    let unknown: Vec<_> = (count..count + 1_000).map(task_id).collect();
    let begun = Instant::now();
    checkpoint.recall(&unknown).await?;
    let miss = begun.elapsed() / 1_000;
    say(&format!("resume took {resumed:.1?}, then {each:?} per recall in order, {miss:?} per miss"))?;
    let size = std::fs::metadata(directory.join("executions").join(name).join("store.redb"))?.len();
    say(&format!("{} bytes of file per outcome, peak {} MiB", size / count as u64, peak_memory_mib()?))
}

async fn checkpoint(directory: &std::path::Path, name: &str) -> Result<Arc<dyn Checkpoint>, Failed> {
    let store = EmbeddedStore::open(directory.to_owned())?;
    let id: ExecutionId = name.parse()?;
    let record = ExecutionRecord::new(id, "-", "{}", 1);
    Ok(store.create(record).await?)
}

fn session() -> Session {
    Session {
        id: SessionId::from_uuid(uuid::Uuid::new_v4()),
        node: "here".into(),
        pid: std::process::id(),
        worker_types: Vec::new(),
        concurrency: 1,
        lease: Duration::from_secs(10),
    }
}

/// Ids as uniform as real ones, but cheaper than hashing.
fn task_id(number: usize) -> protocol::TaskId {
    let mixed = (number as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    protocol::TaskId::from_u128(mixed ^ mixed >> 61)
}

/// Shares what real tasks of one operation share, so that making tasks is not what is measured.
fn task(number: usize) -> Arc<Task> {
    static TEMPLATE: std::sync::LazyLock<Task> = std::sync::LazyLock::new(|| {
        let operation = OperationName::new("no-op").expect("it follows the grammar");
        Task::new(operation, semver::Version::new(1, 0, 0), Value::null())
    });
    Arc::new(Task { id: task_id(number), ..TEMPLATE.clone() })
}

fn outcome(task: protocol::TaskId, session: SessionId) -> Outcome {
    Outcome {
        ending: Ending::Succeeded(Value::null()),
        attempt: 1,
        session: Some(session),
        started_at_us: 1_790_000_000_000_000,
        duration: Duration::from_micros(3),
        ..Outcome::cancelled(task)
    }
}

fn peak_memory_mib() -> Result<u64, Failed> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
}

fn say(line: &str) -> Result<(), Failed> {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
