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

#[test]
fn the_brain_becomes_a_pyramid_that_can_be_looked_at() {
    let coordinator = Coordinator::new();
    let inside = |name: &str| coordinator.directory().join(name).display().to_string();
    let out = format!("out={}", inside("brain.zarr"));
    let planned = coordinator.run(&["plan", "examples/brain/pyramid.json", "--var", &out]).expect(0);
    assert!(planned.stdout.contains("reads 2.2 MiB, writes 1.2 MiB"), "{}", planned.stdout);
    let ended =
        coordinator.run(&["execute", "examples/brain/pyramid.json", "--var", &out, "--json"]).expect(0);
    assert_eq!(ended.json()["result"]["scales"].as_array().unwrap().len(), 3);
    let picture = inside("slice.png");
    let shown = coordinator.run(&["view", &inside("brain.zarr"), "--axis", "y", "-o", &picture]).expect(0);
    assert!(shown.stderr.contains("slice 57 across y"), "{}", shown.stderr);
    assert!(fs::read(picture).unwrap().starts_with(b"\x89PNG"));
    let beyond =
        coordinator.run(&["view", &inside("brain.zarr"), "--index", "94", "-o", &inside("no.png")]).expect(2);
    assert!(beyond.stderr.contains("they go from 0 to 93"), "{}", beyond.stderr);
}

#[test]
fn the_brain_is_blurred_in_overlapping_chunks() {
    let coordinator = Coordinator::new();
    let inside = |name: &str| coordinator.directory().join(name).display().to_string();
    let [out, temporary] =
        [format!("out={}", inside("smooth")), format!("temporary={}", inside("temporary"))];
    let arguments = ["execute", "examples/brain/smooth.json", "--var", &out, "--var", &temporary, "--json"];
    let document = coordinator.run(&arguments).expect(0).json();
    assert_eq!(document["tasks"]["succeeded"], document["tasks"]["expanded"]);
    assert!(fs::exists(inside("smooth/info")).unwrap());
    assert_eq!(fs::read_dir(inside("temporary")).unwrap().count(), 0, "temporary files are left");
}
