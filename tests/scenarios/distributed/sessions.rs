//! Sessions: frozen workers, long tasks, idle workers.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Cluster, Stopwatch, until};

use super::{execute, lines, until_it_has, until_there_are};

#[test]
fn the_outcome_of_a_worker_frozen_past_its_session_is_refused() {
    const WORKER: &[&str] = &["--queue", "cpu", "--lease", "3s", "--listen", "127.0.0.1:0"];
    let cluster = Cluster::start();
    let (runs, end) = (cluster.path("runs"), cluster.path("end"));
    // A run says which one it is as soon as it has begun, and goes on for a while.
    let script = format!("echo run >> {runs}; wc -l < {runs}; sleep 2");
    let blocker = format!("until test -e {end}; do sleep 0.1; done");
    let spec = json!({"@type": "mazepa.concurrent_flow", "stages": [
        {"@type": "command", "argv": ["sh", "-c", script], "@key": "frozen"},
        {"@type": "command", "argv": ["sh", "-c", blocker], "@key": "goes-on"},
    ]});
    let frozen = cluster.worker().start(&[WORKER, &["--concurrency", "1"]].concat());
    let mut running = execute(&cluster, "frozen", &spec, &["--quiet"]);
    until("the first run", || fs::exists(&runs).is_ok_and(|exists| exists).then_some(()));
    frozen.freeze();
    let heir = cluster.worker().start(&[WORKER, &["--concurrency", "2"]].concat());
    until_it_has(&cluster, "frozen", 1);
    assert_eq!(lines(&runs), 2, "the heir has run it");
    frozen.thaw();
    until("the late outcome to be refused", || {
        (frozen.metric("attempts_total{end=\"stale\"}") == 1).then_some(())
    });
    assert!(!running.has_ended(), "it must go on while the outcome comes too late");
    fs::write(&end, "").expect("the directory is writable");
    let document = running.wait().expect(0).json();
    assert_eq!(document["result"][0]["stdout"], "2\n", "the second run counts: {document:#}");
    assert_eq!(document["tasks"]["retried"], 1);
    assert_eq!(lines(&runs), 2);
    assert_eq!(frozen.metric("attempts_total{end=\"succeeded\"}"), 0);
    // With nobody else there, the thawed one goes on, in a new session.
    heir.terminate();
    heir.wait().expect(0);
    let again = json!({"@type": "echo", "value": 7});
    let document = execute(&cluster, "again", &again, &["--quiet"]).wait().expect(0).json();
    assert_eq!(document["result"], 7);
    assert_eq!(frozen.metric("sessions_total"), 2);
}

#[test]
fn a_task_ten_times_longer_than_the_lease_runs_once_though_all_cores_burn() {
    // The shortest lease that there is.
    const LEASE: Duration = Duration::from_secs(3);
    let long = 10 * LEASE + Duration::from_secs(1);
    let cluster = Cluster::start();
    let runs = cluster.path("runs");
    let burners = 2 * std::thread::available_parallelism().map_or(2, usize::from);
    let burn = format!("timeout {} sh -c 'while :; do :; done' & ", long.as_secs()).repeat(burners);
    let script = format!("echo run >> {runs}; {burn} wait; echo burnt");
    let spec = json!({"@type": "command", "argv": ["sh", "-c", script], "@key": "long"});
    let _workers = cluster.start_workers(2, &["--queue", "cpu", "--lease", "3s", "--quiet"]);
    let started = Instant::now();
    let document = execute(&cluster, "long", &spec, &["--quiet"]).wait().expect(0).json();
    let took = started.elapsed();
    println!("the task took {took:?}, {burners} processes burning");
    assert!(took >= 10 * LEASE, "{took:?}");
    assert_eq!(lines(&runs), 1);
    assert_eq!(document["result"]["stdout"], "burnt\n");
    let tasks = &document["tasks"];
    assert_eq!((&tasks["succeeded"], &tasks["retried"]), (&json!(1), &json!(0)), "{document:#}");
}

#[test]
fn as_many_tasks_as_idle_workers_start_within_a_second() {
    const WORKERS: usize = 8;
    let cluster = Cluster::start();
    let directory = cluster.coordinator().directory().join("started");
    fs::create_dir(&directory).expect("the directory is writable");
    let _workers = cluster.start_workers(WORKERS, &["--queue", "cpu", "--concurrency", "1", "--quiet"]);
    until_there_are(&cluster, WORKERS);
    let script = format!("touch {}/{{item}}; sleep 30", directory.display());
    let spec = json!({"@type": "map_flow", "over": {"range": [0, WORKERS]},
        "do": {"@type": "command", "argv": ["sh", "-c", script], "@key": "{item}"}});
    let started = || fs::read_dir(&directory).expect("it is there").count();
    let running = execute(&cluster, "idle", &spec, &["--quiet"]);
    until("the first task", || (started() > 0).then_some(()));
    let first = Stopwatch::start();
    until("all tasks", || (started() == WORKERS).then_some(()));
    let took = first.elapsed();
    println!("{WORKERS} tasks on as many workers started within {took:?} of the first");
    assert!(took < Duration::from_secs(1), "{took:?}");
    drop(running);
}
