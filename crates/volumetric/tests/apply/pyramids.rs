//! Pyramids, each scale against what it must be by hand.

use serde_json::{Value as Json, json};
use volumetric::array::{Array, DataType, Shape};
use volumetric::geometry::{Bounds, Vec3};
use volumetric::layer::Layer;
use volumetric::layer::storage::Storage;
use volumetric::picture::{Axis, Shading};
use volumetric::view::{View, layer_at};

use crate::lab::{Lab, block_on, count, expect_run, fill, run, with};

/// Odd sizes, and a start inside a coarser voxel.
const BOUNDS: Bounds = Bounds::new(Vec3::new(3, 0, -5), Vec3::new(40, 21, 4));

fn value(channel: usize, voxel: Vec3) -> f64 {
    f64::from(u8::try_from((voxel[0] * 31 + voxel[1] * 17 + voxel[2] * 57).rem_euclid(251)).unwrap())
        - if channel == 1 { 100.0 } else { 0.0 }
}

fn source(lab: &Lab, data_type: DataType) -> Json {
    let layer = lab.layer("source", data_type, 2, BOUNDS, Vec3::new(8, 8, 8));
    fill(&layer, value);
    layer
}

fn pyramid(lab: &Lab, source: &Json, changes: Json) -> Json {
    let spec = json!({"@type": "build_pyramid_flow", "src": source, "path": lab.path("pyramid"), "chunk_size": [8, 8, 8]});
    with(spec, changes)
}

/// All of one scale.
fn scale(layer: &Layer, number: usize) -> (Bounds, Array) {
    let scale = layer.volume().scales()[number].clone();
    (scale.bounds, layer.read(scale.resolution, scale.bounds).unwrap())
}

/// Sees that each scale is made of the one before.
#[track_caller]
fn assert_is_pyramid(path: &str, scales: usize, first: &Array, make: fn(&[f64]) -> f64) {
    let layer = layer_at(path).unwrap().open().unwrap();
    assert_eq!(layer.volume().scales().len(), scales);
    let (mut before, mut finer) = scale(&layer, 0);
    assert_eq!((before, &finer), (BOUNDS, first));
    for number in 1..scales {
        let factor = Vec3(std::array::from_fn(|axis| if before.size()[axis] > 1 { 2 } else { 1 }));
        let (bounds, coarser) = scale(&layer, number);
        let expected = Array::generate(finer.data_type(), Shape::new(2, bounds.size()), |channel, voxel| {
            let block = Bounds::at((voxel + bounds.start) * factor, factor).intersection(&before);
            let inside = block.translated(-before.start);
            let mut values = Vec::new();
            for z in inside.start[2]..inside.stop[2] {
                for y in inside.start[1]..inside.stop[1] {
                    values.extend(
                        (inside.start[0]..inside.stop[0]).map(|x| finer.get(channel, Vec3::new(x, y, z))),
                    );
                }
            }
            make(&values)
        });
        assert!(coarser == expected, "scale {number} of {path} in {bounds}");
        (before, finer) = (bounds, coarser);
    }
}

#[expect(clippy::cast_precision_loss, reason = "eight values")]
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn maximum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::MIN, f64::max)
}

#[test]
fn every_format_gets_all_scales() {
    let formats = [
        json!({"format": "precomputed"}),
        json!({"format": "zarr", "zarr_format": 2, "codec": "gzip"}),
        json!({"format": "zarr", "shard_size": [16, 16, 8]}),
    ];
    for format in formats {
        let lab = Lab::new();
        let source = source(&lab, DataType::Int16);
        let first = fill(&source, value);
        let run = expect_run(&pyramid(&lab, &source, format));
        // 37 × 21 × 9 voxels, halved until they fit into 8 × 8 × 8.
        assert_is_pyramid(&lab.path("pyramid"), 4, &first, mean);
        let built: Json = run.result.unwrap().decode().unwrap();
        assert_eq!(built["scales"].as_array().unwrap().len(), 4);
        assert_eq!(built["scales"][3], json!([8.0, 8.0, 8.0]));
    }
}

