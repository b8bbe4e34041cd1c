//! Mazepa's own scenarios, made small.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use volumetric::array::{Array, DataType};
use volumetric::function::{Arguments, ArrayFunction, Error, Output, Registration, inventory};
use volumetric::geometry::{Bounds, Vec3};

use crate::lab::{Lab, bbox, count, expect_run, fill, identity, read, with};

/// Voxels of the region: 64 × 64 × 5, as theirs is 1024 × 1024 × 5.
const REGION: Bounds = Bounds::new(Vec3::new(64, 64, 20), Vec3::new(128, 128, 25));

struct Trial {
    lab: Lab,
    spec: Json,
    source: Array,
    target: Json,
}

fn value(_: usize, voxel: Vec3) -> f64 {
    ((voxel[0] * 7 + voxel[1] * 13 + voxel[2] * 29) % 254) as f64
}

fn trial(data_type: DataType) -> Trial {
    let lab = Lab::new();
    let around = Bounds::new(REGION.start - Vec3::new(32, 32, 4), REGION.stop + Vec3::new(32, 32, 4));
    let source = lab.layer("source", data_type, 1, around, Vec3::new(32, 32, 1));
    fill(&source, value);
    let target = lab.layer("target", data_type, 1, REGION, Vec3::new(64, 64, 1));
    let expected = read(&source, REGION);
    let spec = json!({
        "@type": "build_subchunkable_apply_flow", "dst": target, "dst_resolution": [1, 1, 1],
        "processing_chunk_sizes": [[64, 64, 1]], "skip_intermediaries": true, "bbox": bbox(REGION),
        "fn": identity(), "op_kwargs": {"src": source}
    });
    Trial { lab, spec, source: expected, target }
}

/// With intermediaries instead of skipping them.
fn kept(lab: &Lab, levels: usize, changes: Json) -> Json {
    let mut all = json!({
        "skip_intermediaries": null, "level_intermediaries_dirs": vec![lab.path("temporaries"); levels]
    });
    // What is null takes something away from the flow.
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    all
}

#[track_caller]
fn assert_copied(name: &str, trial: &Trial, changes: Json) {
    expect_run(&with(trial.spec.clone(), changes));
    assert_eq!(read(&trial.target, REGION), trial.source, "{name}");
}

#[test]
fn copies_are_the_source() {
    let one = |name, changes: fn(&Lab) -> Json| {
        let trial = trial(DataType::Uint8);
        let changes = changes(&trial.lab);
        assert_copied(name, &trial, changes);
    };
    one("bbox", |_| json!({}));
    one("auto_bbox", |_| json!({"bbox": null, "auto_bbox": true}));
    one(
        "coords",
        |_| json!({"bbox": null, "start_coord": REGION.start, "end_coord": REGION.stop, "coord_resolution": [1, 1, 1]}),
    );
    one("fn_semaphores", |_| json!({"fn_semaphores": ["read", "cuda"]}));
    one("op", |lab| {
        let op = json!({"@type": "VolumetricCallableOperation", "fn": identity(), "crop_pad": [2, 2, 0]});
        kept(lab, 1, json!({"fn": null, "op": op}))
    });
    one("dont_skip", |lab| kept(lab, 1, json!({})));
    one("max_reduction", |lab| kept(lab, 1, json!({"max_reduction_chunk_size": [64, 64, 5]})));
    one(
        "expand, nothing to do",
        |_| json!({"expand_bbox_resolution": true, "expand_bbox_backend": true, "expand_bbox_processing": true}),
    );
    one("shrink", |lab| {
        let changes = json!({
            "processing_chunk_sizes": [[512, 512, 1]], "shrink_processing_chunk": true, "expand_bbox_processing": false,
            "max_reduction_chunk_size": [512, 512, 512]
        });
        kept(lab, 1, changes)
    });
    one("multilevel, no checkerboard", |lab| {
        kept(lab, 2, json!({"processing_chunk_sizes": [[64, 64, 1], [32, 32, 1]]}))
    });
    one("multilevel, skipping", |_| json!({"processing_chunk_sizes": [[64, 64, 1], [32, 32, 1]]}));
    one("multilevel checkerboard", |lab| {
        let changes = json!({
            "processing_chunk_sizes": [[64, 64, 1], [32, 32, 1]],
            "processing_crop_pads": [[16, 16, 0], [16, 16, 0]]
        });
        kept(lab, 2, changes)
    });
    one("no cache", |lab| {
        let changes = json!({
            "processing_chunk_sizes": [[64, 64, 1], [32, 32, 1]],
            "processing_crop_pads": [[16, 16, 0], [16, 16, 0]], "allow_cache_up_to_level": 0
        });
        kept(lab, 2, changes)
    });
    one("blend", |lab| {
        let changes = json!({
            "processing_chunk_sizes": [[64, 64, 1], [32, 32, 1]],
            "processing_blend_pads": [[0, 0, 0], [4, 4, 0]], "processing_crop_pads": [[16, 16, 0], [0, 0, 0]]
        });
        kept(lab, 2, changes)
    });
    one("crop", |lab| {
        let changes = json!({
            "processing_chunk_sizes": [[64, 64, 1], [32, 32, 1]], "processing_crop_pads": [[0, 0, 0], [4, 4, 0]]
        });
        kept(lab, 2, changes)
    });
    one("top level checkerboard", |lab| {
        kept(lab, 1, json!({"processing_chunk_sizes": [[32, 32, 1]], "processing_blend_pads": [[16, 16, 0]]}))
    });
    one("auto divisibility", |lab| {
        let changes = json!({
            "processing_chunk_sizes": [[51, 59, 1], [15, 12, 1]], "processing_crop_pads": [[1, 2, 0], [0, 0, 0]],
            "processing_blend_pads": [[2, 3, 0], [4, 4, 0]], "auto_divisibility": true,
            "max_reduction_chunk_size": [64, 64, 1]
        });
        kept(lab, 2, changes)
    });
}

