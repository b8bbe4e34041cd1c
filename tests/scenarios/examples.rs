//! The examples do what their texts say.

use std::fs;

use tests::{Coordinator, program};

#[test]
fn the_weather_example_makes_its_report() {
    let coordinator = Coordinator::new();
    let out = coordinator.directory().join("report");
    let variable = format!("out={}", out.display());
    let ended = coordinator
        .run(&["execute", "examples/weather/climate.json", "--var", &variable, "--json"])
        .expect(0);
    let document = ended.json();
    assert_eq!(document["tasks"]["succeeded"], 9);
    let report = fs::read_to_string(out.join("report.txt")).unwrap();
    assert_eq!(document["result"][1]["stdout"], report.as_str());
    // January's mean high, lowest low, precipitation and wet days, computed apart from the example.
    assert!(report.contains("seattle       01          8.2       -4.4       116      14.2"), "{report}");
    assert_eq!(report.lines().count(), 25);
}

#[test]
fn the_own_operation_example_decides_by_results() {
    let coordinator = Coordinator::of(&program("own-coordinator"));
    let ended = coordinator.run(&["execute", "examples/own-operation/search.json", "--json"]).expect(0);
    let document = ended.json();
    let root = document["result"]["root"].as_f64().unwrap();
    assert!((root - 2f64.sqrt()).abs() < 1e-6, "{root}");
    // How many rounds it takes depends on the values found, not on the spec.
    assert!(document["tasks"]["succeeded"].as_u64().unwrap() > 10);
}
