//! Arrays to try functions on.

use proptest::prelude::*;
use serde_json::Value as Json;
use volumetric::array::{Array, DataType, Element, Elements, Shape};
use volumetric::function::{Function, FunctionSpec, Input};
use volumetric::geometry::{Bounds, Vec3};

/// A function of a spec.
#[track_caller]
pub fn function(spec: Json) -> Function {
    let text = spec.to_string();
    let spec: FunctionSpec = serde_json::from_value(spec).unwrap_or_else(|error| panic!("{text}: {error}"));
    spec.build().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A row of values along x.
pub fn row<T: Element>(values: &[T]) -> Array {
    let size = Vec3::new(i64::try_from(values.len()).unwrap(), 1, 1);
    Array::new(Shape::new(1, size), T::wrap(values.to_vec()))
}

/// A source of which only a part is of its layer.
pub fn cut(array: &Array, inside: Bounds) -> Vec<(String, Input)> {
    vec![("src".into(), Input::Cut { array: array.clone().into(), inside })]
}

/// All types.
pub const DATA_TYPES: [DataType; 10] = [
    DataType::Uint8,
    DataType::Uint16,
    DataType::Uint32,
    DataType::Uint64,
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::Float32,
    DataType::Float64,
];

/// Small arrays of all types. Values are often equal, of all magnitudes, and labels differ in their last digits only.
pub fn arrays() -> impl Strategy<Value = Array> {
    let size = (0..9_i64, 0..7_i64, 0..6_i64).prop_map(|(x, y, z)| Vec3::new(x, y, z));
    let parts = (prop::sample::select(DATA_TYPES.to_vec()), 1..3_usize, size, any::<u64>(), 1..6_u64);
    parts.prop_map(|(data_type, channels, size, seed, variety)| {
        random(data_type, Shape::new(channels, size), seed, variety)
    })
}

/// Values that follow from a seed.
pub fn random(data_type: DataType, shape: Shape, seed: u64, variety: u64) -> Array {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let mixed = mixed ^ (mixed >> 31);
        // One in four is any value, the others are near the largest label.
        if variety > 4 || mixed.is_multiple_of(4) { mixed } else { u64::MAX - (mixed >> 8) % variety }
    };
    let mut array = Array::zeros(data_type, shape);
    match array.elements_mut() {
        Elements::Float32(values) => {
            values.iter_mut().for_each(|value| *value = (next() >> 40) as f32 / 1024.0 - 5000.0)
        }
        Elements::Float64(values) => {
            values.iter_mut().for_each(|value| *value = (next() >> 12) as f64 / 1e9 - 1e6)
        }
        elements => {
            let bytes = elements.bytes_mut();
            for chunk in bytes.chunks_mut(data_type.size()) {
                let value = next().to_le_bytes();
                let length = chunk.len();
                chunk.copy_from_slice(&value[..length]);
            }
        }
    }
    array
}

/// A part of a size.
pub fn part_of(size: Vec3, cuts: [i64; 6]) -> Bounds {
    let mut bounds = Bounds::at(Vec3::ZERO, size);
    for axis in 0..3 {
        bounds.start[axis] = cuts[axis].min(size[axis]);
        bounds.stop[axis] = (size[axis] - cuts[axis + 3]).max(bounds.start[axis]);
    }
    bounds
}

/// One value as a whole number, exactly.
pub fn whole(array: &Array, channel: usize, voxel: Vec3) -> i128 {
    let index = array.index(channel, voxel);
    match array.elements() {
        Elements::Uint8(values) => values[index].into(),
        Elements::Uint16(values) => values[index].into(),
        Elements::Uint32(values) => values[index].into(),
        Elements::Uint64(values) => values[index].into(),
        Elements::Int8(values) => values[index].into(),
        Elements::Int16(values) => values[index].into(),
        Elements::Int32(values) => values[index].into(),
        Elements::Int64(values) => values[index].into(),
        Elements::Float32(_) | Elements::Float64(_) => panic!("is no whole number"),
    }
}

/// All voxels of a size, x fastest.
pub fn voxels(size: Vec3) -> impl Iterator<Item = Vec3> {
    (0..size[2])
        .flat_map(move |z| (0..size[1]).flat_map(move |y| (0..size[0]).map(move |x| Vec3::new(x, y, z))))
}
