//! Workers and coordinators as processes of their own, over real servers, while things die.

#![expect(clippy::print_stdout, reason = "a test that measures tells its figures")]

mod acknowledgements;
mod causes;
mod commits;
mod control;
mod coordinators;
mod crash_points;
mod joins;
mod kills;
mod leaving;
mod lifetimes;
mod machines;
mod passwords;
mod removal;
mod rollback;
mod semaphores;
mod servers;
mod sessions;
mod sharing;
mod volumes;

use std::fs;

use serde_json::{Value as Json, json};
use tests::{Cluster, Ended, Running, until};

/// A spec of `count` no-op tasks, whose result is the list of the numbers from 0.
fn numbers(count: u64) -> Json {
    json!({"@type": "map_flow", "over": {"range": [0, count]}, "do": {"@type": "echo", "value": "{item}"}})
}

/// Starts to execute a spec in a cluster.
#[track_caller]
fn execute(cluster: &Cluster, id: &str, spec: &Json, more: &[&str]) -> Running {
    let spec = cluster.coordinator().file(&format!("{id}.json"), &spec.to_string());
    cluster.coordinator().start(&[&["execute", &spec, "--id", id, "--json"], more].concat())
}

/// Sees that an execution of [`numbers`] has ended well: every task once, the result as it must be.
/// Gives how many attempts there were beyond the first of each task.
#[track_caller]
fn assert_numbers(ended: Ended, count: u64) -> u64 {
    let document = ended.expect(0).json();
    assert_eq!(document["status"], "succeeded");
    assert_eq!(document["tasks"]["expanded"], count);
    assert_eq!(document["tasks"]["succeeded"], count);
    assert_eq!(document["tasks"]["failed"], 0);
    let result = document["result"].as_array().expect("the result is a list");
    assert!(
        result.iter().map(Json::as_u64).eq((0..count).map(Some)),
        "the result is not that of a clean run"
    );
    document["tasks"]["retried"].as_u64().expect("a count")
}

/// How many tasks of an execution have succeeded so far; 0 while that cannot be told.
fn succeeded(cluster: &Cluster, id: &str) -> u64 {
    let shown = cluster.coordinator().run(&["executions", "show", id, "--json"]);
    if shown.code == Some(0) { shown.json()["tasks"]["succeeded"].as_u64().unwrap_or_default() } else { 0 }
}

/// Waits until an execution has some outcomes.
#[track_caller]
fn until_it_has(cluster: &Cluster, id: &str, outcomes: u64) {
    until(&format!("{outcomes} outcomes of {id}"), || (succeeded(cluster, id) >= outcomes).then_some(()));
}

/// Waits until more tasks have succeeded than now.
#[track_caller]
fn until_it_goes_on(cluster: &Cluster, id: &str) {
    let before = succeeded(cluster, id);
    until_it_has(cluster, id, before + 1);
}

/// Waits until so many workers, and no others, have announced themselves and take tasks from one queue.
#[track_caller]
fn until_there_are(cluster: &Cluster, workers: usize) {
    until(&format!("{workers} workers"), || {
        let shown = cluster.coordinator().run(&["queues", "-o", "json"]);
        let queues = if shown.code == Some(0) { shown.json() } else { Json::Null };
        let has_them = |queue: &Json| queue["workers"] == workers && queue["consumers"] == workers;
        queues.as_array().is_some_and(|queues| queues.iter().any(has_them)).then_some(())
    });
}

/// Waits until so many tasks lie in a queue from which nobody takes them yet.
#[track_caller]
fn until_queued(cluster: &Cluster, queue: &str, ready: u64) {
    until(&format!("{ready} tasks in {queue}"), || {
        let shown = cluster.coordinator().run(&["queues", "-o", "json"]);
        let queues = if shown.code == Some(0) { shown.json() } else { Json::Null };
        let has_them = |found: &Json| found["queue"] == queue && found["ready"] == ready;
        queues.as_array()?.iter().any(has_them).then_some(())
    });
}

/// How many lines commands have appended to a file; 0 if it is not there.
fn lines(path: &str) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}