#[test]
fn sizes_given_with_their_pads_are_those_of_mazepa() {
    let trial = trial(DataType::Uint8);
    let changes = json!({
        "@type": "build_postpad_subchunkable_apply_flow", "processing_input_sizes": [[51, 58, 1], [16, 14, 1]],
        "processing_crop": [1, 2, 0], "processing_blend": [2, 1, 0], "processing_chunk_sizes": null,
        "skip_intermediaries": null, "max_reduction_chunk_size": [64, 64, 1],
        "level_intermediaries_dirs": [trial.lab.path("temporaries"), trial.lab.path("temporaries")]
    });
    assert_copied("postpad", &trial, changes);
    let recorded: volumetric::apply::PostpadApply = serde_json::from_value(json!({
        "dst": null, "dst_resolution": [1, 1, 1], "processing_input_sizes": [[820, 938, 1], [234, 192, 1]],
        "processing_crop": [3, 5, 0], "processing_blend": [7, 11, 0]
    }))
    .unwrap();
    let sizes = recorded.into_subchunkable().processing_chunk_sizes;
    assert_eq!(sizes, [Vec3::new(806, 916, 1), Vec3::new(214, 160, 1)]);
}

#[test]
fn the_chunked_flow_is_one_level_of_chunks() {
    let trial = trial(DataType::Uint8);
    let spec = json!({
        "@type": "build_chunked_apply_flow", "dst": trial.target,
        "operation": {"@type": "VolumetricCallableOperation", "fn": identity()},
        "chunker": {"@type": "VolumetricIndexChunker", "chunk_size": [64, 64, 1]},
        "idx": {"@type": "VolumetricIndex", "bbox": bbox(REGION), "resolution": [1, 1, 1]},
        "op_kwargs": trial.spec["op_kwargs"]
    });
    let run = expect_run(&spec);
    assert_eq!(count(&run, "volumetric.process"), 5);
    assert_eq!(read(&trial.target, REGION), trial.source);
}

