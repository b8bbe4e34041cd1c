//! Ctrl-C: the first drains and says how to go on, the second stops at once.

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use tests::{Coordinator, until};

/// Eight tasks that wait for a file, two at a time.
fn gated(coordinator: &Coordinator) -> String {
    let gate = coordinator.directory().join("gate");
    let started = coordinator.directory().join("started");
    let script = format!(
        "echo {{item}} >> '{}'; until [ -e '{}' ]; do sleep 0.02; done",
        started.display(),
        gate.display()
    );
    let spec = serde_json::json!({
        "@type": "map_flow", "over": {"range": [0, 8]}, "do": {"@type": "command", "argv": ["sh", "-c", script]}
    });
    coordinator.file("gated.json", &spec.to_string())
}

fn started(directory: &Path) -> usize {
    fs::read_to_string(directory.join("started")).map_or(0, |text| text.lines().count())
}

#[test]
fn the_first_interrupt_lets_running_tasks_finish_and_starts_nothing_new() {
    let coordinator = Coordinator::new();
    let spec = gated(&coordinator);
    let running = coordinator.start(&["execute", &spec, "--id", "gated", "--workers", "2", "--json"]);
    until("two tasks to run", || (started(coordinator.directory()) == 2).then_some(()));
    running.signal(Signal::INT);
    until("the stop to be noted", || {
        let shown = coordinator.run(&["executions", "show", "gated", "--json"]).expect(0).json();
        (shown["tasks"]["cancelled"] == 6).then_some(())
    });
    coordinator.file("gate", "");
    let ended = running.wait().expect(130);
    assert!(ended.stderr.contains("coordinator execute --resume gated"), "{}", ended.stderr);
    let document = ended.json();
    assert_eq!(document["status"], "cancelled");
    assert_eq!(document["tasks"]["succeeded"], 2);
    assert_eq!(started(coordinator.directory()), 2);

    let resumed = coordinator.run(&["execute", "--resume", "gated", "--json"]).expect(0).json();
    assert_eq!(resumed["tasks"]["reused"], 2);
    assert_eq!(resumed["tasks"]["succeeded"], 8);
    assert_eq!(resumed["result"].as_array().unwrap().len(), 8);
}

#[test]
fn after_the_first_interrupt_nothing_begins_that_waits_for_a_semaphore() {
    let coordinator = Coordinator::new();
    let spec = fs::read_to_string(gated(&coordinator)).unwrap();
    let mut spec: serde_json::Value = serde_json::from_str(&spec).unwrap();
    spec["do"]["@semaphores"] = serde_json::json!(["one"]);
    let spec = coordinator.file("alone.json", &spec.to_string());
    let arguments = ["execute", &spec, "--workers", "3", "--semaphore", "one=1", "--id", "alone", "--json"];
    let running = coordinator.start(&arguments);
    until("a task to run", || (started(coordinator.directory()) == 1).then_some(()));
    running.signal(Signal::INT);
    // Also what a slot has taken and does not begin.
    until("all others to be taken back", || {
        let shown = coordinator.run(&["executions", "show", "alone", "--json"]).expect(0).json();
        (shown["tasks"]["cancelled"] == 7).then_some(())
    });
    coordinator.file("gate", "");
    assert_eq!(running.wait().expect(130).json()["tasks"]["succeeded"], 1);
    assert_eq!(started(coordinator.directory()), 1);
    let resumed = coordinator.run(&["execute", "--resume", "alone", "--semaphore", "one=1", "--json"]);
    assert_eq!(resumed.expect(0).json()["tasks"]["succeeded"], 8);
}

#[test]
fn the_second_interrupt_stops_at_once_and_leaves_no_process_behind() {
    let coordinator = Coordinator::new();
    let pid_file = coordinator.directory().join("pid");
    let script = format!("echo $$ > '{}.part'; mv '{0}.part' '{0}'; exec sleep 600", pid_file.display());
    let spec = serde_json::json!({"@type": "command", "argv": ["sh", "-c", script]});
    let spec = coordinator.file("long.json", &spec.to_string());
    let running = coordinator.start(&["execute", &spec, "--id", "long"]);
    let pid = until("the task to run", || fs::read_to_string(&pid_file).ok());
    running.signal(Signal::INT);
    running.signal(Signal::TERM);
    let ended = running.wait().expect(130);
    assert!(ended.stderr.contains("--resume long"), "{}", ended.stderr);
    let process = format!("/proc/{}/cmdline", pid.trim());
    until("the task's process to be gone", || {
        let command = fs::read_to_string(&process).unwrap_or_default();
        (!command.contains("sleep")).then_some(())
    });
}
