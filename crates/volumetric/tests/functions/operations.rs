//! Operations: context, resolutions, names.

use serde_json::{Value as Json, json};
use volumetric::array::{Array, DataType, Shape};
use volumetric::function::{Operation, OperationSpec};
use volumetric::geometry::{Bounds, Resolution, Vec3};

fn spec(json: Json) -> OperationSpec {
    let text = json.to_string();
    serde_json::from_value(json).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn built(json: Json) -> Operation {
    let text = json.to_string();
    spec(json).build().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn resolution(lengths: [f64; 3]) -> Resolution {
    Resolution::from_nanometres(lengths).unwrap()
}

const CHUNK: Bounds = Bounds::new(Vec3::new(10, 20, 30), Vec3::new(20, 30, 31));

#[test]
fn operations_of_mazepa_are_understood() {
    let copy = json!({"@type": "lambda", "lambda_str": "lambda src: src"});
    let operation = built(json!({
        "@type": "VolumetricCallableOperation", "@version": "0.4", "fn": copy, "fn_semaphores": ["cuda", "cpu"],
        "crop_pad": [4, 2, 0], "res_change_mult": [2, 2, 1], "operation_name": "mine"
    }));
    assert_eq!((operation.name.as_str(), operation.semaphores.join("+").as_str()), ("mine", "cuda+cpu"));
    let result = resolution([8.0, 8.0, 40.0]);
    assert_eq!(operation.input_resolution(result).unwrap(), resolution([4.0, 4.0, 40.0]));
    let read = operation.input_bounds(CHUNK, result).unwrap();
    assert_eq!(read, Bounds::new(Vec3::new(12, 36, 30), Vec3::new(48, 64, 31)));
    let more = operation.with_added_crop_pad(Vec3::new(1, 0, 0));
    assert_eq!(more.crop_pad(), Vec3::new(5, 2, 0));
    let named = built(json!({"@type": "VolumetricCallableOperation", "fn": copy}));
    assert_eq!((named.name.as_str(), named.crop_pad()), ("lambda", Vec3::ZERO));
    assert_eq!(built(json!({"@type": "CopyOperation"})).name, "copy");
}

#[test]
fn inputs_may_be_coarser_than_the_result() {
    let operation = built(json!({
        "@type": "VolumetricCallableOperation", "fn": {"@type": "copy"}, "res_change_mult": [0.5, 0.5, 1]
    }));
    let result = resolution([4.0, 4.0, 40.0]);
    assert_eq!(operation.input_resolution(result).unwrap(), resolution([8.0, 8.0, 40.0]));
    assert_eq!(
        operation.input_bounds(CHUNK, result).unwrap(),
        Bounds::new(Vec3::new(5, 10, 30), Vec3::new(10, 15, 31))
    );
    let odd = Bounds::at(Vec3::new(1, 0, 0), Vec3::new(2, 2, 1));
    assert_eq!(
        operation.input_bounds(odd, result).unwrap_err().to_string(),
        "a chunk of [2, 2, 1] at 4 × 4 × 40 nm is no whole number of voxels at 8 × 8 × 40 nm, where inputs are read \
         (res_change_mult [0.5, 0.5, 1.0])"
    );
    let padded = operation.with_added_crop_pad(Vec3::new(3, 0, 0));
    let message = padded.input_bounds(CHUNK, result).unwrap_err().to_string();
    assert!(
        message.starts_with("crop_pad [3, 0, 0] at 4 × 4 × 40 nm is no whole number of voxels"),
        "{message}"
    );
    let third = built(json!({"@type": "copy", "res_change_mult": [3, 1, 1]}));
    assert!(third.input_resolution(resolution([0.000_004, 1.0, 1.0])).is_err());
}

#[test]
fn functions_are_operations_by_their_own_names() {
    let operation = built(json!({"@type": "downsample", "factor": [2, 2, 1], "operation_name": "pyramid"}));
    assert_eq!((operation.name.as_str(), operation.crop_pad()), ("pyramid", Vec3::ZERO));
    let result = resolution([8.0, 8.0, 40.0]);
    assert_eq!(operation.input_resolution(result).unwrap(), resolution([4.0, 4.0, 40.0]));
    assert_eq!(operation.input_bounds(CHUNK, result).unwrap().size(), Vec3::new(20, 20, 1));
    let blur = built(json!({"@type": "blur", "sigma": [1.5, 1.0, 0], "crop_pad": [1, 5, 0]}));
    assert_eq!(blur.crop_pad(), Vec3::new(6, 5, 0), "the halo, unless more is asked for");
}

#[test]
fn mistakes_are_refused() {
    for (json, message) in [
        (
            json!({"@type": "downsample", "factor": [2, 2, 1], "res_change_mult": [4, 4, 1]}),
            "res_change_mult of VolumetricCallableOperation is [4.0, 4.0, 1.0]; it must be the factor that the function shrinks by",
        ),
        (
            json!({"@type": "copy", "res_change_mult": [0, 1, 1]}),
            "res_change_mult of VolumetricCallableOperation is [0.0, 1.0, 1.0]; it must be above 0 along each axis",
        ),
        (
            json!({"@type": "copy", "crop_pad": [-1, 0, 0]}),
            "crop_pad of VolumetricCallableOperation is [-1, 0, 0]; it must be 0 or more along each axis",
        ),
        (json!({"@type": "copi"}), "no function is called \"copi\"; did you mean \"copy\"?"),
    ] {
        assert_eq!(spec(json.clone()).build().unwrap_err().to_string(), message, "{json}");
    }
    for (json, message) in [
        (json!({"@type": "VolumetricCallableOperation"}), "missing field `fn`"),
        (json!({"@type": "CopyOperation", "fn": {"@type": "copy"}}), "CopyOperation takes no fn"),
        (
            json!({"@type": "CopyOperation", "pad": 1}),
            "CopyOperation has no \"pad\"; it has fn, fn_semaphores, crop_pad, res_change_mult and operation_name",
        ),
        (json!({"fn": {"@type": "copy"}}), "missing field `@type`"),
    ] {
        let error = serde_json::from_value::<OperationSpec>(json.clone()).unwrap_err();
        assert_eq!(error.to_string(), message, "{json}");
    }
}

#[test]
fn specs_survive_being_written() {
    for json in [
        json!({"@type": "VolumetricCallableOperation", "fn": {"@type": "copy"}}),
        json!({
            "@type": "VolumetricCallableOperation", "fn": {"@type": "copy"}, "fn_semaphores": ["cpu"],
            "crop_pad": [1, 2, 3], "res_change_mult": [2.0, 1.0, 1.0], "operation_name": "mine"
        }),
    ] {
        assert_eq!(serde_json::to_value(spec(json.clone())).unwrap(), json);
    }
    let named = spec(json!({"@type": "downsample", "factor": [2, 1, 1], "crop_pad": [2, 0, 0]}));
    assert_eq!(spec(serde_json::to_value(&named).unwrap()), named);
}

#[test]
fn context_is_taken_off_the_result() {
    let operation = built(json!({"@type": "copy", "crop_pad": [2, 1, 0]}));
    let result = Array::generate(DataType::Uint8, Shape::new(1, Vec3::new(8, 5, 2)), |_, voxel| {
        (voxel[0] * 10 + voxel[1]) as f64
    });
    let cropped = operation.crop(result.clone(), Vec3::new(4, 3, 2)).unwrap();
    assert_eq!(cropped, result.part(Bounds::at(Vec3::new(2, 1, 0), Vec3::new(4, 3, 2))));
    let error = operation.crop(result, Vec3::new(5, 3, 2)).unwrap_err();
    assert_eq!(error.to_string(), "copy gives [8, 5, 2] voxels for a chunk of [9, 5, 2]");
}
