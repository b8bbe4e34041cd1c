//! Invalid parameters, and what is said of them before anything runs.

use serde_json::{Value as Json, json};
use volumetric::array::DataType;
use volumetric::geometry::{Bounds, Vec3};

use crate::lab::{Lab, bbox, block_on, fill, identity, run, with};

const REGION: Bounds = Bounds::new(Vec3::ZERO, Vec3::new(1024, 64, 4));

/// A sound flow of two levels with intermediaries.
fn sound(lab: &Lab) -> Json {
    let source = lab.layer("source", DataType::Uint8, 1, REGION, Vec3::new(1024, 64, 4));
    fill(&source, |_, _| 1.0);
    json!({
        "@type": "build_subchunkable_apply_flow",
        "dst": lab.layer("target", DataType::Uint8, 1, REGION, Vec3::new(64, 64, 1)),
        "dst_resolution": [1, 1, 1], "processing_chunk_sizes": [[1024, 64, 4], [512, 32, 1]], "bbox": bbox(REGION),
        "level_intermediaries_dirs": [lab.path("t"), lab.path("t")], "fn": identity(), "op_kwargs": {"src": source}
    })
}

fn null_dst(mut spec: Json) -> Json {
    spec["dst"] = Json::Null;
    spec
}

/// What is said of a spec, without what differs from run to run.
fn said(lab: &Lab, spec: &Json) -> String {
    match block_on(run(spec)) {
        Ok(_) => "accepted".to_owned(),
        Err(problems) => {
            let place = lab.path("");
            let lines =
                problems.lines().filter(|line| line.starts_with("spec.json") || line.contains("problem"));
            let strip =
                |line: &str| match line.strip_prefix("spec.json:").and_then(|rest| rest.split_once(": ")) {
                    Some((_, message)) => message.to_owned(),
                    None => line.to_owned(),
                };
            lines.map(strip).collect::<Vec<_>>().join("\n").replace(&place, "PLACE/")
        }
    }
}

#[test]
fn a_sound_flow_is_accepted() {
    let lab = Lab::new();
    assert_eq!(said(&lab, &sound(&lab)), "accepted");
}

