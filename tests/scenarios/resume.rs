//! A coordinator that is killed loses nothing that it had recorded.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use rand::RngExt as _;
use rustix::process::Signal;
use serde_json::{Value as Json, json};
use tests::{Coordinator, until};

const TASKS: u64 = 20_000;
const KILLS: usize = 50;

/// Two levels of tasks with values: the second stage runs only after the first.
fn spec() -> Json {
    let echo = |stage: &str| {
        json!({
            "@type": "map_flow", "over": {"range": [0, TASKS / 2]},
            "do": {"@type": "echo", "value": {"stage": stage, "item": "{item}", "text": "value of {item}"}}
        })
    };
    json!({"@type": "mazepa.sequential_flow", "stages": [echo("first"), echo("second")]})
}

#[test]
fn killed_fifty_times_an_execution_ends_as_if_undisturbed() {
    let coordinator = Coordinator::new();
    let spec = coordinator.file("spec.json", &spec().to_string());
    let undisturbed = coordinator.run(&["execute", &spec, "--id", "calm", "--json"]).expect(0).json();
    assert_eq!(undisturbed["tasks"]["succeeded"], TASKS);

    let mut kills = 0;
    let mut finished_before = 0;
    let mut arguments = vec!["execute", &spec, "--id", "killed", "--json", "--max-in-flight", "50"];
    let mut random = rand::rng();
    let last = loop {
        let mut running = coordinator.start(&arguments);
        if kills < KILLS {
            // From before the first record to well into the run.
            // Some so late that a slow machine has begun.
            let latest = if kills % 5 == 4 { 3_000 } else { 500 };
            let deadline = Instant::now() + Duration::from_millis(random.random_range(5..latest));
            until("the moment to kill", || (running.has_ended() || Instant::now() >= deadline).then_some(()));
        }
        if kills < KILLS && !running.has_ended() {
            running.signal(Signal::KILL);
            running.wait();
            kills += 1;
            let shown = coordinator.run(&["executions", "show", "killed", "--json"]);
            if shown.code != Some(0) {
                // Killed before the execution was there at all.
                continue;
            }
            arguments = vec!["execute", "--resume", "killed", "--json", "--max-in-flight", "50"];
            let finished = shown.json()["tasks"]["succeeded"].as_u64().unwrap();
            // Each run counts anew what it meets, so the most that any has told is what must be there.
            finished_before = finished_before.max(finished);
            continue;
        }
        let ended = running.wait().expect(0);
        if kills >= KILLS {
            break ended.json();
        }
        // It was faster than the killer; the same again, resumed from a finished one, would do
        // nothing, so begin anew under the same spec.
        assert_eq!(ended.json()["result"], undisturbed["result"]);
        fs::remove_dir_all(coordinator.directory().join("state/executions/killed")).unwrap();
        finished_before = 0;
        arguments = vec!["execute", &spec, "--id", "killed", "--json", "--max-in-flight", "50"];
    };
    assert_eq!(last["result"], undisturbed["result"]);
    assert_eq!(last["tasks"]["succeeded"], TASKS);
    let reused = last["tasks"]["reused"].as_u64().unwrap();
    assert!(finished_before > 0, "no kill came after the first note of progress");
    assert!(reused >= finished_before, "{reused} reused, but {finished_before} were finished");
}

/// Each task leaves a mark when it runs, so that running twice is seen from outside.
#[test]
fn what_was_finished_is_not_run_again() {
    let coordinator = Coordinator::new();
    let marks = coordinator.directory().join("marks");
    let script = format!("echo {{item}} >> '{}'; sleep 0.1", marks.display());
    let spec = json!({
        "@type": "map_flow", "over": {"range": [0, 200]}, "do": {"@type": "command", "argv": ["sh", "-c", script]}
    });
    let spec = coordinator.file("spec.json", &spec.to_string());
    let runs = || -> BTreeMap<String, usize> {
        let mut runs = BTreeMap::new();
        for line in fs::read_to_string(&marks).unwrap_or_default().lines() {
            *runs.entry(line.to_owned()).or_default() += 1;
        }
        runs
    };
    let mut kills = 0;
    let mut arguments = vec!["execute", &spec, "--id", "marked", "--workers", "4", "--json"];
    let mut in_doubt = 0;
    for goal in [30, 60, 90, 120] {
        let mut running = coordinator.start(&arguments);
        until("more tasks to run", || (running.has_ended() || runs().len() >= goal).then_some(()));
        running.signal(Signal::KILL);
        running.wait();
        kills += 1;
        // At most four were running; a few rounds had ended whose records were not durable, on a slow disk.
        in_doubt += 16;
        arguments = vec!["execute", "--resume", "marked", "--workers", "4", "--json"];
    }
    let document = coordinator.run(&arguments).expect(0).json();
    assert_eq!(document["tasks"]["succeeded"], 200);
    let twice = runs().values().filter(|count| **count > 1).count();
    assert!(twice <= in_doubt, "{twice} tasks ran twice after {kills} kills");
    let reused = document["tasks"]["reused"].as_u64().unwrap();
    let again = runs().values().map(|count| count - 1).sum::<usize>() as u64;
    assert!(reused >= 120 - again, "{reused} were reused");
    assert_eq!(runs().len(), 200);
}

