//! Nobody sees half of a chunk: not who reads while it is written, and not after its writer was killed.

use std::env;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use volumetric::array::{Array, DataType, Shape};
use volumetric::geometry::{Bounds, Vec3};
use volumetric::layer::Layer;

use crate::support::{bounds, create, files, open, resolution};

/// Says to the test that is run as a child where to write.
const DIRECTORY: &str = "OTAMAN_TEST_WRITE_UNTIL_KILLED";

fn layers(path: &str) -> [Json; 4] {
    let bbox = json!({
        "@type": "BBox3D.from_coords", "start_coord": [0, 0, 0], "end_coord": [64, 64, 32], "resolution": [8, 8, 8]
    });
    let precomputed = |path: String, compress: Json| {
        json!({
            "@type": "build_cv_layer", "path": path, "info_scales": [[8, 8, 8]], "info_type": "image",
            "info_data_type": "uint16", "info_num_channels": 1, "info_encoding": "raw",
            "info_chunk_size": [64, 64, 16], "info_bbox": bbox, "cv_kwargs": {"compress": compress}
        })
    };
    let zarr = |path: String, shard: Json| {
        json!({
            "@type": "build_zarr_layer", "path": path, "resolution": [8, 8, 8], "bbox": bbox, "data_type": "uint16",
            "chunk_size": [32, 32, 16], "shard_size": shard, "codec": "zstd"
        })
    };
    [
        precomputed(format!("{path}/raw"), Json::Null),
        precomputed(format!("{path}/gzip"), json!("gzip")),
        zarr(format!("{path}/zarr"), Json::Null),
        zarr(format!("{path}/shards"), json!([64, 64, 16])),
    ]
}

fn whole() -> Bounds {
    bounds([0, 0, 0], [64, 64, 32])
}

fn uniform(value: u16) -> Array {
    Array::filled(DataType::Uint16, Shape::new(1, whole().size()), f64::from(value))
}

/// Checks that each chunk has one value all over.
#[track_caller]
fn assert_whole_chunks(layer: &Layer) {
    let chunk = layer.volume().scales()[0].chunk;
    let count = |axis: usize| whole().size()[axis] / chunk[axis];
    for z in 0..count(2) {
        for y in 0..count(1) {
            for x in 0..count(0) {
                let place = Bounds::at(Vec3::new(x, y, z) * chunk, chunk);
                let array = layer.read(resolution([8.0; 3]), place).unwrap();
                let first = array.get(0, Vec3::ZERO);
                let same = Array::filled(DataType::Uint16, array.shape(), first);
                assert!(array == same, "the chunk at {place} of {} is half written", layer.volume().path());
            }
        }
    }
}

#[test]
fn readers_see_whole_chunks_while_others_write() {
    let directory = tempfile::tempdir().unwrap();
    for json in layers(directory.path().to_str().unwrap()) {
        let writer = create(json.clone());
        let reader = open(json);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                // Zeros delete chunks, so that they come and go.
                for value in 0..60 {
                    writer.write(resolution([8.0; 3]), Vec3::ZERO, uniform(value % 4)).unwrap();
                }
                done.store(true, Ordering::Release);
            });
            let mut looks = 0;
            while !done.load(Ordering::Acquire) || looks == 0 {
                assert_whole_chunks(&reader);
                looks += 1;
            }
        });
    }
}

#[test]
fn chunks_are_whole_after_their_writer_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..6 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "atomic::writes_until_killed", "--ignored", "--test-threads=1"])
            .env(DIRECTORY, directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Until it has written to the last layer at least once.
        let deadline = Instant::now() + Duration::from_secs(60);
        let mark = directory.path().join(format!("mark-{}", child.id()));
        while !mark.exists() {
            assert!(Instant::now() < deadline, "the child does not write");
            assert!(child.try_wait().unwrap().is_none(), "the child has ended");
            thread::sleep(Duration::from_millis(2));
        }
        thread::sleep(Duration::from_millis(round * 7));
        child.kill().unwrap();
        child.wait().unwrap();
        for json in layers(directory.path().to_str().unwrap()) {
            let layer = open(json);
            assert_whole_chunks(&layer);
            // What the dead left behind is in nobody's way.
            layer.write(resolution([8.0; 3]), Vec3::ZERO, uniform(9)).unwrap();
            assert_eq!(layer.read(resolution([8.0; 3]), whole()).unwrap(), uniform(9));
        }
    }
    let names = files(directory.path());
    assert!(names.iter().all(|name| !name.ends_with(".unfinished") || name.contains("/.")), "{names:?}");
}

/// Not a test by itself: what is killed.
#[test]
#[ignore = "is started and killed by another test"]
fn writes_until_killed() {
    let Some(directory) = env::var_os(DIRECTORY) else { return };
    let directory = directory.to_str().unwrap();
    let layers: Vec<Layer> = layers(directory).into_iter().map(create).collect();
    for value in 1.. {
        for layer in &layers {
            layer.write(resolution([8.0; 3]), Vec3::ZERO, uniform(value)).unwrap();
        }
        std::fs::write(format!("{directory}/mark-{}", std::process::id()), "").unwrap();
    }
}
