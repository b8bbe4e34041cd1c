//! What waits for many tasks goes on once, when all of them have ended.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tests::{Cluster, until_within};

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

fn goes_on_once_after(count: u64, limit: Duration) {
    let cluster = Cluster::start();
    let _workers = cluster.start_workers(WORKERS, WORKER);
    let log = cluster.path("log");
    let spec = json!({"@type": "mazepa.sequential_flow", "stages": [numbers(count), says("joined", &log)]});
    let started = Instant::now();
    let mut running = execute(&cluster, "join", &spec, &["--quiet"]);
    until_within(limit, "the end of the execution", || running.has_ended().then_some(()));
    println!("a join of {count} took {:?}", started.elapsed());
    let document = running.wait().expect(0).json();
    let tasks = &document["tasks"];
    assert_eq!((&tasks["expanded"], &tasks["succeeded"]), (&json!(count + 1), &json!(count + 1)));
    let values = document["result"][0].as_array().expect("a list");
    assert!(values.iter().map(Json::as_u64).eq((0..count).map(Some)), "not the values of its children");
    assert_eq!(fs::read_to_string(&log).expect("the join has said something"), "joined\n");
}

#[test]
fn a_join_of_45_000_children_goes_on_once() {
    goes_on_once_after(45_000, Duration::from_secs(180));
}

#[test]
#[ignore = "takes long: `just million`, with a release build"]
fn a_join_of_a_million_children_goes_on_once() {
    goes_on_once_after(1_000_000, Duration::from_secs(30 * 60));
}