#[test]
fn values_are_made_as_asked() {
    let lab = Lab::new();
    let source = source(&lab, DataType::Float32);
    let first = fill(&source, value);
    expect_run(&pyramid(&lab, &source, json!({"method": "max", "levels": 2})));
    assert_is_pyramid(&lab.path("pyramid"), 3, &first, maximum);
}

#[test]
fn labels_are_never_averaged() {
    let lab = Lab::new();
    let layer = lab.layer("source", DataType::Uint64, 1, BOUNDS, Vec3::new(8, 8, 8));
    fill(&layer, |_, voxel| if voxel[0] % 2 == 0 { 9.0e15 } else { 2.0 });
    expect_run(&pyramid(&lab, &layer, json!({})));
    let layer = layer_at(&lab.path("pyramid")).unwrap().open().unwrap();
    let (_, coarser) = scale(&layer, 1);
    // Of as many of each the smallest; where only odd or even ones are there, those.
    assert!(
        (0..coarser.shape().size[0]).all(|x| [2.0, 9.0e15].contains(&coarser.get(0, Vec3::new(x, 0, 0))))
    );
}

#[test]
fn scales_are_added_to_a_volume_that_is_there() {
    let lab = Lab::new();
    let source = source(&lab, DataType::Int16);
    let first = fill(&source, value);
    expect_run(&pyramid(&lab, &source, json!({"format": "precomputed", "levels": 0})));
    let alone = json!({"@type": "build_cv_layer", "path": lab.path("pyramid")});
    // What others have put into the metadata stays there.
    let storage = Storage::open(&lab.path("pyramid")).unwrap();
    let mut info: Json = serde_json::from_slice(&storage.get("info").unwrap().unwrap()).unwrap();
    info["@type"] = "neuroglancer_multiscale_volume".into();
    info["mesh"] = "mesh".into();
    storage.put("info", info.to_string().as_bytes()).unwrap();
    let added = expect_run(&pyramid(&lab, &alone, json!({"levels": 2})));
    assert_is_pyramid(&lab.path("pyramid"), 3, &first, mean);
    let info: Json = serde_json::from_slice(&storage.get("info").unwrap().unwrap()).unwrap();
    assert_eq!((&info["@type"], &info["mesh"]), (&json!("neuroglancer_multiscale_volume"), &json!("mesh")));
    // The layer, and a task or more for each of two scales; nothing is copied.
    let downsampled = count(&added, "volumetric.downsample");
    assert_eq!(downsampled, 2);
}

#[test]
fn a_pyramid_never_begins_silently_with_a_coarser_scale_than_the_finest() {
    let lab = Lab::new();
    let source = source(&lab, DataType::Int16);
    expect_run(&pyramid(&lab, &source, json!({"format": "precomputed", "levels": 1})));
    let storage = Storage::open(&lab.path("pyramid")).unwrap();
    let mut info: Json = serde_json::from_slice(&storage.get("info").unwrap().unwrap()).unwrap();
    info["scales"][0]["encoding"] = "jxl".into();
    storage.put("info", info.to_string().as_bytes()).unwrap();
    let partly = json!({"@type": "build_cv_layer", "path": lab.path("pyramid")});
    let again =
        |changes| with(pyramid(&lab, &partly, json!({"levels": 1, "path": lab.path("again.zarr")})), changes);
    let refused = block_on(run(&again(json!({})))).unwrap_err();
    assert!(
        refused.contains("jxl") && refused.contains("set src_resolution to begin with another"),
        "{refused}"
    );
    let second = info["scales"][1]["resolution"].clone();
    expect_run(&again(json!({"src_resolution": second})));
    let view = View {
        path: lab.path("pyramid"),
        resolution: None,
        axis: Axis::Z,
        index: None,
        channel: Some(0),
        shading: Shading::Natural,
    };
    assert_eq!(view.render().unwrap().unusable.len(), 1, "who looks at it is told");
}

