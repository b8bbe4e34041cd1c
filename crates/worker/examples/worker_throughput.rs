//! How many tasks that do nothing a worker runs at an embedded broker:
//! `cargo run --release --example worker_throughput`. The first argument sets their number.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backends::broker::TaskProducer;
use backends::embedded::EmbeddedBroker;
use otaman::{Registry, Resources};
use protocol::{OperationName, Session, SessionId, Task, Value};
use tokio_util::sync::CancellationToken;
use worker::Config;

/// Tasks that are out at once.
const IN_FLIGHT: u64 = 20_000;
const PUBLISH_AT_ONCE: u64 = 1_024;

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Failed> {
    let count = std::env::args().nth(1).map_or(Ok(1_000_000), |count| count.parse())?;
    let broker = EmbeddedBroker::new();
    let producer = broker.producer("throughput".parse()?);
    let config = Config { concurrency: 2, ..Config::default() };
    let session = Session {
        id: SessionId::from_uuid(uuid::Uuid::new_v4()),
        node: "here".into(),
        pid: std::process::id(),
        worker_types: Vec::new(),
        concurrency: 2,
        lease: Duration::from_secs(10),
    };
    let consumer = Arc::new(broker.consumer(session.clone(), std::env::temp_dir()));
    let registry = Arc::new(Registry::linked()?);
    let stop = CancellationToken::new();
    let worker = tokio::spawn(worker::run(
        config,
        registry,
        Arc::new(Resources::new()),
        consumer,
        session,
        stop.clone(),
    ));
    let tasks: Vec<Arc<Task>> = (0..count).map(echo).collect::<Result<_, _>>()?;
    let (mut published, mut heard) = (0, 0);
    let (start, used) = (Instant::now(), processor_time()?);
    while heard < count {
        while published < count && published - heard + PUBLISH_AT_ONCE <= IN_FLIGHT {
            let until = count.min(published + PUBLISH_AT_ONCE);
            producer.publish(tasks[published as usize..until as usize].to_vec()).await?;
            published = until;
        }
        let news = producer.news().await?;
        heard += news.outcomes.len() as u64;
        producer.acknowledge(news.receipt).await?;
    }
    let rate = count as f64 / start.elapsed().as_secs_f64();
    let each = (processor_time()? - used).as_secs_f64() * 1e6 / count as f64;
    stop.cancel();
    let report = worker.await??;
    writeln!(std::io::stdout(), "{rate:.0} tasks/s, {each:.2} µs of processor time each, {report:?}")?;
    Ok(())
}

fn echo(number: u64) -> Result<Arc<Task>, Failed> {
    let arguments = Value::encode(&serde_json::json!({ "value": number }))?;
    Ok(Arc::new(Task::new(OperationName::new("echo")?, "1.0.0".parse()?, arguments)))
}

/// Processor time that this process has used, broker and producer included.
fn processor_time() -> Result<Duration, Failed> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}
