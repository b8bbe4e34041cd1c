//! Dead tasks that are run by themselves.

use std::fs::{self, File};

use serde_json::json;
use tests::{Coordinator, Worker};

/// Lets a command fail for want of a file; the bundle of its task.
fn bundle_of_dead_task(coordinator: &Coordinator, missing: &str) -> String {
    let spec = json!({"@type": "command", "argv": ["cat", missing]});
    let spec = coordinator.file("spec.json", &spec.to_string());
    coordinator.run(&["execute", &spec, "--quiet"]).expect(1);
    let dead = coordinator.run(&["dead", "list", "-o", "json"]).expect(0).json();
    let task = dead[0]["task"].as_str().expect("there is a dead task");
    let path = coordinator.directory().join("task.bundle");
    let mut bundle = coordinator.command(&["bundle", task]);
    let file = File::create(&path).expect("the directory is writable");
    assert!(bundle.stdout(file).status().expect("it starts").success());
    path.to_str().expect("temporary paths are text").to_owned()
}

#[test]
fn a_dead_task_fails_by_itself_until_its_cause_is_gone() {
    let (coordinator, worker) = (Coordinator::new(), Worker::new());
    let missing = coordinator.directory().join("missing");
    let bundle = bundle_of_dead_task(&coordinator, missing.to_str().expect("it is text"));
    let failed = worker.run(&["run", &bundle]).expect(1);
    assert!(
        failed.stderr.contains("No such file") && failed.stderr.contains("it failed before"),
        "{}",
        failed.stderr
    );
    fs::write(&missing, "found").expect("the directory is writable");
    let mended = worker.run(&["run", &bundle, "--quiet"]).expect(0);
    assert_eq!(mended.json()["stdout"], "found");
}

#[test]
fn what_is_no_bundle_is_refused_with_the_cure() {
    let (coordinator, worker) = (Coordinator::new(), Worker::new());
    let junk = coordinator.file("junk", "no bundle");
    let refused = worker.run(&["run", &junk]).expect(2);
    assert!(refused.stderr.contains("coordinator bundle TASK"), "{}", refused.stderr);
    let unknown = format!("task-{}", "0".repeat(32));
    let refused = coordinator.run(&["bundle", &unknown]).expect(2);
    assert!(refused.stderr.contains("coordinator dead list"), "{}", refused.stderr);
}
