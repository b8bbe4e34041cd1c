//! Blurring.

use proptest::prelude::*;
use serde_json::json;
use volumetric::array::{Array, DataType, Shape};
use volumetric::function::Function;
use volumetric::geometry::{Bounds, Vec3};

use crate::world::{arrays, cut, function, part_of, row, voxels};

fn blur(sigma: [f64; 3], truncate: f64) -> Function {
    function(json!({"@type": "blur", "sigma": sigma, "truncate": truncate}))
}

/// The weighted mean of all that is inside and near, by the definition, not axis by axis.
fn direct(
    source: &Array,
    inside: Bounds,
    sigma: [f64; 3],
    halo: Vec3,
    channel: usize,
    voxel: Vec3,
) -> Option<f64> {
    let near = Bounds::new(voxel - halo, voxel + halo + Vec3::ONE).intersection(&inside);
    let (mut sum, mut weights) = (0.0, 0.0);
    for offset in voxels(near.size()) {
        let place = near.start + offset;
        let weight: f64 = (0..3)
            .filter(|axis| sigma[*axis] > 0.0)
            .map(|axis| (-0.5 * ((place[axis] - voxel[axis]) as f64 / sigma[axis]).powi(2)).exp())
            .product();
        sum += weight * source.get(channel, place);
        weights += weight;
    }
    (weights > 0.0).then(|| sum / weights)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn three_passes_are_one_convolution(
        source in arrays(),
        sigma in prop::array::uniform3(prop_oneof![Just(0.0), 0.1..2.0_f64]),
        truncate in 0.5..4.0_f64,
        cuts in prop::array::uniform6(0..3_i64),
    ) {
        let function = blur(sigma, truncate);
        let halo = Vec3([0, 1, 2].map(|axis| (truncate * sigma[axis]).ceil() as i64));
        prop_assert_eq!(function.halo(), halo);
        let inside = part_of(source.shape().size, cuts);
        let result = function.call(&cut(&source, inside)).unwrap();
        prop_assert_eq!((result.shape(), result.data_type()), (source.shape(), source.data_type()));
        let largest = voxels(source.shape().size).map(|voxel| source.get(0, voxel).abs()).fold(1.0, f64::max);
        for channel in 0..source.shape().channels {
            for offset in voxels(inside.size()) {
                let voxel = inside.start + offset;
                let expected = direct(&source, inside, sigma, halo, channel, voxel).unwrap();
                let found = result.get(channel, voxel);
                let tolerance = if source.data_type().is_float() { 0.0 } else { 0.5 } + 2e-5 + 2e-6 * largest;
                prop_assert!((found - expected).abs() <= tolerance, "{} {}: {} not {}", source.data_type(), voxel, found, expected);
            }
        }
    }

    /// Chunks with their halo, cropped, give exactly what the whole gives.
    #[test]
    fn chunks_with_halo_give_what_the_whole_gives(
        seed in any::<u64>(),
        start in 0..20_i64,
        length in 1..15_i64,
        data_type in prop::sample::select(vec![DataType::Uint8, DataType::Uint16, DataType::Float32, DataType::Float64]),
    ) {
        let size = Vec3::new(40, 12, 5);
        let source = crate::world::random(data_type, Shape::new(1, size), seed, 5);
        let function = blur([1.3, 0.7, 0.4], 3.0);
        let whole = function.apply(source.clone()).unwrap();
        let chunk = Bounds::at(Vec3::new(start, start / 3, 0), Vec3::new(length, 6 - start / 4, 5));
        let padded = chunk.padded(function.halo());
        // What lies beyond the volume is filled with anything at all, and marked.
        let mut piece = Array::filled(data_type, Shape::new(1, padded.size()), 77.0);
        let inside = padded.intersection(&Bounds::at(Vec3::ZERO, size));
        piece.paste(&source, inside, inside.start - padded.start);
        let inside = inside.translated(-padded.start);
        let blurred = function.call(&cut(&piece, inside)).unwrap();
        prop_assert_eq!(blurred.part(Bounds::at(function.halo(), chunk.size())), whole.part(chunk));
    }
}

#[test]
fn what_is_even_stays_so_up_to_the_edges() {
    for data_type in crate::world::DATA_TYPES {
        let source = Array::filled(data_type, Shape::new(2, Vec3::new(9, 5, 3)), 100.0);
        let result = blur([2.0, 1.0, 0.5], 4.0).apply(source.clone()).unwrap();
        let tolerance = if data_type == DataType::Float32 { 1e-4 } else { 1e-12 };
        for voxel in voxels(source.shape().size) {
            let found = result.get(1, voxel);
            assert!((found - 100.0).abs() <= tolerance, "{data_type} at {voxel}: {found}");
        }
    }
}

#[test]
fn a_point_becomes_a_bell() {
    let mut values = vec![0.0_f64; 21];
    values[10] = 1.0;
    let result = blur([1.0, 0.0, 0.0], 4.0).apply(row(&values)).unwrap();
    // The density of the normal distribution, of which a little is cut off.
    let bell = [0.398_942, 0.241_971, 0.053_991, 0.004_432, 0.000_134, 0.0];
    for (distance, expected) in bell.into_iter().enumerate() {
        for place in [10 - distance, 10 + distance] {
            let found = result.get(0, Vec3::new(i64::try_from(place).unwrap(), 0, 0));
            assert!((found - expected).abs() < 2e-6, "{distance}: {found}");
        }
    }
}
