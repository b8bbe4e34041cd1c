//! What a command has started does not outlive whoever runs it, whatever kills that.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value as Json, json};
#[cfg(feature = "live")]
use tests::Cluster;
use tests::{Coordinator, until};

/// A command that starts others, in its group, in a session of its own, and as an orphan that heeds no
/// signal, and writes the numbers of all to a directory, and that of the process that has started it.
fn family(directory: &str) -> Json {
    family_that(directory, "wait")
}

/// The same, which then does something.
fn family_that(directory: &str, then: &str) -> Json {
    let script = format!(
        "cd {directory}; setsid sh -c 'echo $$ > far; exec sleep 600' & \
         (setsid sh -c \"trap '' TERM; echo \\$\\$ > orphan; exec sleep 600\" &); \
         sh -c 'echo $$ > near; exec sleep 600' & echo $PPID > parent; \
         until [ -s far ] && [ -s near ] && [ -s orphan ]; do sleep 0.02; done; echo $$ > self; {then}"
    );
    json!({"@type": "command", "argv": ["sh", "-c", script]})
}

/// The numbers of the family, once all of it runs, and of its parent.
#[track_caller]
fn members(directory: &Path) -> (Vec<u32>, u32) {
    let number =
        |name: &str| -> u32 { fs::read_to_string(directory.join(name)).unwrap().trim().parse().unwrap() };
    until("the command to run", || {
        fs::read_to_string(directory.join("self")).ok()?.trim().parse::<u32>().ok()
    });
    let family: Vec<u32> = ["self", "near", "far", "orphan"].into_iter().map(number).collect();
    for process in &family {
        assert!(is_alive(*process), "{process}");
    }
    (family, number("parent"))
}

#[track_caller]
fn until_ended(family: &[u32]) {
    for process in family {
        until("the family to end", || (!is_alive(*process)).then_some(()));
    }
}

fn is_alive(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

#[test]
fn commands_end_with_a_coordinator_that_is_killed() {
    let coordinator = Coordinator::new();
    let directory = coordinator.directory().to_owned();
    let spec = coordinator.file("spec.json", &family(directory.to_str().unwrap()).to_string());
    let mut running = coordinator.start(&["execute", &spec, "--quiet"]);
    let (family, _) = members(&directory);
    running.kill();
    until_ended(&family);
}

#[test]
fn commands_end_with_all_that_they_have_started_when_they_are_stopped() {
    let greedy = "head -c 1000000000 /dev/zero | tail -n 1 | wc -c; wait";
    for (options, then, cause) in [
        (json!({"@runtime_limit": "10s"}), "wait", "timeout"),
        (json!({"@runtime_limit": "10s", "@isolation": "process"}), "wait", "timeout"),
        (json!({"@memory_limit": "300MiB"}), greedy, "out_of_memory"),
    ] {
        let coordinator = Coordinator::new();
        let directory = coordinator.directory().to_owned();
        let mut spec = family_that(directory.to_str().unwrap(), then);
        spec.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        spec["@retry"] = json!({"max_attempts": 1});
        let spec = coordinator.file("spec.json", &spec.to_string());
        let running = coordinator.start(&["execute", &spec, "--quiet", "--json"]);
        let (family, _) = members(&directory);
        let document = running.wait().expect(1).json();
        assert_eq!(document["failures"][0]["cause"], cause, "{options}: {document:#}");
        until_ended(&family);
    }
}

#[test]
fn commands_end_with_an_isolated_process_that_is_killed() {
    let coordinator = Coordinator::new();
    let directory = coordinator.directory().to_owned();
    let mut spec = family(directory.to_str().unwrap());
    spec["@isolation"] = json!("process");
    spec["@retry"] = json!({"max_losses": 1});
    let spec = coordinator.file("spec.json", &spec.to_string());
    let running = coordinator.start(&["execute", &spec, "--quiet", "--json"]);
    let (family, parent) = members(&directory);
    assert_ne!(Some(parent), u32::try_from(running.pid().as_raw_nonzero().get()).ok());
    kill_process(Pid::from_raw(parent as i32).unwrap(), Signal::KILL).unwrap();
    until_ended(&family);
    let document = running.wait().expect(1).json();
    let failure = &document["failures"][0];
    assert_eq!((&failure["cause"], &failure["signal"]), (&json!("lost"), &json!(9)), "{document:#}");
}

#[test]
fn commands_end_with_a_coordinator_that_is_killed_though_they_are_isolated() {
    let coordinator = Coordinator::new();
    let directory = coordinator.directory().to_owned();
    let mut spec = family(directory.to_str().unwrap());
    spec["@isolation"] = json!("process");
    let spec = coordinator.file("spec.json", &spec.to_string());
    let mut running = coordinator.start(&["execute", &spec, "--quiet"]);
    let (family, parent) = members(&directory);
    running.kill();
    until_ended(&family);
    until_ended(&[parent]);
}

#[test]
fn a_service_that_a_command_has_left_in_the_background_goes_on() {
    let coordinator = Coordinator::new();
    let file = coordinator.directory().join("service");
    let script = format!("sleep 600 >/dev/null 2>&1 & echo $! > {}", file.display());
    let left = json!({"@type": "command", "argv": ["sh", "-c", script]});
    let waits = json!({"@type": "command", "argv": ["sleep", "600"]});
    let spec = json!({"@type": "mazepa.sequential_flow", "stages": [left, waits]});
    let spec = coordinator.file("spec.json", &spec.to_string());
    let mut running = coordinator.start(&["execute", &spec, "--id", "left", "--quiet"]);
    until("the first command to end", || {
        let shown = coordinator.run(&["executions", "show", "left", "--json"]);
        (shown.code == Some(0) && shown.json()["tasks"]["succeeded"] == 1).then_some(())
    });
    let service: u32 = fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    let coordinators_own = until("the second command", || {
        let sleepers = sleepers(running.pid());
        (sleepers.len() == 1).then_some(sleepers)
    });
    running.kill();
    until_ended(&coordinators_own);
    assert!(is_alive(service));
    kill_process(Pid::from_raw(service as i32).unwrap(), Signal::KILL).unwrap();
}

/// Children of a process that sleep.
fn sleepers(parent: Pid) -> Vec<u32> {
    let parent = format!(" {} ", parent.as_raw_nonzero());
    let numbers = fs::read_dir("/proc").unwrap().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let sleeps = |process: &u32| {
        let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        status.contains("(sleep)")
            && status.split(") ").nth(1).is_some_and(|rest| rest[1..].starts_with(&parent))
    };
    numbers.filter(sleeps).collect()
}

#[cfg(feature = "live")]
#[test]
fn commands_end_with_a_worker_that_is_killed() {
    let cluster = Cluster::start();
    let directory = cluster.path("family");
    fs::create_dir(&directory).unwrap();
    let spec = cluster.coordinator().file("family.json", &family(&directory).to_string());
    let mut worker = cluster.worker().start(&["--lease", "3s"]);
    let _execution = cluster.coordinator().start(&["execute", &spec, "--quiet"]);
    let (family, _) = members(Path::new(&directory));
    worker.kill();
    until_ended(&family);
}
