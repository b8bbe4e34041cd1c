//! Cancelling, pausing, retrying and explaining executions from outside.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use tests::{Cluster, until};

use super::{assert_numbers, execute, numbers, succeeded, until_it_has};

const WORKER: &[&str] = &["--queue", "cpu", "--concurrency", "2", "--lease", "3s", "--quiet"];

#[test]
fn cancelled_while_nobody_works_nothing_runs_later() {
    let cluster = Cluster::start();
    let log = cluster.coordinator().directory().join("ran");
    let script = format!("echo {{item}} >> {}", log.display());
    let spec = json!({"@type": "map_flow", "over": {"range": [0, 50]},
        "do": {"@type": "command", "argv": ["sh", "-c", script], "@key": "{item}"}});
    let mut running = execute(&cluster, "cancelled", &spec, &["--quiet"]);
    until("the tasks to be queued", || {
        let shown = cluster.coordinator().run(&["queues", "-o", "json"]);
        let text = if shown.code == Some(0) { shown.stdout } else { String::new() };
        text.contains("50").then_some(())
    });
    running.kill();
    cluster.coordinator().run(&["cancel", "cancelled"]).expect(0);
    let _workers = cluster.start_workers(1, WORKER);
    // Another execution on the same queue comes after all of the cancelled one's tasks.
    let other = execute(&cluster, "other", &numbers(10), &["--quiet"]);
    assert_numbers(other.wait(), 10);
    assert!(!log.exists(), "{}", fs::read_to_string(&log).unwrap_or_default());
    let shown = cluster.coordinator().run(&["executions", "show", "cancelled", "--json"]).expect(0).json();
    assert_eq!(shown["status"], "cancelled");
}

#[test]
fn a_running_execution_is_cancelled_paused_and_resumed_from_outside() {
    const TASKS: u64 = 600;
    let cluster = Cluster::start();
    let _workers = cluster.start_workers(1, WORKER);
    let spec = json!({"@type": "map_flow", "over": {"range": [0, TASKS]},
        "do": {"@type": "sleep", "duration": "20ms", "@key": "{item}"}});
    let mut running = execute(&cluster, "controlled", &spec, &["--quiet", "--max-in-flight", "20"]);
    until_it_has(&cluster, "controlled", 1);
    cluster.coordinator().run(&["pause", "controlled"]).expect(0);
    let shown = cluster.coordinator().run(&["explain", "controlled"]).expect(0);
    assert!(shown.stdout.contains("paused"), "{}", shown.stdout);
    let paused_at = until_it_stands_still(&cluster, "controlled");
    assert!(paused_at < TASKS && !running.has_ended(), "{paused_at} tasks ran in spite of the pause");
    cluster.coordinator().run(&["resume", "controlled"]).expect(0);
    until_it_has(&cluster, "controlled", paused_at + 30);
    cluster.coordinator().run(&["cancel", "controlled"]).expect(0);
    let ended = running.wait().expect(130);
    assert_eq!(ended.json()["status"], "cancelled");
    let resumed = cluster.coordinator().run(&["execute", "--resume", "controlled", "--quiet", "--json"]);
    assert_eq!(resumed.expect(0).json()["tasks"]["succeeded"], TASKS);
}

/// Waits until no more tasks end: as many have, look after look, while a hundred could. Gives how many.
#[track_caller]
fn until_it_stands_still(cluster: &Cluster, id: &str) -> u64 {
    const STILL: Duration = Duration::from_secs(1);
    let (mut last, mut since) = (succeeded(cluster, id), Instant::now());
    until("the execution to stand still", || {
        let now = succeeded(cluster, id);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        (since.elapsed() >= STILL).then_some(last)
    })
}

#[test]
fn dead_tasks_are_listed_and_retried() {
    let cluster = Cluster::start();
    let _workers = cluster.start_workers(1, WORKER);
    let flag = cluster.coordinator().directory().join("repaired");
    let spec = json!({"@type": "command", "argv": ["test", "-e", flag], "@key": "needs-repair"});
    execute(&cluster, "dead", &spec, &["--quiet"]).wait().expect(1);
    let listed = cluster.coordinator().run(&["dead", "list", "-o", "json"]).expect(0);
    assert!(listed.stdout.contains("needs-repair") || listed.stdout.contains("task-"), "{}", listed.stdout);
    fs::write(&flag, "").expect("the directory is writable");
    cluster.coordinator().run(&["retry", "dead", "--quiet"]).expect(0);
    let shown = cluster.coordinator().run(&["executions", "show", "dead", "--json"]).expect(0).json();
    assert_eq!(shown["status"], "succeeded");
}

#[test]
fn explain_names_what_is_missing() {
    let cluster = Cluster::start();
    let spec = json!({"@type": "echo", "value": 1, "@worker_type": "gpu"});
    let running = execute(&cluster, "stuck", &spec, &["--quiet"]);
    until("the execution's record", || {
        (cluster.coordinator().run(&["executions", "show", "stuck", "--json"]).code == Some(0)).then_some(())
    });
    let explained = until("an explanation", || {
        let explained = cluster.coordinator().run(&["explain", "stuck"]);
        explained.stdout.contains("gpu").then_some(explained)
    });
    assert!(explained.stdout.contains("worker"), "{}", explained.stdout);
    drop(running);
}

#[test]
fn dead_and_running_tasks_can_be_seen_while_the_execution_runs() {
    let cluster = Cluster::start();
    let _worker = cluster.worker().start(&["--queue", "cpu", "--concurrency", "2", "--quiet"]);
    let spec = json!({"@type": "mazepa.concurrent_flow", "stages": [
        {"@type": "command", "argv": ["sh", "-c", "echo why >&2; exit 3"]}, {"@type": "sleep", "duration": "1h"},
        {"@type": "command", "argv": ["sh", "-c", "exit 75"], "@retry": {"initial_delay": "1h", "max_delay": "1h"}}]});
    let mut running = execute(&cluster, "seen", &spec, &["--on-failure", "continue"]);
    let dead = until("the dead task to be listed", || {
        // The execution is not there at once.
        let listed = cluster.coordinator().run(&["dead", "list", "-o", "json"]).expect(0).json();
        listed[0]["task"].as_str().map(str::to_owned)
    });
    let shown = cluster.coordinator().run(&["dead", "show", "seen", &dead]).expect(0).stdout;
    assert!(shown.contains("| why"), "{shown}");
    until("all to be told why it goes on", || {
        let told = cluster.coordinator().run(&["explain", "seen"]).expect(0).stdout;
        let parts = ["  runs: task-", "  waits: task-", "it waits before its next attempt", "1 dead task: "];
        parts.iter().all(|part| told.contains(part)).then_some(())
    });
    until("the coordinator to tell of it", || {
        running.stderr().contains(&format!("failed: command ({dead}): ")).then_some(())
    });
    assert!(!running.has_ended());
}