#[test]
fn each_mistake_is_told_with_its_place_its_numbers_and_a_cure() {
    let skip = json!({"skip_intermediaries": true, "level_intermediaries_dirs": null});
    // What is null is taken away from the flow, not from these changes.
    let both = |mut first: Json, second: Json| {
        first.as_object_mut().unwrap().extend(second.as_object().unwrap().clone());
        first
    };
    let skipping = |changes: Json| both(skip.clone(), changes);
    let one = json!([[1024, 64, 4]]);
    let with_gap = |changes: Json| {
        both(
            json!({
                "processing_chunk_sizes": [[256, 64, 4]], "processing_gap": [128, 0, 0],
                "level_intermediaries_dirs": ["memory://lab-gap/t"]
            }),
            changes,
        )
    };
    let cases: Vec<(&str, Json)> = vec![
        // 1
        ("dst_tighten_bounds", json!({"dst_tighten_bounds": true})),
        ("op_args", json!({"op_args": [1]})),
        // 2
        ("null dst without skipping", json!({"dst": "null", "level_intermediaries_dirs": null})),
        ("null dst, expand_bbox_backend", skipping(json!({"dst": "null", "expand_bbox_backend": true}))),
        (
            "null dst, max_reduction_chunk_size",
            skipping(json!({"dst": "null", "max_reduction_chunk_size": [2048, 64, 4]})),
        ),
        ("null dst, auto_bbox", skipping(json!({"dst": "null", "auto_bbox": true, "bbox": null}))),
        // 3
        ("auto_bbox and bbox", json!({"auto_bbox": true})),
        ("auto_bbox and start_coord", json!({"auto_bbox": true, "bbox": null, "start_coord": [0, 0, 0]})),
        ("no box", json!({"bbox": null})),
        ("half a box", json!({"bbox": null, "start_coord": [0, 0, 0], "end_coord": [8, 8, 8]})),
        ("bbox and coordinates", json!({"end_coord": [8, 8, 8], "coord_resolution": [1, 1, 1]})),
        ("an empty box", json!({"bbox": bbox(Bounds::at(Vec3::ZERO, Vec3::new(0, 8, 8)))})),
        (
            "an inverted box",
            json!({"bbox": null, "start_coord": [9, 0, 0], "end_coord": [8, 8, 8],
            "coord_resolution": [1, 1, 1]}),
        ),
        // 4
        ("fn and op", json!({"op": {"@type": "CopyOperation"}})),
        (
            "op and fn_semaphores",
            json!({"fn": null, "op": {"@type": "CopyOperation"}, "fn_semaphores": ["cpu"]}),
        ),
        ("neither fn nor op", json!({"fn": null})),
        // 5
        ("link without summary", json!({"generate_ng_link": true, "verbose": false})),
        // 6
        ("crop pads for three levels", json!({"processing_crop_pads": [[0, 0, 0], [0, 0, 0], [0, 0, 0]]})),
        ("blend pads for one level", json!({"processing_blend_pads": [[0, 0, 0]]})),
        ("blend modes for three levels", json!({"processing_blend_modes": ["max", "max", "max"]})),
        // 7
        ("defer without dst", skipping(json!({"dst": "null", "processing_blend_modes": ["defer", "max"]}))),
        ("defer, skipping", skipping(json!({"processing_blend_modes": ["defer", "max"]}))),
        ("defer at the bottom", json!({"processing_blend_modes": ["max", "defer"]})),
        ("defer for all", json!({"processing_blend_modes": "defer"})),
        // 8
        ("reduction smaller than chunks", json!({"max_reduction_chunk_size": [512, 64, 4]})),
        ("reduction smaller than storage chunks", json!({"max_reduction_chunk_size": [1024, 32, 4]})),
        // 9
        ("skipping with a reduction worker", skipping(json!({"reduction_worker_type": "memory"}))),
        ("skipping with directories", json!({"skip_intermediaries": true})),
        ("skipping with blending", skipping(json!({"processing_blend_pads": [[0, 0, 0], [8, 8, 0]]}))),
        (
            "skipping with a crop at the top",
            skipping(json!({"processing_crop_pads": [[8, 8, 0], [0, 0, 0]]})),
        ),
        // 10
        ("one directory for two levels", json!({"level_intermediaries_dirs": ["t"]})),
        ("no directories", json!({"level_intermediaries_dirs": null})),
        ("no directory for tasks", json!({"level_intermediaries_dirs": [null, "t"]})),
        ("a directory that is none", json!({"level_intermediaries_dirs": ["ftp://a/b", null]})),
        // 11
        (
            "auto_divisibility and shrinking",
            json!({"auto_divisibility": true, "shrink_processing_chunk": true,
            "expand_bbox_processing": false}),
        ),
        (
            "auto_divisibility without growing",
            json!({"auto_divisibility": true, "expand_bbox_processing": false}),
        ),
        (
            "auto_divisibility and storage chunks",
            json!({"auto_divisibility": true, "expand_bbox_backend": true}),
        ),
        ("shrinking and growing", json!({"shrink_processing_chunk": true})),
        // 12
        ("an odd gap", with_gap(json!({"processing_gap": [127, 0, 0]}))),
        ("a gap between blended chunks", with_gap(json!({"processing_blend_pads": [[8, 0, 0]]}))),
        ("a gap and auto_divisibility", with_gap(json!({"auto_divisibility": true}))),
        (
            "a gap and shrinking",
            with_gap(json!({"shrink_processing_chunk": true, "expand_bbox_processing": false})),
        ),
        ("a gap and storage chunks", with_gap(json!({"expand_bbox_backend": true}))),
        ("a gap and whole voxels", with_gap(json!({"expand_bbox_resolution": true}))),
        // 13
        (
            "half voxels, growing",
            json!({"bbox": null, "start_coord": [1, 0, 0], "end_coord": [1025, 64, 4],
            "coord_resolution": [0.5, 1, 1]}),
        ),
        (
            "half voxels, shrinking",
            json!({"bbox": null, "start_coord": [1, 0, 0], "end_coord": [1025, 64, 4],
            "coord_resolution": [0.5, 1, 1], "shrink_processing_chunk": true, "expand_bbox_processing": false}),
        ),
        (
            "half voxels",
            json!({"bbox": null, "start_coord": [1, 0, 0], "end_coord": [1025, 64, 4],
            "coord_resolution": [0.5, 1, 1], "expand_bbox_processing": false}),
        ),
        // 14
        ("1024 over 513", json!({"processing_chunk_sizes": [[1024, 64, 4], [513, 32, 1]]})),
        ("1024 over 333", json!({"processing_chunk_sizes": [[1024, 64, 4], [333, 32, 1]]})),
        (
            "a box that chunks do not fill",
            json!({"expand_bbox_processing": false, "processing_chunk_sizes":
            [[1000, 64, 4], [500, 32, 1]]}),
        ),
        ("pads that make it not divide", json!({"processing_crop_pads": [[8, 0, 0], [0, 0, 0]]})),
        // 15
        ("a pad of more than half", json!({"processing_blend_pads": [[0, 0, 0], [300, 0, 0]]})),
        // 16
        ("an empty stack", json!({"task_stack_size": 0})),
        // Our own
        ("no levels", json!({"processing_chunk_sizes": []})),
        ("a chunk without extent", json!({"processing_chunk_sizes": [[1024, 64, 4], [512, 0, 1]]})),
        ("a negative pad", json!({"processing_crop_pads": [-1, 0, 0]})),
        ("more distributed levels than levels", json!({"distributed_levels": 3})),
        ("a worker type that is none", json!({"op_worker_type": "big gpu"})),
        ("a semaphore that is none", json!({"fn_semaphores": ["c p u"]})),
        ("a resolution that dst lacks", json!({"dst_resolution": [2, 2, 1]})),
        ("a box elsewhere", json!({"bbox": bbox(Bounds::at(Vec3::new(4096, 0, 0), Vec3::new(1024, 64, 4)))})),
        (
            "an input that the function lacks",
            json!({"fn": {"@type": "lambda", "lambda_str": "lambda data: data"}}),
        ),
        ("a lambda that is none", json!({"fn": {"@type": "lambda", "lambda_str": "lambda src: src +"}})),
        ("a list as an input", json!({"op_kwargs": {"src": [1, 2]}})),
        ("unaligned chunks, skipping", skipping(json!({"processing_chunk_sizes": [[96, 64, 4]]}))),
        (
            "gap with skipping, unaligned",
            skipping(json!({"processing_chunk_sizes": [[100, 64, 4]],
            "processing_gap": [16, 0, 0]})),
        ),
        (
            "several mistakes at once",
            json!({"task_stack_size": -1, "dst_tighten_bounds": true, "fn": null,
            "processing_gap": [3, 0, 0], "processing_chunk_sizes": one, "processing_blend_pads": [600, 0, 0]}),
        ),
    ];
    let mut answers = Vec::new();
    for (name, changes) in &cases {
        let lab = Lab::new();
        let spec = sound(&lab);
        let spec = match changes["dst"] == "null" {
            true => null_dst(with(spec, changes.clone())),
            false => with(spec, changes.clone()),
        };
        let answer = said(&lab, &spec);
        assert_ne!(answer, "accepted", "{name}");
        answers.push(format!("# {name}\n{answer}"));
    }
    assert!(cases.len() >= 42);
    insta::assert_snapshot!("refused", answers.join("\n\n"));
}