#[test]
fn a_changed_spec_says_what_is_reused_and_what_is_new() {
    let coordinator = Coordinator::new();
    let spec = |count: u32| {
        json!({"@type": "map_flow", "over": {"range": [0, count]}, "do": {"@type": "echo", "value": "{item}"}}).to_string()
    };
    let path = coordinator.file("spec.json", &spec(10));
    coordinator.run(&["execute", &path, "--id", "grown"]).expect(0);
    let path = coordinator.file("spec.json", &spec(15));
    let ended = coordinator.run(&["execute", &path, "--resume", "grown", "--json"]).expect(0);
    assert!(ended.stderr.contains("10 tasks reused, 5 new"), "{}", ended.stderr);
    let document = ended.json();
    assert_eq!(document["tasks"]["reused"], 10);
    assert_eq!(document["result"].as_array().unwrap().len(), 15);
}

#[test]
fn an_execution_is_run_by_one_coordinator_at_a_time() {
    let coordinator = Coordinator::new();
    let spec = coordinator.file("spec.json", r#"{"@type": "sleep", "duration": "10m"}"#);
    let running = coordinator.start(&["execute", &spec, "--id", "taken"]);
    until("the execution to be there", || {
        let shown = coordinator.run(&["executions", "show", "taken", "--json"]);
        (shown.code == Some(0) && shown.json()["status"] == "running").then_some(())
    });
    let second = coordinator.run(&["execute", "--resume", "taken"]).expect(3);
    let pid = running.pid().as_raw_nonzero().to_string();
    assert!(second.stderr.contains("is being run by") && second.stderr.contains(&pid), "{}", second.stderr);
    let same_name = coordinator.run(&["execute", &spec, "--id", "taken"]).expect(2);
    assert!(same_name.stderr.contains("exists already"), "{}", same_name.stderr);
}

#[test]
fn a_resumed_execution_reads_its_files_where_it_was_started() {
    let coordinator = Coordinator::new();
    let (first, second) = (coordinator.directory().join("first"), coordinator.directory().join("second"));
    for directory in [&first, &second] {
        fs::create_dir(directory).unwrap();
    }
    for name in ["a.in", "b.in"] {
        fs::write(first.join(name), "").unwrap();
    }
    let spec =
        json!({"@type": "map_flow", "over": {"glob": "*.in"}, "do": {"@type": "echo", "value": "{item}"}});
    let spec = coordinator.file("spec.json", &spec.to_string());
    let run = |arguments: &[&str], directory: &std::path::Path| {
        let output = coordinator.command(arguments).current_dir(directory).output().unwrap();
        serde_json::from_slice::<Json>(&output.stdout).unwrap()
    };
    assert_eq!(run(&["execute", &spec, "--id", "moved"], &first), json!(["a.in", "b.in"]));
    assert_eq!(run(&["execute", "--resume", "moved"], &second), json!(["a.in", "b.in"]));
}

#[test]
fn a_resumed_execution_goes_by_what_it_was_last_told() {
    let coordinator = Coordinator::new();
    let spec = json!({"@type": "mazepa.concurrent_flow", "stages": [
        {"@type": "command", "argv": ["false"]}, {"@type": "echo", "value": {"@var": "name", "default": "none"}}]});
    let spec = coordinator.file("spec.json", &spec.to_string());
    let tasks = |arguments: &[&str]| coordinator.run(arguments).expect(1).json()["tasks"].clone();
    let first =
        tasks(&["execute", &spec, "--id", "told", "--var", "name=a", "--on-failure", "continue", "--json"]);
    assert_eq!(first["succeeded"], 1);
    assert_eq!(tasks(&["execute", "--resume", "told", "--var", "name=b", "--json"])["reused"], 0);
    // The second run's value is there, and nothing stops at the first dead task.
    let third = tasks(&["execute", "--resume", "told", "--json"]);
    assert_eq!((&third["reused"], &third["failed"]), (&json!(1), &json!(1)));
}
