//! Tasks that run twice, late, or again: good output is never damaged (Mazepa's W1 and W2).

use otaman::Value;
use otaman::inline::Runner;
use serde_json::{Value as Json, json};
use volumetric::apply::{CleanUp, ProcessChunks, ReduceChunks};
use volumetric::array::DataType;
use volumetric::geometry::{Bounds, Vec3};

use crate::lab::{Lab, bbox, block_on, expect_run, fill, identity, read, with};

struct Trial {
    lab: Lab,
    spec: Json,
    target: Json,
    bounds: Bounds,
}

/// A blended copy of 32 voxels by two tasks.
fn trial() -> Trial {
    let lab = Lab::new();
    let bounds = Bounds::new(Vec3::ZERO, Vec3::new(32, 1, 1));
    let source = lab.layer("source", DataType::Uint8, 1, bounds, Vec3::splat(8));
    fill(&source, |_, voxel| voxel[0] as f64 + 5.0);
    let target = lab.layer("target", DataType::Uint8, 1, bounds, Vec3::new(8, 1, 1));
    let spec = json!({
        "@type": "build_subchunkable_apply_flow", "dst": target, "dst_resolution": [1, 1, 1],
        "processing_chunk_sizes": [[16, 1, 1], [4, 1, 1]], "processing_blend_pads": [[4, 0, 0], [2, 0, 0]],
        "level_intermediaries_dirs": [lab.path("temporaries"), null], "bbox": bbox(bounds),
        "fn": identity(), "op_kwargs": {"src": source}
    });
    Trial { lab, spec, target, bounds }
}

fn runner() -> Runner {
    Runner::new(crate::lab::registry())
}

/// The arguments of the tasks of an operation.
fn arguments<T: serde::de::DeserializeOwned>(run: &otaman::inline::Run<Value>, operation: &str) -> Vec<T> {
    let tasks = run.tasks.iter().filter(|ran| ran.task.operation.as_str() == operation);
    tasks.map(|ran| ran.task.arguments.decode().unwrap()).collect()
}

#[test]
fn a_reduction_after_the_clean_up_fails_and_leaves_the_layer_as_it_is() {
    let Trial { spec, target, bounds, .. } = trial();
    let run = expect_run(&spec);
    let good = read(&target, bounds);
    assert_eq!(good.get(0, Vec3::new(31, 0, 0)), 36.0);
    // As after a crash between the clean-up and the record of it, or by a late duplicate.
    for reduction in arguments::<ReduceChunks>(&run, "volumetric.reduce") {
        let again = block_on(runner().run_task(reduction));
        let error = again.result.unwrap_err();
        assert!(error.to_string().contains("is missing"), "{error}");
        assert_eq!(error.cause(), otaman::Cause::Permanent);
    }
    assert_eq!(read(&target, bounds), good);
}

#[test]
fn a_late_duplicate_of_processing_changes_nothing() {
    let Trial { spec, target, bounds, .. } = trial();
    let run = expect_run(&spec);
    let good = read(&target, bounds);
    for process in arguments::<ProcessChunks>(&run, "volumetric.process") {
        block_on(runner().run_task(process)).result.unwrap();
    }
    assert_eq!(read(&target, bounds), good);
}

#[test]
fn tasks_that_run_twice_in_the_middle_give_the_same() {
    let Trial { spec, target, bounds, .. } = trial();
    let run = expect_run(&spec);
    let good = read(&target, bounds);
    let processing = || arguments::<ProcessChunks>(&run, "volumetric.process");
    let reductions = || arguments::<ReduceChunks>(&run, "volumetric.reduce");
    for process in processing().into_iter().chain(processing()) {
        block_on(runner().run_task(process)).result.unwrap();
    }
    for reduction in reductions().into_iter().chain(reductions()) {
        block_on(runner().run_task(reduction)).result.unwrap();
    }
    for clean in 0..2 {
        let cleanups = arguments::<CleanUp>(&run, "volumetric.clean");
        assert_eq!(cleanups.len(), 1, "{clean}");
        for cleanup in cleanups {
            block_on(runner().run_task(cleanup)).result.unwrap();
        }
    }
    assert_eq!(read(&target, bounds), good);
}

#[test]
fn a_reduction_without_one_of_its_sources_fails_instead_of_writing_zeros() {
    let Trial { spec, target, bounds, .. } = trial();
    let run = expect_run(&spec);
    let good = read(&target, bounds);
    let first = arguments::<ProcessChunks>(&run, "volumetric.process").into_iter().next().unwrap();
    block_on(runner().run_task(first)).result.unwrap();
    let results = arguments::<ReduceChunks>(&run, "volumetric.reduce")
        .into_iter()
        .map(|reduction| block_on(runner().run_task(reduction)).result.is_ok());
    // The first half is there, the box with both and that of the second half are not.
    assert!(results.filter(|is_good| *is_good).count() < 2);
    assert_eq!(read(&target, bounds), good);
}

