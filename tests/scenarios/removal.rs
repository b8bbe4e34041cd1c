//! `coordinator executions remove`.

use std::fs;

use serde_json::{Value as Json, json};
use tests::{Coordinator, Ended};

/// A task that counts its runs in a file and keeps a large value.
fn counted(runs: &str) -> Json {
    let script = format!("echo run >> {runs}; head -c 400000 /dev/zero | tr '\\0' x");
    json!({"@type": "command", "argv": ["sh", "-c", script]})
}

fn run(coordinator: &Coordinator, id: &str, spec: &Json) -> Ended {
    let spec = coordinator.file("spec.json", &spec.to_string());
    coordinator.run(&["execute", &spec, "--id", id, "--quiet", "--json"])
}

fn lines(path: &str) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

fn ids(coordinator: &Coordinator) -> Vec<String> {
    let listed = coordinator.run(&["executions", "--json"]).expect(0).json();
    let id = |shown: &Json| shown["execution_id"].as_str().expect("it has an id").to_owned();
    listed.as_array().expect("a list").iter().map(id).collect()
}

#[test]
fn a_removed_execution_leaves_nothing_and_its_name_is_free() {
    let coordinator = Coordinator::new();
    let runs = coordinator.directory().join("runs").display().to_string();
    for time in 1..=2 {
        let document = run(&coordinator, "nightly", &counted(&runs)).expect(0).json();
        assert_eq!((lines(&runs), &document["tasks"]["reused"]), (time, &json!(0)), "{document:#}");
        assert!(document["result"]["stdout_file"].is_object(), "a file is kept: {document:#}");
        let removed = coordinator.run(&["executions", "remove", "nightly", "--json"]).expect(0).json();
        assert_eq!(removed, json!({"removed": ["nightly"]}));
        assert_eq!(ids(&coordinator), [""; 0]);
        let left = fs::read_dir(coordinator.directory().join("state/executions")).expect("it is there");
        assert_eq!(left.count(), 0, "files are left");
    }
    let unknown = coordinator.run(&["executions", "remove", "nightly"]).expect(2);
    assert!(unknown.stderr.contains("no execution is named nightly"), "{}", unknown.stderr);
}

#[test]
fn a_wrong_name_among_several_removes_nothing() {
    let coordinator = Coordinator::new();
    for id in ["one", "two"] {
        run(&coordinator, id, &json!({"@type": "echo", "value": 1})).expect(0);
    }
    coordinator.run(&["executions", "remove", "one", "three", "two"]).expect(2);
    assert_eq!(ids(&coordinator).len(), 2);
    coordinator.run(&["executions", "remove"]).expect(2);
    coordinator.run(&["executions", "remove", "one", "--older-than", "1s"]).expect(2);
    let none = coordinator.run(&["executions", "remove", "--older-than", "1h"]).expect(0);
    assert_eq!(none.stdout, "nothing to remove\n");
    let removed = coordinator.run(&["executions", "remove", "one", "two", "one"]).expect(0);
    assert_eq!(removed.stdout, "removed one\nremoved two\n");
    run(&coordinator, "three", &json!({"@type": "echo", "value": 1})).expect(0);
    let removed = coordinator.run(&["executions", "remove", "--older-than", "0s"]).expect(0);
    assert_eq!(removed.stdout, "removed three\n");
}

#[test]
fn an_execution_may_take_the_place_of_an_earlier_one_of_its_name() {
    let coordinator = Coordinator::new();
    let runs = coordinator.directory().join("runs").display().to_string();
    let spec = coordinator.file("spec.json", &counted(&runs).to_string());
    let again = ["execute", &spec, "--id", "nightly", "--replace", "--json"];
    for time in 1..=2 {
        let ended = coordinator.run(&again).expect(0);
        assert!(ended.stderr.contains("execution nightly runs"), "{}", ended.stderr);
        assert_eq!(lines(&runs), time);
        assert_eq!(ids(&coordinator), ["nightly"]);
    }
    let exists = coordinator.run(&["execute", &spec, "--id", "nightly"]).expect(2);
    assert!(exists.stderr.contains("--replace"), "{}", exists.stderr);
    // A spec that is wrong costs nothing.
    let wrong = coordinator.file("wrong.json", r#"{"@type": "comand"}"#);
    coordinator.run(&["execute", &wrong, "--id", "nightly", "--replace"]).expect(2);
    assert_eq!(ids(&coordinator), ["nightly"]);
    let long = json!({"@type": "sleep", "duration": "100s"});
    let long = coordinator.file("long.json", &long.to_string());
    let _running = coordinator.start(&["execute", &long, "--id", "long"]);
    tests::until("it to run", || ids(&coordinator).contains(&"long".to_owned()).then_some(()));
    let refused = coordinator.run(&["execute", &long, "--id", "long", "--replace"]).expect(3);
    assert!(refused.stderr.contains("is being run by"), "{}", refused.stderr);
}
