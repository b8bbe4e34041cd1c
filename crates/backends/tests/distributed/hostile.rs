//! Junk in a queue of tasks that a worker serves: put aside and counted, while real tasks run.
#![expect(clippy::print_stdout, reason = "the seed and the figures of a run are worth telling")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use backends::rabbitmq::{Config, Header, Message, Queue, Rabbit};
use protocol::{Envelope, OperationName, Task, Value};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde_json::json;
use tests::servers::{RabbitMq, Redis};
use tests::{Cluster, Running, most_memory, until_within};

/// Real tasks of an execution.
const TASKS: usize = 500;
const OVERSIZE: usize = 2 * 1024 * 1024;
/// The length of a reference to bytes elsewhere, for which a worker would look.
const REFERENCE: usize = 41;
const EXECUTION: &str = "junk";
const MOST_MEMORY: u64 = 150 * 1024 * 1024;
/// How many messages are published at once, and how much junk may wait in the queue.
const BATCH: u64 = 500;
const MOST_WAITING: u64 = 20_000;
const LONG: Duration = Duration::from_secs(120);

/// What comes to a queue of tasks.
#[derive(Clone, Copy)]
struct Flood {
    messages: u64,
    /// About so many of them are oversized, and as many deeply nested.
    large: u64,
}

/// A message of unknown origin, and whether it can be taken for a task all the same.
struct Junk {
    body: Vec<u8>,
    has_headers: bool,
}

impl Junk {
    fn is_a_task(&self) -> bool {
        let is_from = |envelope: Envelope<Task>| envelope.execution.as_str() == EXECUTION;
        self.has_headers && Envelope::<Task>::decode(&self.body).is_ok_and(is_from)
    }

    fn message(self, queue: &Arc<Queue>) -> Message {
        let mut headers = Vec::new();
        if self.has_headers {
            headers.push(("otaman-incarnation", Header::Number(1)));
            headers.push(("otaman-execution", Header::Bytes(EXECUTION.into())));
        }
        let id = uuid::Uuid::new_v4().to_string();
        Message { queue: Arc::clone(queue), id, body: self.body.into(), headers }
    }
}

fn random_bytes(random: &mut StdRng, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    random.fill_bytes(&mut bytes);
    bytes
}

/// A real message with some bytes changed, left out or added.
fn mutated(random: &mut StdRng) -> Vec<u8> {
    let arguments = Value::encode(&json!({"value": random.random::<u64>()})).unwrap();
    let task = Task::new(OperationName::new("echo").unwrap(), "1.0.0".parse().unwrap(), arguments);
    let envelope = Envelope { execution: EXECUTION.parse().unwrap(), body: task };
    let mut bytes = envelope.encode().unwrap();
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..4) {
            0 => bytes[at] = random.random(),
            1 => bytes[at] ^= 1 << random.random_range(0..8),
            2 => drop(bytes.remove(at)),
            _ => bytes.insert(at, random.random()),
        }
    }
    bytes
}

fn junk(random: &mut StdRng, flood: Flood) -> Junk {
    let draw = random.random_range(0..flood.messages);
    let body = if draw < flood.large {
        random_bytes(random, OVERSIZE)
    } else if draw < 2 * flood.large {
        [vec![0x91; random.random_range(33..500_000)], vec![0xc0]].concat()
    } else if random.random() {
        mutated(random)
    } else {
        let length = random.random_range(0..256);
        random_bytes(random, length)
    };
    if body.len() == REFERENCE {
        return junk(random, flood);
    }
    Junk { body, has_headers: random.random_range(0..8) > 0 }
}

/// Somebody who publishes junk.
struct Stranger<'t> {
    runtime: &'t tokio::runtime::Runtime,
    rabbit: Rabbit,
    queue: Arc<Queue>,
    worker: &'t Running,
    random: StdRng,
    /// How much that is no task was published so far.
    refusable: u64,
}

