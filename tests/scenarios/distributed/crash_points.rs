//! Processes die at each step of the protocol.

use serde_json::json;
use tests::{Cluster, Worker, until};

use super::{assert_numbers, execute, numbers};

const TASKS: u64 = 300;

fn worker_that_dies_at(cluster: &Cluster, place: &str) -> Worker {
    Worker::new()
        .with_env("AMQP_URL", cluster.amqp_url())
        .with_env("REDIS_URL", cluster.redis_url())
        .with_env("OTAMAN_CRASH_AT", place)
}

/// Runs tasks while a worker dies at a place, then with one that does not.
fn survives_worker_death_at(cluster: &Cluster, place: &str) {
    let id = format!("at-{}", place.replace(':', "-"));
    // Failing first, so that tasks are also handed back and delayed.
    let spec = json!({"@type": "mazepa.concurrent_flow", "stages": [
        numbers(TASKS),
        {"@type": "command", "argv": ["sh", "-c", "mkdir \"$0\" && exit 75 || exit 0",
            cluster.coordinator().directory().join(&id)], "@key": id, "@retry": {"initial_delay": "10ms"}},
    ]});
    let running = execute(cluster, &id, &spec, &["--quiet"]);
    let arguments = ["--queue", "cpu", "--concurrency", "2", "--lease", "3s", "--quiet"];
    let dying = worker_that_dies_at(cluster, place);
    let mut victim = dying.start(&arguments);
    until(&format!("the worker's death at {place}"), || victim.has_ended().then_some(()));
    let _heir = cluster.worker().start(&arguments);
    let document = running.wait().expect(0).json();
    assert_eq!(document["tasks"]["succeeded"], TASKS + 1, "{place}");
    let values = document["result"][0].as_array().expect("a list");
    assert_eq!(values.len() as u64, TASKS, "{place}");
}

#[test]
fn a_worker_may_die_at_each_step() {
    let cluster = Cluster::start();
    for place in [
        "claimed",
        "claimed:3",
        "completed",
        "completed:3",
        "told",
        "told:3",
        "released",
        "sent-back",
        "drained",
    ] {
        survives_worker_death_at(&cluster, place);
    }
}

#[test]
fn a_coordinator_may_die_at_each_step() {
    let cluster = Cluster::start();
    let _worker = cluster.start_workers(1, &["--queue", "cpu", "--lease", "3s", "--quiet"]);
    for place in ["publishing", "published", "collected", "collected:5"] {
        let id = format!("coordinator-at-{}", place.replace(':', "-"));
        let dying = cluster.another_coordinator().with_env("OTAMAN_CRASH_AT", place);
        let spec = dying.file("spec.json", &numbers(TASKS).to_string());
        let ended = dying.run(&["execute", &spec, "--id", &id, "--quiet", "--json"]);
        assert_eq!(ended.code, None, "it should have died at {place}: {}", ended.stderr);
        let resumed = cluster.coordinator().run(&["execute", "--resume", &id, "--quiet", "--json"]);
        assert_numbers(resumed, TASKS);
    }
}