#[test]
fn mistakes_are_told_before_anything_is_written() {
    let lab = Lab::new();
    let source = source(&lab, DataType::Int16);
    for (changes, place, told) in [
        (json!({"factors": [[2, 0, 1]]}), "factors", "found [2, 0, 1]"),
        (json!({"factors": [[2, 2, 2]], "levels": 3}), "factors", "either `factors` or `levels`"),
        (json!({"src_resolution": [3, 3, 3]}), "src_resolution", "has no scale of 3 × 3 × 3 nm"),
        (json!({"format": "precomputed", "shard_size": [16, 16, 16]}), "shard_size", "for zarr alone"),
        (json!({"format": "precomputed", "codec": "gzip"}), "codec", "for zarr alone"),
    ] {
        let refused = block_on(run(&pyramid(&lab, &source, changes))).expect_err(place);
        assert!(refused.contains(place) && refused.contains(told), "{refused}");
        assert!(layer_at(&lab.path("pyramid")).is_err(), "{place}");
    }
}

#[test]
fn a_slice_is_a_picture() {
    let lab = Lab::new();
    let layer = lab.layer("source", DataType::Uint8, 1, BOUNDS, Vec3::new(8, 8, 8));
    fill(&layer, |_, voxel| value(0, voxel));
    expect_run(&pyramid(&lab, &layer, json!({"levels": 1})));
    let view = View {
        path: lab.path("pyramid"),
        resolution: None,
        axis: Axis::Y,
        index: None,
        channel: None,
        shading: Shading::Natural,
    };
    let picture = view.render().unwrap();
    assert!(picture.png.starts_with(b"\x89PNG"));
    assert_eq!((picture.index, picture.bounds.size()), (10, Vec3::new(37, 1, 9)));
    let beyond = View { index: Some(21), ..view.clone() }.render().unwrap_err().to_string();
    assert!(beyond.contains("from 0 to 20"), "{beyond}");
    let nothing = View { path: lab.path("nothing"), ..view }.render().unwrap_err().to_string();
    assert!(nothing.contains("is no volume"), "{nothing}");
}

#[test]
fn a_pyramid_is_made_of_what_an_earlier_stage_makes_and_the_finest_scale_is_called_0() {
    let lab = Lab::new();
    let first = pyramid(&lab, &source(&lab, DataType::Uint8), json!({"levels": 0}));
    let made = json!({"@type": "build_zarr_layer", "path": lab.path("pyramid")});
    let second = with(pyramid(&lab, &made, json!({"levels": 2})), json!({"path": lab.path("second.zarr")}));
    expect_run(&json!({"@type": "mazepa.sequential_flow", "stages": [first, second]}));
    let storage = Storage::open(&lab.path("second.zarr")).unwrap();
    let metadata: Json = serde_json::from_slice(&storage.get("zarr.json").unwrap().unwrap()).unwrap();
    let datasets = metadata["attributes"]["ome"]["multiscales"][0]["datasets"].as_array().unwrap();
    let paths: Vec<_> = datasets.iter().map(|dataset| dataset["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["0", "1", "2"]);
    let missing = json!({"@type": "build_zarr_layer", "path": lab.path("missing")});
    let run =
        block_on(run(&with(pyramid(&lab, &missing, json!({})), json!({"path": lab.path("third")})))).unwrap();
    let told = run.result.unwrap_err().to_string();
    assert!(told.contains("see whether the path is right"), "{told}");
}

#[test]
fn scales_are_added_to_an_image_of_zarr_2_as_it_is() {
    let lab = Lab::new();
    let source = source(&lab, DataType::Int16);
    let first = fill(&source, value);
    expect_run(&pyramid(&lab, &source, json!({"format": "zarr", "zarr_format": 2, "levels": 0})));
    let alone = json!({"@type": "build_zarr_layer", "path": lab.path("pyramid")});
    expect_run(&pyramid(&lab, &alone, json!({"levels": 2})));
    assert_is_pyramid(&lab.path("pyramid"), 3, &first, mean);
}

#[test]
fn an_array_that_does_not_say_how_large_its_voxels_are_is_shown() {
    let lab = Lab::new();
    fill(&lab.layer("array", DataType::Uint8, 1, BOUNDS, Vec3::new(8, 8, 8)), |_, voxel| value(0, voxel));
    let mut view = View {
        path: lab.path("array"),
        resolution: None,
        axis: Axis::Z,
        index: None,
        channel: None,
        shading: Shading::Natural,
    };
    view.render().unwrap();
    view.resolution = Some(serde_json::from_value(json!([4, 4, 40])).unwrap());
    assert_eq!(Some(view.render().unwrap().resolution), view.resolution);
}
