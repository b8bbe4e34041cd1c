//! Junk in a queue of tasks that a worker serves: put aside and counted, while real tasks run.
#![expect(clippy::print_stdout, reason = "the seed and the figures of a run are worth telling")]

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use backends::rabbitmq::{Config, Header, Message, Queue, Rabbit};
use protocol::{Envelope, OperationName, Task, Value};
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use serde_json::json;
use tests::servers::{RabbitMq, Redis};
use tests::{Cluster, Running, until_within};

const JUNK: usize = 20_000;
const TASKS: usize = 500;
const OVERSIZED: usize = 60;
const DEEP: usize = 60;
const OVERSIZE: usize = 2 * 1024 * 1024;
/// The length of a reference to bytes elsewhere, for which a worker would look.
const REFERENCE: usize = 41;
const EXECUTION: &str = "junk";
const MOST_MEMORY_KIB: u64 = 150 * 1024;
const LONG: Duration = Duration::from_secs(120);

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

fn junk(random: &mut StdRng) -> Vec<Junk> {
    let mut all = Vec::with_capacity(JUNK);
    all.extend((0..OVERSIZED).map(|_| random_bytes(random, OVERSIZE)));
    all.extend((0..DEEP).map(|_| [vec![0x91; random.random_range(33..500_000)], vec![0xc0]].concat()));
    while all.len() < JUNK {
        let bytes = if random.random() {
            mutated(random)
        } else {
            let length = random.random_range(0..256);
            random_bytes(random, length)
        };
        if bytes.len() != REFERENCE {
            all.push(bytes);
        }
    }
    let mut all: Vec<Junk> =
        all.into_iter().map(|body| Junk { body, has_headers: random.random_range(0..8) > 0 }).collect();
    for last in (1..all.len()).rev() {
        all.swap(last, random.random_range(0..=last));
    }
    all
}

/// The most memory that a process has had, in KiB.
fn most_memory(running: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", running.pid().as_raw_pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[track_caller]
fn assert_numbers(cluster: &Cluster, id: &str, publish: impl FnOnce()) {
    let spec = json!({"@type": "map_flow", "over": {"range": [0, TASKS]},
        "do": {"@type": "echo", "value": "{item}"}});
    let spec = cluster.coordinator().file("spec.json", &spec.to_string());
    let mut running = cluster.coordinator().start(&["execute", &spec, "--id", id, "--quiet", "--json"]);
    publish();
    until_within(LONG, "the end of the real tasks", || running.has_ended().then_some(()));
    let document = running.wait().expect(0).json();
    assert_eq!(document["tasks"]["succeeded"], TASKS, "{document:#}");
    assert_eq!(document["result"], json!((0..TASKS).collect::<Vec<_>>()));
}

#[test]
fn twenty_thousand_junk_messages_are_put_aside_while_tasks_run() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let rabbitmq = RabbitMq::options().line("vm_memory_high_watermark.absolute = 1GB").start();
    let cluster = Cluster::of(rabbitmq, Redis::start());
    let worker = cluster.worker().start(&["--queue", "cpu", "--concurrency", "2", "--listen", "127.0.0.1:0"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config::new(cluster.rabbitmq().url().parse().unwrap(), "stranger");
    let rabbit = runtime.block_on(Rabbit::connect(config)).unwrap();
    let queue = Arc::new(Queue::shared("otaman.tasks.cpu"));

    let all = junk(&mut StdRng::seed_from_u64(seed));
    let refused = all.iter().filter(|junk| !junk.is_a_task()).count() as u64;
    assert!(refused > JUNK as u64 / 2, "{refused} are junk indeed");
    let mut messages = all.into_iter().map(|junk| junk.message(&queue));
    let mut publish = |count: usize| {
        for _ in 0..count / 500 {
            let batch: Vec<Message> = messages.by_ref().take(500).collect();
            runtime.block_on(rabbit.publish(batch)).unwrap();
        }
    };
    publish(JUNK / 2);
    assert_numbers(&cluster, "real", || publish(JUNK / 2));
    until_within(LONG, "all junk to be counted", || {
        let counted = worker.metric("refused_total");
        assert!(counted <= refused, "{counted} of {refused} were refused");
        (counted == refused).then_some(())
    });
    assert_eq!(worker.metric("sessions_total"), 1);
    let dead = || runtime.block_on(rabbit.count("otaman.dead")).unwrap().unwrap().ready;
    until_within(LONG, "all junk to be put aside", || (u64::from(dead()) == refused).then_some(()));
    let memory = most_memory(&worker);
    println!("{refused} of {JUNK} messages put aside; the worker took at most {memory} KiB");
    assert!(memory < MOST_MEMORY_KIB, "{memory} KiB");
    // It goes on as if nothing had been.
    assert_numbers(&cluster, "later", || ());
}
