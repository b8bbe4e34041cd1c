//! Statistics of chunks, merged.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use volumetric::array::Array;
use volumetric::function::{Function, Input, Output};
use volumetric::geometry::{Bounds, Vec3};

use crate::world::{arrays, cut, function, row};

fn value(function: &Function, array: &Array, inside: Option<Bounds>) -> Json {
    let inside = inside.unwrap_or(Bounds::at(Vec3::ZERO, array.shape().size));
    let Output::Value(value) = function.evaluate(&cut(array, inside)).unwrap() else { panic!("no value") };
    value
}

#[test]
fn a_volume_is_counted() {
    let statistics = function(json!({"@type": "statistics", "bins": 4}));
    let mut found = value(&statistics, &row(&[0_u8, 63, 64, 255, 255]), None);
    let deviation = found["standard_deviation"].take().as_f64().unwrap();
    assert!((deviation - 106.734_436_804_622_7).abs() < 1e-9, "{deviation}");
    assert_eq!(
        found,
        json!({
            "count": 5, "not_finite": 0, "min": 0, "max": 255, "sum": "637", "sum_of_squares": "138115",
            "histogram": {"range": [0.0, 256.0], "counts": [2, 1, 0, 2], "below": 0, "above": 0},
            "mean": 127.4, "standard_deviation": null
        })
    );
    let floats = function(json!({"@type": "statistics", "bins": 2, "range": [0, 1]}));
    let found = value(&floats, &row(&[0.0_f32, 0.5, 1.0, -1.0, 1.5, f32::NAN, f32::INFINITY]), None);
    assert_eq!(found["histogram"]["counts"], json!([1, 2]));
    assert_eq!((&found["histogram"]["below"], &found["histogram"]["above"]), (&json!(1), &json!(1)));
    assert_eq!((&found["count"], &found["not_finite"], &found["min"]), (&json!(5), &json!(2), &json!(-1.0)));
}

#[test]
fn labels_and_nothing_are_counted_exactly() {
    let statistics = function(json!({"@type": "statistics"}));
    let found = value(&statistics, &row(&[u64::MAX, u64::MAX - 1]), None);
    assert_eq!(found["max"], json!(u64::MAX));
    assert_eq!(found["min"], json!(u64::MAX - 1));
    assert_eq!(found["sum"], json!((u128::from(u64::MAX) * 2 - 1).to_string()));
    let empty = value(&statistics, &row::<u8>(&[]), None);
    assert_eq!((&empty["count"], &empty["min"], &empty["mean"]), (&json!(0), &Json::Null, &Json::Null));
    let equal = value(&statistics, &row(&[4_000_000_001_u32; 1000]), None);
    assert_eq!(equal["standard_deviation"], json!(0.0));
}

#[test]
fn foreign_values_are_refused() {
    let statistics = function(json!({"@type": "statistics", "bins": 4}));
    let one = value(&statistics, &row(&[1_u8]), None);
    let other = value(&function(json!({"@type": "statistics", "bins": 5})), &row(&[1_u8]), None);
    for (values, message) in [
        (vec![one.clone(), other], "value 1 is none that statistics gives"),
        (vec![json!(7)], "value 0 is none that statistics gives"),
        (
            vec![json!({"count": 1, "sum": "1 NaN", "sum_of_squares": "1"})],
            "value 0 is none that statistics gives",
        ),
    ] {
        assert_eq!(statistics.merge(&values).unwrap_err().to_string(), message);
    }
    let copy = function(json!({"@type": "copy"}));
    assert_eq!(copy.merge(&[one]).unwrap_err().to_string(), "copy gives no values to be merged");
}

#[test]
fn types_without_natural_range_need_one() {
    let statistics = function(json!({"@type": "statistics", "bins": 4}));
    let error = statistics.evaluate(&[("src".into(), Input::from(row(&[1_u16])))]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "range of statistics is missing; it must be given for a histogram of values that are not uint8 or int8"
    );
    assert_eq!(error.place(), "/range");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// However a volume is cut, and in whatever order its chunks are merged, in one step or in two.
    #[test]
    fn merged_chunks_are_the_whole(
        source in arrays(),
        place in prop::array::uniform3(0..9_i64),
        order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(),
        split in 0..8_usize,
    ) {
        let statistics = function(json!({"@type": "statistics", "bins": 16, "range": [-1e6, 1e6]}));
        let size = source.shape().size;
        let cut_at = Vec3(place).min(size);
        let chunks: Vec<Json> = (0..8_i64)
            .map(|corner| {
                let upper = |axis: usize| corner >> axis & 1 == 1;
                let start = Vec3([0, 1, 2].map(|axis| if upper(axis) { cut_at[axis] } else { 0 }));
                let stop = Vec3([0, 1, 2].map(|axis| if upper(axis) { size[axis] } else { cut_at[axis] }));
                value(&statistics, &source, Some(Bounds::new(start, stop)))
            })
            .collect();
        let shuffled: Vec<Json> = order.iter().map(|index| chunks[*index].clone()).collect();
        let merged = statistics.merge(&shuffled).unwrap();
        let (first, second) = shuffled.split_at(split);
        let halves = [statistics.merge(first).unwrap(), statistics.merge(second).unwrap()];
        let grouped = statistics.merge(&halves).unwrap();
        let whole = value(&statistics, &source, None);
        for key in ["count", "not_finite", "min", "max", "histogram", "mean", "standard_deviation"] {
            prop_assert_eq!(&merged[key], &grouped[key], "{}", key);
            if source.data_type().is_float() && ["mean", "standard_deviation"].contains(&key) {
                // Sums of rows are rounded, and other chunks have other rows.
                if let (Some(merged), Some(whole)) = (merged[key].as_f64(), whole[key].as_f64()) {
                    prop_assert!((merged - whole).abs() <= 1e-9 * whole.abs().max(1e6), "{}: {} {}", key, merged, whole);
                }
            } else if source.data_type().size() < 8 || key != "standard_deviation" {
                prop_assert_eq!(&merged[key], &whole[key], "{}", key);
            }
        }
    }
}
