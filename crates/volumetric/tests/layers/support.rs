//! What several tests need: layers from JSON, arrays with known values.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use volumetric::array::{Array, DataType, Shape};
use volumetric::geometry::{Bounds, Resolution, Vec3};
use volumetric::layer::{Layer, LayerSpec};

/// All types.
pub const TYPES: [DataType; 10] = [
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

#[track_caller]
pub fn spec(json: Json) -> LayerSpec {
    serde_json::from_value(json).unwrap()
}

#[track_caller]
pub fn open(json: Json) -> Layer {
    spec(json).open().unwrap()
}

#[track_caller]
pub fn create(json: Json) -> Layer {
    spec(json).create().unwrap()
}

pub fn resolution(lengths: [f64; 3]) -> Resolution {
    Resolution::from_nanometres(lengths).unwrap()
}

/// A value that differs between neighbours, channels and far places, and that each type can hold.
pub fn value(channel: usize, voxel: Vec3) -> f64 {
    let [x, y, z] = voxel.0;
    let number = (x * 3 + y * 17 + z * 41 + i64::try_from(channel).unwrap() * 61).rem_euclid(127);
    f64::from(i32::try_from(number).unwrap())
}

/// An array of such values.
pub fn values(data_type: DataType, channels: usize, bounds: Bounds) -> Array {
    let shape = Shape::new(channels, bounds.size());
    Array::generate(data_type, shape, |channel, voxel| value(channel, voxel + bounds.start))
}

/// The bytes of such values in the order x, y, z, channel, made one by one.
pub fn bytes(data_type: DataType, channels: usize, bounds: Bounds) -> Vec<u8> {
    let mut bytes = Vec::new();
    for channel in 0..channels {
        for z in bounds.start[2]..bounds.stop[2] {
            for y in bounds.start[1]..bounds.stop[1] {
                for x in bounds.start[0]..bounds.stop[0] {
                    bytes.extend(encode(data_type, value(channel, Vec3::new(x, y, z))));
                }
            }
        }
    }
    bytes
}

/// One value as a file has it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "values are small and whole")]
pub fn encode(data_type: DataType, value: f64) -> Vec<u8> {
    match data_type {
        DataType::Uint8 => vec![value as u8],
        DataType::Uint16 => (value as u16).to_le_bytes().to_vec(),
        DataType::Uint32 => (value as u32).to_le_bytes().to_vec(),
        DataType::Uint64 => (value as u64).to_le_bytes().to_vec(),
        DataType::Int8 => (value as i8).to_le_bytes().to_vec(),
        DataType::Int16 => (value as i16).to_le_bytes().to_vec(),
        DataType::Int32 => (value as i32).to_le_bytes().to_vec(),
        DataType::Int64 => (value as i64).to_le_bytes().to_vec(),
        DataType::Float32 => (value as f32).to_le_bytes().to_vec(),
        DataType::Float64 => value.to_le_bytes().to_vec(),
    }
}

pub fn bounds(start: [i64; 3], stop: [i64; 3]) -> Bounds {
    Bounds::new(Vec3(start), Vec3(stop))
}

pub fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// All files below a directory, sorted.
pub fn files(directory: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                files.push(path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    files.sort();
    files
}

#[track_caller]
pub fn assert_says(error: impl std::fmt::Display, words: &str) {
    let text = error.to_string();
    assert!(text.contains(words), "{text:?} lacks {words:?}");
}
