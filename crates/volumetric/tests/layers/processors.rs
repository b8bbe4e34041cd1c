//! What is done on the way from and to a layer.

use serde_json::{Value as Json, json};
use volumetric::array::{DataType, Element};
use volumetric::geometry::Vec3;

use crate::support::{assert_says, bounds, create, open, resolution, spec, values};

fn layer(path: &std::path::Path, parameters: Json) -> Json {
    let mut json = json!({
        "@type": "build_zarr_layer", "path": path, "resolution": [8, 8, 8], "size": [8, 8, 8], "data_type": "uint8",
        "chunk_size": [4, 4, 4]
    });
    json.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
    json
}

fn lambda(text: &str) -> Json {
    json!({"@type": "lambda", "lambda_str": text})
}

#[test]
fn processors_are_applied_in_order_on_their_way_alone() {
    let directory = tempfile::tempdir().unwrap();
    let place = bounds([0, 0, 0], [8, 8, 8]);
    let nanometres = resolution([8.0; 3]);
    let json = layer(
        directory.path(),
        json!({
            "write_procs": [lambda("lambda data: data * 2"), lambda("lambda data: data + 1")],
            "read_procs": [lambda("lambda data: data - 1")]
        }),
    );
    let doubled = |offset: u8| {
        let mut array = values(DataType::Uint8, 1, place);
        for value in u8::slice_mut(array.elements_mut()).unwrap() {
            *value = *value * 2 + offset;
        }
        array
    };
    let layer_ = create(json);
    let array = values(DataType::Uint8, 1, place).part(place);
    layer_.write(nanometres, Vec3::ZERO, array.clone()).unwrap();
    assert_eq!(layer_.volume().read(nanometres, place).unwrap(), doubled(1));
    assert_eq!(layer_.read_unprocessed(nanometres, place).unwrap(), doubled(1));
    assert_eq!(layer_.read(nanometres, place).unwrap(), doubled(0));
    assert_eq!(layer_.cached().read(nanometres, place).unwrap(), doubled(0));
    // By hand in two steps, as temporaries are.
    let processed = layer_.process_for_write(array).unwrap();
    assert_eq!(processed, doubled(1));
    layer_.write_processed(nanometres, Vec3::ZERO, &processed).unwrap().sync().unwrap();
    assert_eq!(layer_.volume().read(nanometres, place).unwrap(), doubled(1));
    let bare = open(json!({"@type": "build_zarr_layer", "path": directory.path()}));
    assert_eq!(bare.read(nanometres, place).unwrap(), doubled(1));
}

#[test]
fn processors_that_cannot_be_are_refused_before_anything_is_made() {
    let directory = tempfile::tempdir().unwrap();
    for (parameters, words) in [
        (json!({"read_procs": [lambda("lambda data: data +")]}), "read_procs: number 1: "),
        (
            json!({"write_procs": [lambda("lambda data: data"), {"@type": "to_unit8"}]}),
            "write_procs: number 2: ",
        ),
    ] {
        let spec = spec(layer(&directory.path().join("new"), parameters));
        assert_says(spec.describe().unwrap_err(), words);
        assert_says(spec.create().unwrap_err(), words);
        assert!(!directory.path().join("new").exists());
    }
}