#[test]
fn weights_are_refused_for_integers_that_floats_do_not_hold() {
    for data_type in [DataType::Uint64, DataType::Int64] {
        let lab = Lab::new();
        let mut spec = sound(&lab);
        spec["dst"] = lab.layer("labels", data_type, 1, REGION, Vec3::new(64, 64, 1));
        spec["processing_blend_pads"] = json!([[0, 0, 0], [8, 0, 0]]);
        spec["processing_chunk_sizes"] = json!([[1024, 64, 4], [512, 64, 1]]);
        let answer = said(&lab, &spec);
        assert!(
            answer.contains("would damage integers of") && answer.contains("use the mode \"max\""),
            "{answer}"
        );
        spec["processing_blend_modes"] = "max".into();
        assert_eq!(said(&lab, &spec), "accepted");
    }
}

#[test]
fn a_layer_is_not_processed_in_place_at_once() {
    let lab = Lab::new();
    let mut spec = with(sound(&lab), json!({"skip_intermediaries": true, "level_intermediaries_dirs": null}));
    spec["op_kwargs"]["src"] = spec["dst"].clone();
    fill(&spec["dst"], |_, _| 1.0);
    let answer = said(&lab, &spec);
    assert!(answer.contains("\"src\" is dst itself"), "{answer}");
    spec =
        with(spec, json!({"skip_intermediaries": null, "level_intermediaries_dirs": [lab.path("t"), null]}));
    assert_eq!(said(&lab, &spec), "accepted");
}

#[test]
fn what_no_machine_can_hold_and_numbers_that_dst_cannot_hold_are_refused() {
    let lab = Lab::new();
    let skip = json!({"skip_intermediaries": true, "level_intermediaries_dirs": null});
    let direct = with(sound(&lab), skip);
    let huge = said(
        &lab,
        &with(direct.clone(), json!({"processing_crop_pads": [[0, 0, 0], [1 << 18, 1 << 18, 64]]})),
    );
    assert!(huge.contains("a task would hold") && huge.contains("TiB in memory"), "{huge}");
    for (lambda, number) in
        [("lambda src: 1 << 100", "1267650600228229401496703205376"), ("lambda src: 1e300", "1e300")]
    {
        let function = json!({"fn": {"@type": "lambda", "lambda_str": lambda}});
        let answer = said(&lab, &with(direct.clone(), function));
        assert!(answer.contains(&format!("{number} ")) && answer.contains("uint8"), "{answer}");
    }
}

#[test]
fn a_source_that_an_earlier_stage_will_make_is_accepted() {
    let lab = Lab::new();
    let first = sound(&lab);
    let mut second = sound(&lab);
    second["op_kwargs"]["src"] =
        json!({"@type": "build_zarr_layer", "path": lab.path("target"), "resolution": [1, 1, 1]});
    second["dst"] = lab.layer("later", DataType::Uint8, 1, REGION, Vec3::new(64, 64, 1));
    let spec = json!({"@type": "mazepa.sequential_flow", "stages": [first, second]});
    let ran = block_on(run(&spec)).unwrap();
    ran.result.unwrap();
    assert_eq!(crate::lab::read(&second["dst"], REGION).get(0, Vec3::ZERO), 1.0);
    let alone = said(
        &Lab::new(),
        &with(
            spec["stages"][1].clone(),
            json!({"op_kwargs": {"src":
        {"@type": "build_zarr_layer", "path": "memory://nowhere/at/all", "resolution": [1, 1, 1]}}}),
        ),
    );
    assert_eq!(alone, "accepted", "the flow itself says so when it runs");
}
