//! Sessions: frozen workers, long tasks, idle workers.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Cluster, until};

use super::execute;

#[test]
fn the_outcome_of_a_worker_frozen_past_its_session_is_refused() {
    let cluster = Cluster::start();
    let log = cluster.coordinator().directory().join("runs");
    let script = format!("echo run >> {0}; sleep 1; wc -l < {0}", log.display());
    let spec = json!({"@type": "command", "argv": ["sh", "-c", script], "@key": "frozen"});
    let running = execute(&cluster, "frozen", &spec, &["--quiet"]);
    let arguments = ["--queue", "cpu", "--concurrency", "1", "--lease", "3s"];
    let frozen = cluster.worker().start(&arguments);
    until("the first run", || log.exists().then_some(()));
    frozen.freeze();
    let _heir = cluster.worker().start(&arguments);
    let document = running.wait().expect(0).json();
    assert_eq!(document["result"]["stdout"], "2\n", "the second run counts: {document:#}");
    assert_eq!(document["tasks"]["retried"], 1);
    frozen.thaw();
    until("the late worker to notice", || frozen.stderr().contains("taken for dead").then_some(()));
    let runs = fs::read_to_string(&log).expect("it was written").lines().count();
    assert_eq!(runs, 2);
    // It goes on with a new session.
    let again = json!({"@type": "echo", "value": 7});
    let document = execute(&cluster, "again", &again, &["--quiet"]).wait().expect(0).json();
    assert_eq!(document["result"], 7);
}

#[test]
fn a_task_ten_times_longer_than_the_lease_runs_once_though_all_cores_burn() {
    let cluster = Cluster::start();
    let log = cluster.coordinator().directory().join("runs");
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let burn = "while :; do :; done & ".repeat(cores);
    let script = format!("echo run >> {}; ({burn} sleep 20; kill 0)", log.display());
    let spec = json!({"@type": "command", "argv": ["setsid", "-w", "sh", "-c", script], "@key": "long",
        "@retry": {"max_attempts": 1}});
    let running = execute(&cluster, "long", &spec, &["--quiet"]);
    let _workers = cluster.start_workers(2, &["--queue", "cpu", "--lease", "3s", "--quiet"]);
    running.wait();
    assert_eq!(fs::read_to_string(&log).expect("it was written").lines().count(), 1);
}

#[test]
fn as_many_tasks_as_idle_workers_start_within_a_second() {
    const WORKERS: usize = 8;
    let cluster = Cluster::start();
    let directory = cluster.coordinator().directory().join("started");
    fs::create_dir(&directory).expect("the directory is writable");
    let _workers = cluster.start_workers(WORKERS, &["--queue", "cpu", "--concurrency", "1", "--quiet"]);
    until("all workers", || {
        let shown = cluster.coordinator().run(&["workers", "-o", "json"]);
        let count = if shown.code == Some(0) { shown.json().as_array().map_or(0, Vec::len) } else { 0 };
        (count == WORKERS).then_some(())
    });
    let script = format!("touch {}/{{item}}; sleep 30", directory.display());
    let spec = json!({"@type": "map_flow", "over": {"range": [0, WORKERS]},
        "do": {"@type": "command", "argv": ["sh", "-c", script], "@key": "{item}"}});
    let started = || fs::read_dir(&directory).expect("it is there").count();
    let running = execute(&cluster, "idle", &spec, &["--quiet"]);
    until("the first task", || (started() > 0).then_some(()));
    let first = Instant::now();
    until("all tasks", || (started() == WORKERS).then_some(()));
    let took = first.elapsed();
    println!("{WORKERS} tasks on as many workers started within {took:?} of the first");
    assert!(took < Duration::from_secs(1), "{took:?}");
    drop(running);
}
