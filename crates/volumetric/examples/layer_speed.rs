//! How fast layers are written and read in local files, beside plain code that does the same with the same files.
//!
//! `cargo run --release -p volumetric --example layer_speed [DIRECTORY]`
#![expect(clippy::print_stdout, reason = "that is its purpose")]

use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs};

use serde_json::{Value as Json, json};
use volumetric::array::{Array, DataType, Shape};
use volumetric::geometry::{Bounds, Resolution, Vec3};
use volumetric::layer::LayerSpec;

/// 512 MiB of bytes, in pieces as tasks would have them.
const SIZE: Vec3 = Vec3::splat(1024);
const PIECE: Vec3 = Vec3::new(512, 512, 128);
const CHUNK: Vec3 = Vec3::splat(128);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let parent = env::args().nth(1).map_or_else(env::temp_dir, Into::into);
    let directory = parent.join(format!("layer-speed-{}", std::process::id()));
    let resolution = Resolution::from_nanometres([8.0; 3])?;
    let size = Vec3::new(SIZE[0], SIZE[1], SIZE[2] / 2);
    let bytes = size.volume();
    // Neither all the same nor all different, as images are.
    let piece = Array::generate(DataType::Uint8, Shape::new(1, PIECE), |_, voxel| {
        let [x, y, z] = voxel.0;
        f64::from(u8::try_from((x / 3 + y / 5 + z * 7 + (x * y * 31 + z * 17) % 5) % 200 + 1).unwrap_or(1))
    });
    let places: Vec<Vec3> = (0..size[2] / PIECE[2])
        .flat_map(|z| (0..size[1] / PIECE[1]).map(move |y| (y, z)))
        .flat_map(|(y, z)| (0..size[0] / PIECE[0]).map(move |x| Vec3::new(x, y, z) * PIECE))
        .collect();
    let bbox = json!({
        "@type": "BBox3D.from_coords", "start_coord": [0, 0, 0], "end_coord": size, "resolution": [8, 8, 8]
    });
    let precomputed = |name: &str, compress: bool| {
        json!({
            "@type": "build_cv_layer", "path": directory.join(name), "info_scales": [[8, 8, 8]], "info_type": "image",
            "info_data_type": "uint8", "info_num_channels": 1, "info_encoding": "raw", "info_chunk_size": CHUNK,
            "info_bbox": bbox, "cv_kwargs": {"compress": compress}
        })
    };
    let zarr = |name: &str, codec: &str, shard: Json| {
        json!({
            "@type": "build_zarr_layer", "path": directory.join(name), "resolution": [8, 8, 8], "bbox": bbox,
            "data_type": "uint8", "chunk_size": CHUNK, "shard_size": shard, "codec": codec
        })
    };
    let (write, read) = plain(&directory.join("plain"), bytes)?;
    println!(
        "{:<28} write {:>6.2} GB/s   read {:>6.2} GB/s",
        "plain files of a chunk each",
        rate(bytes, write),
        rate(bytes, read)
    );
    for (name, spec) in [
        ("precomputed", precomputed("precomputed", false)),
        ("precomputed, gzip", precomputed("gzip", true)),
        ("zarr, raw", zarr("zarr-raw", "raw", Json::Null)),
        ("zarr, raw, shards", zarr("zarr-shards", "raw", json!([512, 512, 128]))),
        ("zarr, zstd", zarr("zarr-zstd", "zstd", Json::Null)),
        ("zarr, blosc", zarr("zarr-blosc", "blosc", Json::Null)),
    ] {
        let layer = serde_json::from_value::<LayerSpec>(spec)?.create()?;
        let start = Instant::now();
        for place in &places {
            layer.write_processed(resolution, *place, &piece)?.sync()?;
        }
        let write = start.elapsed();
        let start = Instant::now();
        for place in &places {
            let array = layer.read(resolution, Bounds::at(*place, PIECE))?;
            assert_eq!(array.elements().bytes()[12345], piece.elements().bytes()[12345]);
        }
        println!(
            "{name:<28} write {:>6.2} GB/s   read {:>6.2} GB/s",
            rate(bytes, write),
            rate(bytes, start.elapsed())
        );
    }
    fs::remove_dir_all(&directory)?;
    Ok(())
}

/// Files of as many bytes as chunks, from one buffer and into another.
fn plain(directory: &Path, bytes: i64) -> Result<(Duration, Duration), Box<dyn std::error::Error>> {
    fs::create_dir_all(directory)?;
    let chunk = usize::try_from(CHUNK.volume())?;
    let piece = vec![1_u8; usize::try_from(PIECE.volume())?];
    let files: Vec<_> =
        (0..bytes / CHUNK.volume()).map(|number| directory.join(number.to_string())).collect();
    let start = Instant::now();
    for (number, file) in files.iter().enumerate() {
        let part = number * chunk % piece.len();
        fs::write(file, &piece[part..part + chunk])?;
    }
    let write = start.elapsed();
    let start = Instant::now();
    for files in files.chunks(piece.len() / chunk) {
        let mut piece = vec![0_u8; piece.len()];
        for (number, file) in files.iter().enumerate() {
            piece[number * chunk..(number + 1) * chunk].copy_from_slice(&fs::read(file)?);
        }
        assert_eq!(piece[12345], 1);
    }
    Ok((write, start.elapsed()))
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn rate(bytes: i64, time: Duration) -> f64 {
    bytes as f64 / 1e9 / time.as_secs_f64()
}