#[test]
fn nothing_is_left_of_temporaries() {
    let Trial { lab, spec, .. } = trial();
    let run = expect_run(&spec);
    let storage = volumetric::layer::storage::Storage::open(&lab.path("temporaries")).unwrap();
    assert_eq!(storage.list("").unwrap(), Vec::<String>::new());
    for process in arguments::<ProcessChunks>(&run, "volumetric.process") {
        block_on(runner().run_task(process)).result.unwrap();
    }
    assert_eq!(storage.list("").unwrap().len(), 2);
}

#[test]
fn a_damaged_temporary_is_an_error() {
    let Trial { lab, spec, target, bounds } = trial();
    let run = expect_run(&spec);
    let good = read(&target, bounds);
    for process in arguments::<ProcessChunks>(&run, "volumetric.process") {
        block_on(runner().run_task(process)).result.unwrap();
    }
    let storage = volumetric::layer::storage::Storage::open(&lab.path("temporaries")).unwrap();
    let files =
        || storage.list("").unwrap().into_iter().map(|name| (storage.get(&name).unwrap().unwrap(), name));
    let whole: Vec<_> = files().collect();
    assert!(!whole.is_empty());
    let last = arguments::<ReduceChunks>(&run, "volumetric.reduce").pop().unwrap();
    type Damage = fn(&[u8]) -> Vec<u8>;
    let damages: [(Damage, &str); 4] = [
        (|bytes| bytes[..bytes.len() - 20].to_vec(), "it ends too early"),
        (|bytes| bytes[..258].to_vec(), "it ends too early"),
        (|bytes| bytes[..20].to_vec(), "its header is damaged"),
        // What a loss of power may leave: the length is right, some of the content is not.
        (|bytes| [&bytes[..bytes.len() - 1], &[!bytes[bytes.len() - 1]]].concat(), "its values are damaged"),
    ];
    for (damage, told) in damages {
        whole.iter().for_each(|(bytes, name)| storage.put(name, &damage(bytes)).unwrap());
        let error = block_on(runner().run_task(last.clone())).result.unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(read(&target, bounds), good);
    }
    whole.iter().for_each(|(bytes, name)| storage.put(name, bytes).unwrap());
    block_on(runner().run_task(last)).result.unwrap();
}

/// The identities of the tasks that process chunks.
fn ids(spec: &Json) -> Vec<String> {
    let run = expect_run(spec);
    let tasks = run.tasks.iter().filter(|ran| ran.task.operation.as_str() == "volumetric.process");
    tasks.map(|ran| ran.task.id.to_string()).collect()
}

#[test]
fn identities_of_tasks_survive_what_does_not_change_their_results() {
    let Trial { lab, spec, .. } = trial();
    let before = ids(&spec);
    assert_eq!(before.len(), 2);
    let same = json!({
        "verbose": false, "op_worker_type": "gpu", "reduction_worker_type": "memory", "fn_semaphores": ["read"],
        "expand_bbox_resolution": true
    });
    assert_eq!(ids(&with(spec.clone(), same)), before);
    // Another box blends other ends, so its intermediaries are others.
    let smaller = bbox(Bounds::new(Vec3::ZERO, Vec3::new(16, 1, 1)));
    assert!(!before.contains(&ids(&with(spec.clone(), json!({"bbox": smaller})))[0]));
    let other = json!({"fn": {"@type": "lambda", "lambda_str": "lambda src: src + 1"}});
    assert!(ids(&with(spec, other)).iter().all(|id| !before.contains(id)));
    drop(lab);
}

#[test]
fn without_intermediaries_a_grown_box_keeps_the_tasks_that_stay() {
    let Trial { spec, .. } = trial();
    let bounds = |stop| bbox(Bounds::new(Vec3::ZERO, Vec3::new(stop, 1, 1)));
    let direct = json!({
        "skip_intermediaries": true, "level_intermediaries_dirs": null, "processing_blend_pads": null,
        "bbox": bounds(16)
    });
    let direct = with(spec, direct);
    let small = ids(&direct);
    let grown = ids(&with(direct, json!({"bbox": bounds(32)})));
    assert_eq!((small.len(), grown.len()), (1, 2));
    assert_eq!(small[0], grown[0]);
}
