//! How fast functions run on one core, in bytes of their source per second:
//!
//!     cargo run --release -p volumetric --example speed

use std::hint::black_box;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use volumetric::array::{Array, DataType, Shape};
use volumetric::function::{Function, FunctionSpec, Input};
use volumetric::geometry::Vec3;

fn function(spec: Json) -> Result<Function, Box<dyn std::error::Error>> {
    Ok(serde_json::from_value::<FunctionSpec>(spec)?.build()?)
}

fn lambda(text: &str) -> Json {
    json!({"@type": "lambda", "lambda_str": text})
}

#[expect(clippy::print_stdout, reason = "this is what it is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shape = Shape::new(1, Vec3::new(512, 512, 64));
    let source = |data_type| {
        Input::from(Array::generate(data_type, shape, |_, voxel| {
            ((voxel[0] * 7 + voxel[1] * 13 + voxel[2] * 29) % 251) as f64
        }))
    };
    let labels = Input::from(Array::generate(DataType::Uint64, shape, |_, voxel| {
        ((voxel[0] / 20) + (voxel[1] / 20) * 100 + voxel[2] / 10) as f64
    }));
    let (bytes, words, floats) =
        (source(DataType::Uint8), source(DataType::Uint16), source(DataType::Float32));
    let downsample =
        |factor: [i64; 3], method: &str| json!({"@type": "downsample", "factor": factor, "method": method});
    for (title, spec, input) in [
        ("copy uint8", json!({"@type": "copy"}), &bytes),
        ("src + 1 uint8", lambda("lambda src: src + 1"), &bytes),
        ("src + 1 float32", lambda("lambda src: src + 1"), &floats),
        (
            "where(src > 100, src - 100, 0) uint8",
            lambda("lambda src: where(src > 100, src - 100, 0)"),
            &bytes,
        ),
        (
            "clip(src.float() * 1.5 + 3, 0, 255) uint8",
            lambda("lambda src: clip(src.float() * 1.5 + 3, 0, 255).byte()"),
            &bytes,
        ),
        ("mean 2 2 1 uint8", downsample([2, 2, 1], "mean"), &bytes),
        ("mean 2 2 2 uint8", downsample([2, 2, 2], "mean"), &bytes),
        ("mean 3 3 1 uint8", downsample([3, 3, 1], "mean"), &bytes),
        ("mean 2 2 1 uint16", downsample([2, 2, 1], "mean"), &words),
        ("mean 2 2 1 float32", downsample([2, 2, 1], "mean"), &floats),
        ("max 2 2 1 uint8", downsample([2, 2, 1], "max"), &bytes),
        ("mode 2 2 1 uint64 labels", downsample([2, 2, 1], "mode"), &labels),
        ("blur sigma 2 2 0 uint8", json!({"@type": "blur", "sigma": [2, 2, 0]}), &bytes),
        ("blur sigma 2 2 2 uint8", json!({"@type": "blur", "sigma": [2, 2, 2]}), &bytes),
        ("blur sigma 2 2 2 float32", json!({"@type": "blur", "sigma": [2, 2, 2]}), &floats),
        ("statistics uint8", json!({"@type": "statistics", "bins": 256}), &bytes),
        ("statistics float32", json!({"@type": "statistics"}), &floats),
    ] {
        let function = function(spec)?;
        let arguments = [("src".to_owned(), input.clone())];
        let size = match input {
            Input::Array(array) => array.elements().bytes().len(),
            _ => 0,
        };
        // The best of some: others use the machine, too.
        let mut best = Duration::MAX;
        for _ in 0..7 {
            let start = Instant::now();
            black_box(function.evaluate(&arguments)?);
            best = best.min(start.elapsed());
        }
        println!("{title:45} {:6.2} GB/s", size as f64 / best.as_secs_f64() / 1e9);
    }
    Ok(())
}