impl Stranger<'_> {
    fn publish(&mut self, flood: Flood, count: u64) {
        for _ in 0..count / BATCH {
            let batch: Vec<Junk> = (0..BATCH).map(|_| junk(&mut self.random, flood)).collect();
            self.refusable += batch.iter().filter(|junk| !junk.is_a_task()).count() as u64;
            let messages = batch.into_iter().map(|junk| junk.message(&self.queue)).collect();
            self.runtime.block_on(self.rabbit.publish(messages)).unwrap();
            until_within(LONG, "some of the junk to be taken", || {
                (self.refusable.saturating_sub(self.counted()) < MOST_WAITING).then_some(())
            });
        }
    }

    /// How much of it the worker has refused; what comes again, since a connection was lost, counts again.
    fn counted(&self) -> u64 {
        self.worker.metric("refused_total")
    }
}

/// An execution goes well and to its end.
#[track_caller]
fn assert_numbers(cluster: &Cluster, id: &str) {
    let spec = json!({"@type": "map_flow", "over": {"range": [0, TASKS]},
        "do": {"@type": "echo", "value": "{item}"}});
    let spec = cluster.coordinator().file("spec.json", &spec.to_string());
    let mut running = cluster.coordinator().start(&["execute", &spec, "--id", id, "--quiet", "--json"]);
    until_within(LONG, "the end of the real tasks", || running.has_ended().then_some(()));
    let document = running.wait().expect(0).json();
    assert_eq!(document["tasks"]["succeeded"], TASKS, "{document:#}");
    assert_eq!(document["result"], json!((0..TASKS).collect::<Vec<_>>()));
}

fn assert_put_aside_while_tasks_run(flood: Flood) {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let rabbitmq = RabbitMq::options().line("vm_memory_high_watermark.absolute = 4GB").start();
    let cluster = Cluster::of(rabbitmq, Redis::start());
    let worker = cluster.worker().start(&["--queue", "cpu", "--concurrency", "2", "--listen", "127.0.0.1:0"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config::new(cluster.rabbitmq().url().parse().unwrap(), "stranger");
    let rabbit = runtime.block_on(Rabbit::connect(config)).unwrap();
    let mut stranger = Stranger {
        runtime: &runtime,
        rabbit: rabbit.clone(),
        queue: Arc::new(Queue::shared("otaman.tasks.cpu")),
        worker: &worker,
        random: StdRng::seed_from_u64(seed),
        refusable: 0,
    };

    until_within(LONG, "the worker to be ready", || (worker.page("/readyz").status == 200).then_some(()));
    let begun = Instant::now();
    stranger.publish(flood, flood.messages / 2);
    let mut executions = 0;
    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| stranger.publish(flood, flood.messages / 2));
        while executions == 0 || !publishing.is_finished() {
            executions += 1;
            assert_numbers(&cluster, &format!("beside-{executions}"));
        }
    });
    let refusable = stranger.refusable;
    assert!(refusable > flood.messages / 2, "{refusable} are junk indeed");
    until_within(LONG, "all junk to be counted", || (stranger.counted() >= refusable).then_some(()));
    let took = begun.elapsed();
    assert_eq!(worker.metric("sessions_total"), 1);
    let dead = || runtime.block_on(rabbit.count("otaman.dead")).unwrap().unwrap().ready;
    until_within(LONG, "all junk to be put aside", || (u64::from(dead()) >= refusable).then_some(()));
    let memory = most_memory(worker.pid().as_raw_pid()).expect("it runs");
    println!(
        "{refusable} of {} messages put aside in {took:.1?}, {:.0} a second, beside {executions} executions \
        of {TASKS} tasks; the worker took at most {} MB",
        flood.messages,
        refusable as f64 / took.as_secs_f64(),
        memory / 1_000_000,
    );
    assert!(memory < MOST_MEMORY, "{memory} bytes");
    // It goes on as if nothing had been.
    assert_numbers(&cluster, "later");
}

#[test]
fn twenty_thousand_junk_messages_are_put_aside_while_tasks_run() {
    assert_put_aside_while_tasks_run(Flood { messages: 20_000, large: 60 });
}

#[test]
#[ignore = "takes long: `just junk`, with a release build"]
fn a_million_junk_messages_are_put_aside_while_tasks_run() {
    assert_put_aside_while_tasks_run(Flood { messages: 1_000_000, large: 300 });
}