#[test]
fn write_processors_are_applied_once_whatever_the_levels() {
    let add = json!([{"@type": "lambda", "lambda_str": "lambda data: data + 1"}]);
    for data_type in [DataType::Uint8, DataType::Float32] {
        for levels in 1..=2 {
            for blend in [0, 4] {
                let trial = trial(data_type);
                let mut spec = trial.spec.clone();
                spec["dst"]["write_procs"] = add.clone();
                let sizes: Vec<Json> =
                    [json!([32, 32, 1]), json!([8, 8, 1])].into_iter().take(levels).collect();
                let changes = json!({
                    "processing_chunk_sizes": sizes, "processing_blend_pads": [blend, blend, 0]
                });
                expect_run(&with(spec, kept(&trial.lab, levels, changes)));
                let found = read(&trial.target, REGION);
                for place in [Vec3::ZERO, Vec3::new(31, 32, 2), Vec3::new(63, 63, 4)] {
                    let expected = trial.source.get(0, place) + 1.0;
                    assert!(
                        (found.get(0, place) - expected).abs() < 1e-4,
                        "{data_type} {levels} {blend} at {place}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_constant_needs_no_layer() {
    let trial = trial(DataType::Uint8);
    let constant = json!({"@type": "lambda", "lambda_str": "lambda: 42"});
    expect_run(&with(trial.spec, json!({"fn": constant, "op_kwargs": null})));
    let found = read(&trial.target, REGION);
    assert_eq!(found, Array::filled(DataType::Uint8, found.shape(), 42.0));
}

#[test]
fn boxes_that_are_cut_off_grow_as_they_are_told() {
    let cut = Bounds::new(REGION.start + Vec3::new(3, 5, 0), REGION.stop - Vec3::new(10, 20, 1));
    // To storage chunks: all of x and y, but not the last plane.
    let trial = trial(DataType::Uint8);
    expect_run(&with(trial.spec.clone(), json!({"bbox": bbox(cut), "expand_bbox_backend": true})));
    let grown = Bounds::new(REGION.start, Vec3::new(128, 128, 24));
    assert_eq!(read(&trial.target, grown), read_source(&trial, grown));
    // To chunks: the end grows, and what lies beyond the layer is dropped.
    let trial = self::trial(DataType::Uint8);
    let changes = json!({"bbox": bbox(cut), "max_reduction_chunk_size": [64, 64, 1]});
    expect_run(&with(trial.spec.clone(), kept(&trial.lab, 1, changes)));
    let grown = Bounds::new(cut.start, Vec3::new(128, 128, 24));
    assert_eq!(read(&trial.target, grown), read_source(&trial, grown));
    assert_eq!(read(&trial.target, Bounds::at(REGION.start, Vec3::new(3, 1, 1))).get(0, Vec3::ZERO), 0.0);
    // To whole voxels.
    let trial = self::trial(DataType::Uint8);
    let fine = json!({"@type": "BBox3D.from_coords", "start_coord": [1285, 1280, 200], "end_coord": [2555, 2560, 245],
        "resolution": [0.05, 0.05, 0.1]});
    expect_run(&with(trial.spec.clone(), json!({"bbox": fine, "expand_bbox_resolution": true})));
    assert_eq!(read(&trial.target, REGION), trial.source);
}

fn read_source(trial: &Trial, bounds: Bounds) -> Array {
    trial.source.part(bounds.translated(-REGION.start))
}

#[test]
fn in_a_gap_nothing_is_written() {
    let trial = trial(DataType::Uint8);
    let changes = json!({"processing_chunk_sizes": [[24, 64, 1]], "processing_gap": [16, 0, 0]});
    expect_run(&with(trial.spec.clone(), kept(&trial.lab, 1, changes)));
    let found = read(&trial.target, REGION);
    for x in 0..64 {
        let place = Vec3::new(x, 9, 2);
        let expected = if x % 40 < 24 { trial.source.get(0, place) } else { 0.0 };
        assert_eq!(found.get(0, place), expected, "{x}");
    }
}

#[test]
fn deferred_results_stay_in_the_intermediaries_after_write_processors() {
    let trial = trial(DataType::Uint8);
    let mut spec = trial.spec.clone();
    spec["dst"]["write_procs"] = json!([{"@type": "lambda", "lambda_str": "lambda data: data + 1"}]);
    let changes = json!({
        "processing_chunk_sizes": [[32, 32, 1]], "processing_blend_pads": [[8, 8, 0]], "processing_blend_modes": "defer"
    });
    let run = expect_run(&with(spec, kept(&trial.lab, 1, changes)));
    assert_eq!((count(&run, "volumetric.process"), count(&run, "volumetric.reduce")), (20, 0));
    let found = read(&trial.target, REGION);
    assert_eq!(found, Array::zeros(DataType::Uint8, found.shape()));
    let storage = volumetric::layer::storage::Storage::open(&trial.lab.path("temporaries")).unwrap();
    let kept = storage.list("").unwrap();
    assert_eq!(kept.len(), 20);
    let first = kept.iter().find(|name| name.ends_with("/56_56_20")).unwrap();
    let bytes = storage.get(first).unwrap().unwrap();
    // A header, a checksum, the only plane.
    assert_eq!(f64::from(bytes[260]), value(0, Vec3::new(56, 56, 20)) + 1.0);
}

#[test]
fn all_zero_results_are_written_over_what_was_there() {
    let trial = trial(DataType::Uint8);
    fill(&trial.target, |_, _| 7.0);
    let zero = json!({"@type": "lambda", "lambda_str": "lambda src: src * 0"});
    let changes = json!({
        "fn": zero, "processing_chunk_sizes": [[32, 32, 1]], "processing_blend_pads": [[8, 8, 0]]
    });
    expect_run(&with(trial.spec.clone(), kept(&trial.lab, 1, changes)));
    let found = read(&trial.target, REGION);
    assert_eq!(found, Array::zeros(DataType::Uint8, found.shape()));
}

/// Counts the voxels it is given.
#[derive(Deserialize, JsonSchema)]
struct CountVoxels {}

impl ArrayFunction for CountVoxels {
    fn call(&self, arguments: &Arguments<'_>) -> Result<Output, Error> {
        Ok(Output::Value(arguments.array("src")?.shape().count().into()))
    }

    fn merge(&self, _: &str, values: &[Json]) -> Result<Json, Error> {
        Ok(values.iter().filter_map(Json::as_u64).sum::<u64>().into())
    }
}

inventory::submit! { Registration::of::<CountVoxels>("count_voxels") }

#[test]
fn without_a_layer_to_write_to_values_are_merged() {
    let trial = trial(DataType::Uint8);
    for sizes in [json!([[64, 32, 1]]), json!([[64, 64, 1], [16, 32, 1]])] {
        let changes = json!({"dst": null, "fn": {"@type": "count_voxels"}, "processing_chunk_sizes": sizes});
        let mut spec = with(trial.spec.clone(), changes);
        spec["dst"] = Json::Null;
        let run = expect_run(&spec);
        assert_eq!(run.result.unwrap().to_json().unwrap(), 64 * 64 * 5);
        assert!(run.tasks.iter().all(|ran| ran.task.operation.as_str() == "volumetric.process"));
    }
}

#[test]
fn two_levels_of_tasks_give_what_one_gives() {
    let changes = json!({
        "processing_chunk_sizes": [[32, 32, 1], [10, 20, 1], [9, 14, 1]],
        "processing_crop_pads": [[2, 2, 0], [1, 1, 0], [1, 1, 0]],
        "processing_blend_pads": [[2, 2, 0], [3, 3, 0], [2, 2, 0]], "max_reduction_chunk_size": [64, 64, 1],
        "bbox": bbox(Bounds::at(REGION.start, Vec3::new(64, 32, 1)))
    });
    let mut outputs = BTreeSet::new();
    for distributed in 1..=3 {
        let trial = trial(DataType::Uint8);
        let shifted = json!({"@type": "lambda", "lambda_str": "lambda src: src // 2 + 3"});
        let mut spec = with(trial.spec.clone(), kept(&trial.lab, 3, changes.clone()));
        spec["distributed_levels"] = distributed.into();
        spec["fn"] = shifted;
        let run = expect_run(&spec);
        let plan: volumetric::apply::SubchunkableApply = {
            let mut arguments = spec.clone();
            arguments.as_object_mut().unwrap().remove("@type");
            serde_json::from_value(arguments).unwrap()
        };
        let planned = plan.plan().unwrap();
        for tasks in &planned.tasks {
            assert_eq!(
                tasks.tasks,
                count(&run, tasks.operation) as u64,
                "{} at {distributed}",
                tasks.operation
            );
        }
        outputs.insert(format!("{:?}", read(&trial.target, REGION).elements().bytes()));
    }
    assert_eq!(outputs.len(), 1);
}

#[test]
fn tasks_of_several_chunks_write_them_all() {
    let trial = trial(DataType::Uint8);
    let run = expect_run(&with(trial.spec.clone(), json!({"task_stack_size": 2})));
    assert_eq!(count(&run, "volumetric.process"), 3);
    assert_eq!(read(&trial.target, REGION), trial.source);
}

#[test]
fn coarser_resolutions_are_made_one_after_another() {
    let lab = Lab::new();
    let bounds = Bounds::at(Vec3::ZERO, Vec3::new(64, 64, 4));
    let mut layer = lab.layer("pyramid", DataType::Uint8, 1, bounds, Vec3::new(16, 16, 4));
    layer["scales"] = json!([[2, 2, 1], [4, 4, 1], [8, 8, 2]]);
    layer["ome"] = true.into();
    fill(&layer, |_, voxel| (voxel[0] + voxel[1]) as f64);
    let spec = json!({
        "@type": "build_interpolate_flow", "src": layer, "src_resolution": [1, 1, 1],
        "dst_resolutions": [[8, 8, 2], [2, 2, 1], [4, 4, 1]], "mode": "img",
        "processing_chunk_sizes": [[16, 16, 4]], "skip_intermediaries": true, "auto_bbox": true
    });
    let run = expect_run(&spec);
    assert_eq!(count(&run, "volumetric.process"), 4 + 1 + 1);
    let coarse = volumetric::geometry::Resolution::from_nanometres([8.0, 8.0, 2.0]).unwrap();
    let opened = crate::lab::spec_of(&layer).open().unwrap();
    let found = opened.read(coarse, Bounds::at(Vec3::ZERO, Vec3::new(8, 8, 2))).unwrap();
    for (x, y) in [(0, 0), (3, 5), (7, 7)] {
        // The mean of x + y over a block is (8x + 3.5) + (8y + 3.5), at each step rounded half to even.
        let expected = (8 * (x + y) + 7) as f64;
        assert!((found.get(0, Vec3::new(x, y, 1)) - expected).abs() <= 1.0, "{x} {y}");
    }
    let wrong = with(spec.clone(), json!({"dst_resolutions": [[4, 2, 1], [2, 4, 1]]}));
    let problems = crate::lab::block_on(crate::lab::run(&wrong)).err().unwrap();
    assert!(problems.contains("cannot be put in order"), "{problems}");
}
