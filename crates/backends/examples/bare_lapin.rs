//! The least that a queue of tasks can do with the same client and broker: publish tasks with confirms,
//! consume them, publish an outcome for each with confirm, acknowledge. No leases, no record, no
//! recovery. The other side of the benchmark of the distributed backend.
//!
//! `bare_lapin worker URL` in one process, then `bare_lapin producer URL COUNT` (tasks per second) or
//! `bare_lapin latency URL COUNT` (round trips, one at a time) in another.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, PublisherConfirm};

const TASKS: &str = "bare.tasks";
const OUTCOMES: &str = "bare.outcomes";
const BODY: [u8; 200] = [7; 200];
/// Messages that are published at once.
const CHUNK: usize = 256;
/// Chunks whose confirms may be outstanding.
const CHUNKS: usize = 8;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "worker", url] => work(url).await,
        [_, "producer", url, count] => produce(url, count.parse()?).await,
        [_, "latency", url, count] => measure_latency(url, count.parse()?).await,
        _ => Err("usage: bare_lapin worker URL | producer URL COUNT | latency URL COUNT".into()),
    }
}

async fn channel(connection: &Connection) -> Result<Channel> {
    let channel = connection.create_channel().await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    for queue in [TASKS, OUTCOMES] {
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(queue.into(), options, arguments.clone()).await?;
    }
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok(channel)
}

async fn connect(url: &str) -> Result<Connection> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

/// Publishes so many messages; their confirms are to be waited for.
async fn publish(channel: &Channel, queue: &str, count: usize) -> Result<Vec<PublisherConfirm>> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let properties = BasicProperties::default().with_delivery_mode(2);
    let one = |_| channel.basic_publish("".into(), queue.into(), options, &BODY, properties.clone());
    Ok(futures::future::try_join_all((0..count).map(one)).await?)
}

async fn work(url: &str) -> Result<()> {
    let (incoming, outgoing) = (connect(url).await?, connect(url).await?);
    let (consuming, publishing) = (channel(&incoming).await?, channel(&outgoing).await?);
    consuming.basic_qos(2_048, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut tasks =
        consuming.basic_consume(TASKS.into(), "worker".into(), options, FieldTable::default()).await?;
    // Acknowledged in order, while the next ones are on their way.
    let (sent, mut unconfirmed) = tokio::sync::mpsc::channel::<(u64, Vec<PublisherConfirm>)>(CHUNKS);
    let acknowledging = tokio::spawn(async move {
        while let Some((last, confirms)) = unconfirmed.recv().await {
            for confirm in confirms {
                confirm.await.expect("the broker runs");
            }
            let acked = consuming.basic_ack(last, BasicAckOptions { multiple: true });
            acked.await.expect("the broker runs");
        }
    });
    while let Some(task) = tasks.next().await {
        let (mut last, mut count) = (task?.delivery_tag, 1);
        // Whatever else is there goes with it.
        while count < CHUNK
            && let Some(Some(task)) = futures::FutureExt::now_or_never(tasks.next())
        {
            last = task?.delivery_tag;
            count += 1;
        }
        sent.send((last, publish(&publishing, OUTCOMES, count).await?)).await?;
    }
    drop(sent);
    Ok(acknowledging.await?)
}

async fn produce(url: &str, count: usize) -> Result<()> {
    let (incoming, outgoing) = (connect(url).await?, connect(url).await?);
    let (consuming, publishing) = (channel(&incoming).await?, channel(&outgoing).await?);
    consuming.basic_qos(1_000, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut outcomes =
        consuming.basic_consume(OUTCOMES.into(), "producer".into(), options, FieldTable::default()).await?;
    let started = Instant::now();
    let collecting = tokio::spawn(async move {
        for number in 1..=count {
            let outcome = outcomes.next().await.expect("the worker works").expect("the broker runs");
            if number % CHUNK == 0 || number == count {
                let acked = consuming.basic_ack(outcome.delivery_tag, BasicAckOptions { multiple: true });
                acked.await.expect("the broker runs");
            }
        }
    });
    let mut unconfirmed = std::collections::VecDeque::new();
    let mut published = 0;
    while published < count {
        let chunk = CHUNK.min(count - published);
        unconfirmed.push_back(publish(&publishing, TASKS, chunk).await?);
        published += chunk;
        if unconfirmed.len() > CHUNKS {
            for confirm in unconfirmed.pop_front().into_iter().flatten() {
                confirm.await?;
            }
        }
    }
    for confirm in unconfirmed.into_iter().flatten() {
        confirm.await?;
    }
    collecting.await?;
    report(&serde_json::json!({ "tasks_per_s": count as f64 / started.elapsed().as_secs_f64() }));
    Ok(())
}

async fn measure_latency(url: &str, count: usize) -> Result<()> {
    let (incoming, outgoing) = (connect(url).await?, connect(url).await?);
    let (consuming, publishing) = (channel(&incoming).await?, channel(&outgoing).await?);
    let options = BasicConsumeOptions::default();
    let mut outcomes =
        consuming.basic_consume(OUTCOMES.into(), "producer".into(), options, FieldTable::default()).await?;
    let mut times: Vec<Duration> = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        for confirm in publish(&publishing, TASKS, 1).await? {
            confirm.await?;
        }
        let outcome = outcomes.next().await.ok_or("the worker is gone")??;
        times.push(started.elapsed());
        consuming.basic_ack(outcome.delivery_tag, BasicAckOptions::default()).await?;
    }
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    report(&serde_json::json!({ "p50_ms": at(0.5), "p99_ms": at(0.99) }));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are what this program is for")]
fn report(figures: &serde_json::Value) {
    println!("{figures}");
}
