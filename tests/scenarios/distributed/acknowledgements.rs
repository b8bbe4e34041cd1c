//! Tasks that take longer than the broker waits for a delivery's acknowledgement.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::servers::{RabbitMq, Redis};
use tests::{Cluster, Running, until, until_within};

use super::{execute, lines, until_there_are};

/// The shortest that RabbitMQ's makers support.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How often the broker looks; a minute unless told otherwise.
const LOOKS: Duration = Duration::from_secs(5);
const TASK: Duration = Duration::from_secs(90);

#[test]
fn a_task_longer_than_the_acknowledgement_timeout_runs_once_and_costs_no_channel() {
    let settings = format!(
        "[{{rabbit, [{{consumer_timeout, {}}}, {{channel_tick_interval, {}}}]}}].",
        TIMEOUT.as_millis(),
        LOOKS.as_millis()
    );
    let cluster = Cluster::of(RabbitMq::options().advanced(&settings).start(), Redis::start());
    let runs = cluster.path("runs");
    let script = format!("echo run >> {runs}; sleep {}; echo done", TASK.as_secs());
    let spec = json!({"@type": "command", "argv": ["sh", "-c", script], "@key": "long"});
    let arguments = ["--queue", "cpu", "--listen", "127.0.0.1:0"];
    let workers = cluster.start_workers(2, &arguments);
    // One that subscribes to a queue which the other is just making may lose its first connection.
    until_there_are(&cluster, 2);
    let started = Instant::now();
    let mut running = execute(&cluster, "long", &spec, &["--quiet"]);
    until("the task to run", || (lines(&runs) == 1).then_some(()));
    let losses = |worker: &Running| worker.stderr().matches("lost RabbitMQ").count();
    let before: Vec<usize> = workers.iter().map(losses).collect();
    until_within(2 * TASK, "the end of the task", || running.has_ended().then_some(()));
    assert!(started.elapsed() > TIMEOUT + 2 * LOOKS, "{:?}", started.elapsed());
    let document = running.wait().expect(0).json();
    assert_eq!(document["result"]["stdout"], "done\n");
    assert_eq!(document["tasks"]["retried"], 0);
    assert_eq!(lines(&runs), 1);
    let handed_over: u64 = workers.iter().map(|worker| worker.metric("handed_over_total")).sum();
    assert_eq!(handed_over, 1, "the delivery must have been exchanged for a copy");
    assert_eq!(workers.iter().map(losses).collect::<Vec<_>>(), before, "a connection was lost");
    let log = fs::read_to_string(cluster.rabbitmq().logs().join("log")).expect("the broker has a log");
    for trouble in
        ["timed out waiting for delivery acknowledgement", "PRECONDITION_FAILED", "precondition_failed"]
    {
        assert!(!log.contains(trouble), "{log}");
    }
}
