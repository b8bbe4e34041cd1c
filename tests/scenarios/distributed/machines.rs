//! A machine on which everything fails is told from tasks that fail everywhere.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value as Json, json};
use tests::{Cluster, Running, until};

use super::{execute, until_there_are};

const WORKER: &[&str] = &["--concurrency", "2", "--lease", "3s"];

/// A worker on a machine of this name, with a variable for its tasks.
fn worker_on(cluster: &Cluster, node: &str, variable: (&str, &str)) -> Running {
    let (name, value) = variable;
    let worker = cluster.another_worker().with_env("OTAMAN_NODE", node).with_env(name, value);
    worker.start(&[WORKER, &["--listen", "127.0.0.1:0"]].concat())
}

/// As many commands as `count` which have one attempt: whatever is charged to one of them ends it.
fn commands(count: u64, argv: &[&str]) -> Json {
    json!({"@type": "map_flow", "over": {"range": [0, count]},
        "do": {"@type": "command", "argv": argv, "@retry": {"max_attempts": 1}}})
}

#[track_caller]
fn assert_all_succeeded(document: &Json, tasks: u64) {
    assert_eq!(document["tasks"]["succeeded"], tasks, "{document:#}");
    assert_eq!(document["tasks"]["failed"], 0, "{document:#}");
    assert_eq!(document["result"].as_array().map(Vec::len), Some(tasks as usize));
}

#[test]
fn a_machine_without_a_program_leaves_and_others_do_its_tasks_at_no_cost() {
    const TASKS: u64 = 200;
    let cluster = Cluster::start();
    let programs = cluster.path("programs");
    fs::create_dir(&programs).unwrap();
    let summarise = format!("{programs}/summarise");
    fs::write(&summarise, "#!/bin/sh\nsleep 0.05; echo $1\n").unwrap();
    fs::set_permissions(&summarise, Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    let bad = worker_on(&cluster, "bad", ("PATH", &path));
    let mut good = worker_on(&cluster, "good", ("PATH", &format!("{programs}:{path}")));
    until_there_are(&cluster, 2);
    let spec = commands(TASKS, &["summarise", "{item}"]);
    let document = execute(&cluster, "programs", &spec, &["--quiet"]).wait().expect(0).json();
    assert_all_succeeded(&document, TASKS);
    let left = bad.wait().expect(4);
    let parts = [
        "5 different tasks failed on this machine one after the other and then succeeded on others",
        "no executable program of this name",
        "(tasks that fail here succeed elsewhere): 0 succeeded, 0 failed",
    ];
    for part in parts {
        assert!(left.stderr.contains(part), "{part:?} is not in {}", left.stderr);
    }
    // It has tried few before it knew.
    let retried = document["tasks"]["retried"].as_u64().unwrap();
    println!("{retried} attempts on the bad machine");
    assert!((5..=20).contains(&retried), "{retried}");
    assert_eq!(good.metric("attempts_total{end=\"failed\"}"), 0);
    assert!(!good.has_ended());
}

#[test]
fn a_machine_that_breaks_in_mid_run_leaves_and_no_task_is_dead_of_it() {
    const TASKS: u64 = 200;
    let cluster = Cluster::start();
    let (mounted, sound) = (cluster.path("mounted"), cluster.path("sound"));
    for directory in [&mounted, &sound] {
        fs::create_dir(directory).unwrap();
        fs::write(format!("{directory}/input"), "read\n").unwrap();
    }
    let bad = worker_on(&cluster, "bad", ("DATA", &mounted));
    let _good = worker_on(&cluster, "good", ("DATA", &sound));
    until_there_are(&cluster, 2);
    let spec = commands(TASKS, &["sh", "-c", "sleep 0.1; cat $DATA/input && echo {item}"]);
    let running = execute(&cluster, "mounts", &spec, &["--quiet"]);
    let succeeded = || bad.metric("attempts_total{end=\"succeeded\"}");
    until("it to do some tasks", || (succeeded() >= 10).then_some(()));
    fs::remove_dir_all(&mounted).unwrap();
    assert_all_succeeded(&running.wait().expect(0).json(), TASKS);
    let left = bad.wait().expect(4);
    assert!(left.stderr.contains("then succeeded on others"), "{}", left.stderr);
}

#[test]
fn tasks_that_fail_everywhere_are_dead_after_two_machines_and_no_worker_leaves() {
    const TASKS: u64 = 30;
    let cluster = Cluster::start();
    let mut workers = ["one", "two"].map(|node| worker_on(&cluster, node, ("ANY", "")));
    until_there_are(&cluster, 2);
    let spec = commands(TASKS, &["no-such-program", "{item}"]);
    let running = execute(&cluster, "everywhere", &spec, &["--quiet", "--on-failure", "continue"]);
    let document = running.wait().expect(1).json();
    assert_eq!(document["tasks"]["failed"], TASKS, "{document:#}");
    let failures = document["failures"].as_array().unwrap();
    assert!(!failures.is_empty());
    for failure in failures {
        let nodes: Vec<_> =
            failure["attempts"].as_array().unwrap().iter().map(|attempt| &attempt["node"]).collect();
        let different: BTreeSet<_> = nodes.iter().map(|node| node.to_string()).collect();
        assert_eq!((nodes.len(), different.len()), (2, 2), "{failure:#}");
    }
    assert_eq!(document["tasks"]["retried"], TASKS, "{document:#}");
    for worker in &mut workers {
        assert!(!worker.has_ended(), "{}", worker.stderr());
        assert_eq!(worker.page("/readyz").status, 200);
    }
}

#[test]
fn where_all_workers_are_on_one_machine_a_failure_is_final_at_once() {
    let cluster = Cluster::start();
    let _workers = [(); 2].map(|()| worker_on(&cluster, "only", ("ANY", "")));
    until_there_are(&cluster, 2);
    let spec = commands(10, &["no-such-program", "{item}"]);
    let running = execute(&cluster, "only", &spec, &["--quiet", "--on-failure", "continue"]);
    let document = running.wait().expect(1).json();
    assert_eq!(
        (&document["tasks"]["failed"], &document["tasks"]["retried"]),
        (&json!(10), &json!(0)),
        "{document:#}"
    );
}
