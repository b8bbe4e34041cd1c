//! The examples do what their texts say.

use std::fs;

use serde_json::json;
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

#[test]
fn a_task_that_no_memory_can_hold_is_a_failure_and_not_the_end_of_its_process() {
    let coordinator = Coordinator::new();
    let resolution = json!([2_000_000, 2_000_000, 2_000_000]);
    let spec = json!({"@type": "build_subchunkable_apply_flow", "dst_resolution": resolution,
        "processing_chunk_sizes": [[64, 64, 64]], "skip_intermediaries": true,
        "bbox": {"@type": "BBox3D.from_coords", "start_coord": [0, 0, 0], "end_coord": [64, 64, 64], "resolution": resolution},
        // 2,000 voxels of context on each side: 560 GiB.
        "fn": {"@type": "blur", "sigma": [500, 500, 500]},
        "op_kwargs": {"src": {"@type": "build_cv_layer", "path": "examples/brain/mni152"}},
        "dst": {"@type": "build_zarr_layer", "path": coordinator.directory().join("blurred.zarr"), "data_type": "uint8",
            "resolution": resolution, "size": [64, 64, 64], "chunk_size": [64, 64, 64]}});
    let spec = coordinator.file("blur.json", &spec.to_string());
    let planned = coordinator.run(&["plan", &spec]).expect(0).stdout;
    assert!(planned.contains("a task holds about 562"), "{planned}");
    let ended = coordinator.run(&["execute", &spec, "--json", "--quiet"]).expect(1).json();
    let failure = &ended["failures"][0];
    assert_eq!(failure["cause"], "out_of_memory", "{ended:#}");
    assert!(failure.to_string().contains("would hold about 562"), "{ended:#}");
}
