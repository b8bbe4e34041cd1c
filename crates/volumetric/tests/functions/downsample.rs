//! Blocks become voxels.

use proptest::prelude::*;
use serde_json::json;
use volumetric::array::Array;
use volumetric::geometry::{Bounds, Vec3};

use crate::world::{arrays, cut, function, part_of, row, voxels, whole};

/// What a block should become, by its definition.
enum Expected {
    Whole(i128),
    Float(f64),
}

fn expected(source: &Array, inside: Bounds, block: Bounds, channel: usize, method: &str) -> Expected {
    let block = block.intersection(&Bounds::at(Vec3::ZERO, source.shape().size));
    // Along each axis what is inside, or, where nothing is, all.
    let mut used = block.intersection(&inside);
    for axis in 0..3 {
        if block.start[axis].max(inside.start[axis]) >= block.stop[axis].min(inside.stop[axis]) {
            (used.start[axis], used.stop[axis]) = (block.start[axis], block.stop[axis]);
        } else {
            used.start[axis] = block.start[axis].max(inside.start[axis]);
            used.stop[axis] = block.stop[axis].min(inside.stop[axis]);
        }
    }
    let places = voxels(used.size()).map(|offset| used.start + offset);
    if source.data_type().is_float() {
        let values: Vec<f64> = places.map(|place| source.get(channel, place)).collect();
        return Expected::Float(match method {
            "mean" => values.iter().sum::<f64>() / values.len() as f64,
            "min" => values.iter().copied().fold(f64::INFINITY, f64::min),
            "max" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            "mode" => *values
                .iter()
                .max_by(|left, right| {
                    let count = |value: f64| values.iter().filter(|other| **other == value).count();
                    count(**left).cmp(&count(**right)).then(right.total_cmp(left))
                })
                .unwrap(),
            _ => values[0],
        });
    }
    let values: Vec<i128> = places.map(|place| whole(source, channel, place)).collect();
    let count = values.len() as i128;
    Expected::Whole(match method {
        "mean" => {
            let sum: i128 = values.iter().sum();
            let doubled = 2 * sum;
            // The nearest whole number, of two the even one.
            let down = sum.div_euclid(count);
            match (doubled - 2 * down * count).cmp(&count) {
                std::cmp::Ordering::Less => down,
                std::cmp::Ordering::Greater => down + 1,
                std::cmp::Ordering::Equal => down + down.rem_euclid(2),
            }
        }
        "min" => *values.iter().min().unwrap(),
        "max" => *values.iter().max().unwrap(),
        "mode" => *values
            .iter()
            .max_by_key(|value| (values.iter().filter(|other| other == value).count(), -**value))
            .unwrap(),
        _ => values[0],
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn blocks_become_what_brute_force_says(
        source in arrays(),
        factor in (1..5_i64, 1..4_i64, 1..4_i64),
        method in prop::sample::select(vec!["mean", "mode", "min", "max", "striding"]),
        cuts in prop::array::uniform6(0..4_i64),
        is_cut in any::<bool>(),
    ) {
        let factor = Vec3::new(factor.0, factor.1, factor.2);
        let size = source.shape().size;
        let inside = if is_cut { part_of(size, cuts) } else { Bounds::at(Vec3::ZERO, size) };
        let function = function(json!({"@type": "downsample", "@mode": "partial", "factor": factor.0, "method": method}));
        prop_assert_eq!(function.shrinks_by(), factor);
        let result = function.call(&cut(&source, inside)).unwrap();
        prop_assert_eq!(result.data_type(), source.data_type());
        prop_assert_eq!(result.shape().channels, source.shape().channels);
        prop_assert_eq!(result.shape().size, size.zip(factor, |size, factor| (size + factor - 1) / factor));
        for channel in 0..source.shape().channels {
            for voxel in voxels(result.shape().size) {
                let block = Bounds::at(voxel * factor, factor);
                match expected(&source, inside, block, channel, method) {
                    Expected::Whole(value) => prop_assert_eq!(whole(&result, channel, voxel), value, "{} at {}", method, voxel),
                    Expected::Float(value) => {
                        let found = result.get(channel, voxel);
                        let near = (found - value).abs() <= 1e-6 * value.abs().max(1.0);
                        prop_assert!(found == value || (method == "mean" && near), "{} at {}: {} not {}", method, voxel, found, value);
                    }
                }
            }
        }
    }
}

#[test]
fn means_are_rounded_half_to_even() {
    let mean =
        |source: Array| function(json!({"@type": "downsample", "factor": [2, 1, 1]})).apply(source).unwrap();
    assert_eq!(mean(row(&[0_u8, 1, 1, 2, 254, 255, 255, 255])), row(&[0_u8, 2, 254, 255]));
    assert_eq!(mean(row(&[-1_i8, 0, -2, -1, -128, -127])), row(&[0_i8, -2, -128]));
    assert_eq!(mean(row(&[u64::MAX, u64::MAX - 2])), row(&[u64::MAX - 1]));
    assert_eq!(mean(row(&[0.5_f32, 1.0])), row(&[0.75_f32]));
}

#[test]
fn labels_of_64_bits_are_told_apart_and_ties_go_to_the_smallest() {
    let mode = function(json!({"@type": "downsample", "factor": [4, 1, 1], "method": "mode"}));
    let large = 1_u64 << 60;
    let source = row(&[
        large + 1,
        large,
        large + 1,
        large,
        large + 2,
        large + 1,
        large + 2,
        0,
        7,
        7,
        7,
        7,
        9,
        8,
        7,
        6,
    ]);
    assert_eq!(mode.apply(source).unwrap(), row(&[large, large + 2, 7, 6]));
}

#[test]
fn large_blocks_do_not_overflow_their_sums() {
    for factor in [[256, 1, 1], [257, 1, 1], [300, 1, 1], [32768, 1, 1]] {
        let mean = function(json!({"@type": "downsample", "factor": factor}));
        let length = usize::try_from(factor[0]).unwrap();
        assert_eq!(mean.apply(row(&vec![255_u8; length])).unwrap(), row(&[255_u8]));
        assert_eq!(mean.apply(row(&vec![-128_i8; length])).unwrap(), row(&[-128_i8]));
        assert_eq!(mean.apply(row(&vec![u16::MAX; length])).unwrap(), row(&[u16::MAX]));
        assert_eq!(mean.apply(row(&vec![u32::MAX; length])).unwrap(), row(&[u32::MAX]));
        assert_eq!(mean.apply(row(&vec![u64::MAX; length])).unwrap(), row(&[u64::MAX]));
        assert_eq!(mean.apply(row(&vec![i64::MIN; length])).unwrap(), row(&[i64::MIN]));
    }
}
