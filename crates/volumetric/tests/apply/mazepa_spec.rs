//! A spec as Mazepa's users write it runs as it is.

use serde_json::{Value as Json, json};
use volumetric::array::{Array, Shape};
use volumetric::geometry::{Bounds, Resolution, Vec3};

use crate::lab::{Lab, expect_run, spec_of, with};

fn resolution() -> Resolution {
    Resolution::from_nanometres([128.0, 128.0, 40.0]).unwrap()
}

/// The volume that the spec's box is in: 256 × 256 × 3 voxels.
fn region() -> Bounds {
    Bounds::new(Vec3::new(2048, 2048, 2000), Vec3::new(2304, 2304, 2003))
}

fn source(lab: &Lab) -> (Json, Array) {
    let layer = json!({
        "@type": "build_cv_layer", "path": lab.path("img"), "info_scales": [[128, 128, 40]], "info_type": "image",
        "info_data_type": "uint8", "info_num_channels": 1, "info_chunk_size": [128, 128, 1], "info_encoding": "raw",
        "info_bbox": {"@type": "BBox3D.from_coords", "start_coord": [2048, 2048, 2000],
            "end_coord": [2304, 2304, 2003], "resolution": [128, 128, 40]}
    });
    let opened = spec_of(&layer).create().unwrap();
    let array = Array::generate(opened.volume().data_type(), Shape::new(1, region().size()), |_, voxel| {
        ((voxel[0] * 3 + voxel[1] * 5 + voxel[2] * 7) % 251) as f64
    });
    opened.write(resolution(), region().start, array.clone()).unwrap();
    (layer, array)
}

fn example(lab: &Lab) -> Json {
    json!({
        "@type": "mazepa.execute",
        "@version": "0.4",
        "target": {
            "@type": "build_subchunkable_apply_flow",
            "bbox": {
                "@type": "BBox3D.from_coords",
                "start_coord": [65536, 65536, 2000], "end_coord": [73728, 73728, 2003], "resolution": [4, 4, 40]
            },
            "dst_resolution": [128, 128, 40],
            "processing_chunk_sizes": [[128, 128, 1]],
            "skip_intermediaries": true,
            "fn": {"@type": "lambda", "lambda_str": "lambda src: src"},
            "op_kwargs": {"src": {"@type": "build_cv_layer", "path": lab.path("img")}},
            "dst": {
                "@type": "build_cv_layer", "path": lab.path("copy"), "info_reference_path": lab.path("img")
            }
        }
    })
}

fn copied(lab: &Lab) -> Array {
    let layer = json!({"@type": "build_cv_layer", "path": lab.path("copy")});
    spec_of(&layer).open().unwrap().read(resolution(), region()).unwrap()
}

#[test]
fn the_smallest_example_of_mazepa_copies_a_volume() {
    let lab = Lab::new();
    let (_, array) = source(&lab);
    let run = expect_run(&example(&lab));
    assert_eq!(run.tasks.len(), 1 + 4 * 3);
    assert_eq!(copied(&lab), array);
}

#[test]
fn blended_levels_and_write_processors_of_a_cue_file_do_too() {
    let lab = Lab::new();
    let (_, array) = source(&lab);
    let mut spec = example(&lab);
    spec["target"] = with(
        spec["target"].clone(),
        json!({
            "skip_intermediaries": null, "processing_chunk_sizes": [[256, 256, 1], [80, 80, 1]],
            "processing_crop_pads": [[16, 16, 0], [2, 2, 0]], "processing_blend_pads": [[16, 16, 0], [8, 8, 0]],
            "processing_blend_modes": "quadratic", "max_reduction_chunk_size": [256, 256, 1],
            "level_intermediaries_dirs": [lab.path("temp"), "~/.zutils/tmp"], "generate_ng_link": true,
            "fn_semaphores": ["cpu"], "op_worker_type": "cpu"
        }),
    );
    spec["target"]["dst"]["write_procs"] =
        json!([{"@type": "lambda", "lambda_str": "lambda data: data + 1"}]);
    expect_run(&spec);
    let found = copied(&lab);
    for place in [Vec3::ZERO, Vec3::new(100, 37, 1), Vec3::new(255, 255, 2)] {
        assert_eq!(found.get(0, place), array.get(0, place) + 1.0, "{place}");
    }
}
