//! Processes die at each step of the protocol.

use std::fs;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tests::{Cluster, Proxy, Running, Worker, until, until_within};

use super::{assert_numbers, execute, lines, numbers, until_there_are};

const TASKS: u64 = 300;

const WORKER: &[&str] = &["--queue", "cpu", "--concurrency", "2", "--lease", "3s", "--quiet"];

fn worker_that_dies_at(cluster: &Cluster, place: &str) -> Worker {
    cluster.another_worker().with_env("OTAMAN_CRASH_AT", place)
}

#[track_caller]
fn until_it_dies(victim: &mut Running, place: &str) {
    until_within(Duration::from_secs(90), &format!("the worker's death at {place}"), || {
        victim.has_ended().then_some(())
    });
}

/// Runs tasks while a worker dies at a place, then with one that does not.
fn survives_worker_death_at(cluster: &Cluster, place: &str) {
    let id = format!("at-{}", place.replace(':', "-"));
    // Failing first, so that tasks are also handed back and delayed.
    let spec = json!({"@type": "mazepa.concurrent_flow", "stages": [
        numbers(TASKS),
        {"@type": "command", "argv": ["sh", "-c", "mkdir \"$0\" && exit 75 || echo late", cluster.path(&id)],
            "@key": id, "@retry": {"initial_delay": "10ms"}},
    ]});
    let running = execute(cluster, &id, &spec, &["--quiet"]);
    until_it_dies(&mut worker_that_dies_at(cluster, place).start(WORKER), place);
    let _heir = cluster.worker().start(WORKER);
    let document = running.wait().expect(0).json();
    assert_eq!(document["tasks"]["succeeded"], TASKS + 1, "{place}");
    assert_eq!(document["tasks"]["failed"], 0, "{place}");
    assert_eq!(document["result"][0], json!((0..TASKS).collect::<Vec<_>>()), "{place}");
    assert_eq!(document["result"][1]["stdout"], "late\n", "{place}");
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

/// A spec whose task says which run of it this is, and the first time waits in a way of the shell.
fn counted(runs: &str, waits: &str) -> Json {
    let script =
        format!("echo run >> {runs}; count=$(wc -l < {runs}); test $count -gt 1 || {waits}; echo $count");
    json!({"@type": "command", "argv": ["sh", "-c", script], "@key": "counted"})
}

#[test]
fn a_worker_may_die_while_it_puts_a_copy_aside_that_is_anothers() {
    let cluster = Cluster::start();
    // The connection of the one that runs the task breaks, so its copy comes to another.
    let proxy = Proxy::start(cluster.rabbitmq().address());
    let far = cluster.another_worker().with_env("AMQP_URL", proxy.url(&cluster.amqp_url()));
    let (end, runs) = (cluster.path("end"), cluster.path("runs"));
    let _owner = far.start(WORKER);
    let waits = format!("until test -e {end}; do sleep 0.1; done");
    let running = execute(&cluster, "parked", &counted(&runs, &waits), &["--quiet"]);
    until("the task to run", || (lines(&runs) == 1).then_some(()));
    let mut victim = worker_that_dies_at(&cluster, "parked").start(WORKER);
    until_there_are(&cluster, 2);
    proxy.hold();
    assert!(proxy.cut() > 0, "the owner is connected");
    until_it_dies(&mut victim, "parked");
    proxy.heal();
    fs::write(&end, "").expect("the directory is writable");
    let document = running.wait().expect(0).json();
    assert_eq!(document["result"]["stdout"], "1\n", "{document:#}");
    assert_eq!(document["tasks"]["retried"], 0);
    assert_eq!(lines(&runs), 1, "its owner has never lost it");
}

#[test]
fn a_worker_may_die_while_it_hands_a_long_task_over() {
    let cluster = Cluster::start();
    let runs = cluster.path("runs");
    let mut victim = worker_that_dies_at(&cluster, "handed-over").start(WORKER);
    let running = execute(&cluster, "handed-over", &counted(&runs, "sleep 90"), &["--quiet"]);
    until_it_dies(&mut victim, "handed-over");
    let _heir = cluster.worker().start(WORKER);
    let document = running.wait().expect(0).json();
    assert_eq!(document["result"]["stdout"], "2\n", "{document:#}");
    assert_eq!(document["tasks"]["retried"], 1);
    assert_eq!(lines(&runs), 2);
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
