//! Thresholds, masks, conversions, normalisation.

use serde_json::{Value as Json, json};
use volumetric::array::{Array, Element, Elements};
use volumetric::function::Input;

use crate::world::{function, row};

#[track_caller]
fn of<T: Element, U: Element>(spec: Json, source: &[T], expected: &[U]) {
    let result = function(spec.clone()).apply(row(source)).unwrap_or_else(|error| panic!("{spec}: {error}"));
    assert_eq!(result, row(expected), "{spec}");
}

#[test]
fn thresholds_compare_exactly() {
    of(json!({"@type": "threshold", "above": 10}), &[9_u8, 10, 11], &[0_u8, 0, 1]);
    of(
        json!({"@type": "threshold", "above": 10, "below": 20, "value": 255}),
        &[10_i32, 15, 20],
        &[0_u8, 255, 0],
    );
    of(json!({"@type": "threshold", "below": 0.5, "data_type": "float32"}), &[0.25_f64, 0.5], &[1_f32, 0.0]);
    let large = 1_u64 << 60;
    of(json!({"@type": "threshold", "above": large}), &[large, large + 1], &[0_u8, 1]);
    of(json!({"@type": "threshold", "above": 300}), &[255_u8], &[0_u8]);
}

#[test]
fn masks_keep_what_they_cover() {
    let given =
        |mask: Array| vec![("src".into(), row(&[5_u64, 6, 7]).into()), ("mask".into(), Input::from(mask))];
    let mask = function(json!({"@type": "mask"}));
    assert_eq!(mask.parameters(), ["src", "mask"]);
    assert_eq!(mask.call(&given(row(&[0_u8, 1, 200]))).unwrap(), row(&[0_u64, 6, 7]));
    let inverted = function(json!({"@type": "mask", "inverted": true, "outside": 9}));
    assert_eq!(inverted.call(&given(row(&[0_f32, 0.5, f32::NAN]))).unwrap(), row(&[5_u64, 9, 9]));
}

#[test]
fn casts_round_and_cut() {
    of(
        json!({"@type": "cast", "data_type": "uint8"}),
        &[0.5_f32, 1.5, 300.0, -1.0, f32::NAN],
        &[0_u8, 2, 255, 0, 0],
    );
    of(json!({"@type": "cast", "data_type": "uint8"}), &[-5_i64, 300], &[0_u8, 255]);
    of(json!({"@type": "cast", "data_type": "int8"}), &[127_u64, 128, u64::MAX], &[127_i8, 127, 127]);
    of(json!({"@type": "cast", "data_type": "uint64"}), &[i64::MAX, -1], &[i64::MAX as u64, 0]);
    of(
        json!({"@type": "cast", "data_type": "int64"}),
        &[u64::MAX, (1 << 53) + 1],
        &[i64::MAX, (1 << 53) + 1],
    );
    of(json!({"@type": "cast", "data_type": "float32"}), &[3_u8], &[3_f32]);
    of(json!({"@type": "cast", "data_type": "uint8"}), &[7_u8], &[7_u8]);
}

/// What does not pass through 64-bit floats unharmed aside, a cast is `Array::converted`.
#[test]
fn casts_are_conversions_of_arrays() {
    for from in crate::world::DATA_TYPES {
        let source = crate::world::random(
            from,
            volumetric::array::Shape::new(1, volumetric::geometry::Vec3::new(64, 1, 1)),
            7,
            5,
        );
        for to in crate::world::DATA_TYPES {
            let result = function(json!({"@type": "cast", "data_type": to})).apply(source.clone()).unwrap();
            if matches!(source.elements(), Elements::Uint64(_) | Elements::Int64(_)) {
                continue;
            }
            assert_eq!(result, source.converted(to), "{from} to {to}");
        }
    }
}

#[test]
fn normalisation_shifts_and_stretches() {
    of(
        json!({"@type": "normalise", "mean": 10, "standard_deviation": 2}),
        &[10_u8, 14, 8],
        &[0_f32, 2.0, -1.0],
    );
    of(json!({"@type": "normalise", "from": [0, 255]}), &[0_u8, 51, 255], &[0_f32, 0.2, 1.0]);
    of(
        json!({"@type": "normalise", "from": [0.0, 2.0], "to": [0, 255], "clip": true, "data_type": "uint8"}),
        &[-1.0_f32, 0.0, 1.0, 5.0],
        &[0_u8, 0, 128, 255],
    );
    of(
        json!({"@type": "normalise", "from": [100, 200], "to": [1, -1], "clip": true, "data_type": "float64"}),
        &[50_u16, 150, 250],
        &[1.0_f64, 0.0, -1.0],
    );
    of(
        json!({"@type": "normalise", "from": [-1e-7, 1e-7], "data_type": "int16", "to": [-10, 10]}),
        &[1e-7_f64, 0.0],
        &[10_i16, 0],
    );
}
