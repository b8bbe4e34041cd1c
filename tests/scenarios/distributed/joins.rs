//! What waits for many tasks goes on once, when all of them have ended.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tests::servers::{RabbitMq, Redis};
use tests::{Cluster, Running, most_memory, until_within};

use super::{execute, numbers};

const WORKERS: usize = 4;
const WORKER: &[&str] = &["--queue", "cpu", "--concurrency", "1", "--quiet"];

/// A command that appends a line.
fn says(word: &str, log: &str) -> Json {
    json!({"@type": "command", "argv": ["sh", "-c", format!("echo {word} >> {log}")], "@key": word})
}

#[test]
fn a_join_of_0_1_and_2_children_goes_on_once_and_after_them() {
    let cluster = Cluster::start();
    let _workers = cluster.start_workers(WORKERS, WORKER);
    for count in 0..=2 {
        let id = format!("join-of-{count}");
        let log = cluster.path(&id);
        let children = json!({"@type": "map_flow", "over": {"range": [0, count]},
            "do": {"@type": "command", "argv": ["sh", "-c", format!("sleep 0.{{item}}; echo child >> {log}")]}});
        let spec = json!({"@type": "mazepa.sequential_flow", "stages": [children, says("joined", &log)]});
        let document = execute(&cluster, &id, &spec, &["--quiet"]).wait().expect(0).json();
        assert_eq!(document["tasks"]["succeeded"], count + 1, "{document:#}");
        assert_eq!(document["result"][0].as_array().map(Vec::len), Some(count));
        let said = fs::read_to_string(&log).expect("the join has said something");
        assert_eq!(said, "child\n".repeat(count) + "joined\n");
    }
}

fn goes_on_once_after(cluster: &Cluster, workers: &[Running], count: u64, limit: Duration) {
    let log = cluster.path("log");
    let spec = json!({"@type": "mazepa.sequential_flow", "stages": [numbers(count), says("joined", &log)]});
    let started = Instant::now();
    let mut running = execute(cluster, "join", &spec, &["--quiet"]);
    let coordinator = running.pid().as_raw_pid();
    let mut memory = 0;
    until_within(limit, "the end of the execution", || {
        memory = most_memory(coordinator).unwrap_or(memory);
        running.has_ended().then_some(())
    });
    let took = started.elapsed();
    let document = running.wait().expect(0).json();
    let tasks = &document["tasks"];
    assert_eq!((&tasks["expanded"], &tasks["succeeded"]), (&json!(count + 1), &json!(count + 1)));
    let values = document["result"][0].as_array().expect("a list");
    assert!(values.iter().map(Json::as_u64).eq((0..count).map(Some)), "not the values of its children");
    assert_eq!(fs::read_to_string(&log).expect("the join has said something"), "joined\n");

    let megabytes = |bytes: u64| bytes / 1_000_000;
    let of = |pid: i32| megabytes(most_memory(pid).unwrap_or_default());
    let most_of_a_worker =
        workers.iter().map(|worker| of(worker.pid().as_raw_pid())).max().unwrap_or_default();
    println!(
        "a join of {count} took {took:.1?}, {:.0} tasks/s, retried {}; at most {} MB in the coordinator, \
        {most_of_a_worker} MB in a worker, {} MB in RabbitMQ, {} MB in Redis",
        count as f64 / took.as_secs_f64(),
        tasks["retried"],
        megabytes(memory),
        of(cluster.rabbitmq().pid()),
        of(cluster.redis().pid()),
    );
}

#[test]
fn a_join_of_45_000_children_goes_on_once() {
    let cluster = Cluster::start();
    let workers = cluster.start_workers(WORKERS, WORKER);
    goes_on_once_after(&cluster, &workers, 45_000, Duration::from_secs(600));
}

#[test]
#[ignore = "takes long: `just million`, with a release build"]
fn a_join_of_a_million_children_goes_on_once() {
    // With the memory that tests' brokers have, it would stand still now and then.
    let rabbitmq = RabbitMq::options().line("vm_memory_high_watermark.absolute = 4GB").start();
    let cluster = Cluster::of(rabbitmq, Redis::start());
    let workers = cluster.start_workers(WORKERS, WORKER);
    goes_on_once_after(&cluster, &workers, 1_000_000, Duration::from_secs(30 * 60));
}
