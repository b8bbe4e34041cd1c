//! Volumes are processed by workers that die, and come out as if none had.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value as Json, json};
use tests::{Cluster, Coordinator, until_within};
use volumetric::array::{Array, DataType, Shape};
use volumetric::geometry::{Bounds, Resolution, Vec3};
use volumetric::layer::LayerSpec;

use super::execute;

const SIZE: Vec3 = Vec3::new(256, 256, 32);

/// A layer that is made when something is written to it.
fn layer(path: &Path) -> Json {
    json!({"@type": "build_cv_layer", "path": path, "info_data_type": "uint8", "info_num_channels": 1,
        "info_type": "image", "info_encoding": "raw", "info_chunk_size": [32, 32, 16], "info_scales": [[4, 4, 40]],
        "info_bbox": {"@type": "BBox3D.from_coords", "start_coord": [0, 0, 0], "end_coord": SIZE, "resolution": [4, 4, 40]}})
}

fn spec(source: &Path, target: &Path, temporary: &Path) -> Json {
    json!({"@type": "mazepa.execute", "@version": "0.4", "target": {
        "@type": "build_subchunkable_apply_flow",
        "bbox": {"@type": "BBox3D.from_coords", "start_coord": [0, 0, 0], "end_coord": SIZE, "resolution": [4, 4, 40]},
        "dst_resolution": [4, 4, 40],
        "processing_chunk_sizes": [[64, 64, 16], [32, 32, 16], [16, 16, 16]],
        "processing_blend_pads": [[8, 8, 0], [4, 4, 0], [4, 4, 0]],
        "processing_crop_pads": [[0, 0, 0], [0, 0, 0], [2, 2, 0]],
        "processing_blend_modes": "linear",
        "auto_divisibility": true,
        "level_intermediaries_dirs": [temporary, temporary, temporary],
        "fn": {"@type": "lambda", "lambda_str": "lambda src: 255 - src"},
        "op_kwargs": {"src": {"@type": "build_cv_layer", "path": source}},
        "dst": layer(target)}})
}

fn read(path: &Path) -> Array {
    let spec: LayerSpec = serde_json::from_value(json!({"@type": "build_cv_layer", "path": path})).unwrap();
    let resolution = Resolution::from_nanometres([4.0, 4.0, 40.0]).unwrap();
    spec.open().unwrap().read(resolution, Bounds::at(Vec3::ZERO, SIZE)).unwrap()
}

/// A layer full of noise, which no two places of have in common by chance.
fn make_source(path: &Path) -> Array {
    let mut random = rand::rngs::StdRng::seed_from_u64(1);
    let noise =
        Array::generate(DataType::Uint8, Shape::new(1, SIZE), |_, _| f64::from(random.random::<u8>()));
    let spec: LayerSpec = serde_json::from_value(layer(path)).unwrap();
    let resolution = Resolution::from_nanometres([4.0, 4.0, 40.0]).unwrap();
    spec.create().unwrap().write(resolution, Vec3::ZERO, noise.clone()).unwrap();
    noise
}

#[test]
fn a_blended_volume_comes_out_the_same_whoever_dies() {
    let cluster = Cluster::start();
    let folder = cluster.coordinator().directory().to_owned();
    let inside = |name: &str| folder.join(name);
    let noise = make_source(&inside("source"));

    let alone = Coordinator::new();
    let text = spec(&inside("source"), &inside("embedded"), &inside("embedded-temporary")).to_string();
    alone.run(&["execute", &alone.file("spec.json", &text), "--quiet", "--json"]).expect(0);
    let expected = read(&inside("embedded"));
    let inverse =
        Array::generate(DataType::Uint8, noise.shape(), |channel, voxel| 255.0 - noise.get(channel, voxel));
    assert!(expected == inverse, "pieces of one function blend to what it gives as a whole");

    let seed = rand::random();
    println!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let arguments = &["--queue", "cpu", "--concurrency", "1", "--lease", "3s", "--quiet"];
    let mut workers = cluster.start_workers(2, arguments);
    let spec = spec(&inside("source"), &inside("distributed"), &inside("temporary"));
    let mut running = execute(&cluster, "volume", &spec, &["--quiet"]);
    let mut kills = 0;
    until_within(Duration::from_secs(600), "the end of the execution", || {
        std::thread::sleep(Duration::from_millis(random.random_range(20..300)));
        if !running.has_ended() && kills < 12 {
            let victim = random.random_range(0..workers.len());
            workers[victim].kill();
            workers[victim] = cluster.worker().start(arguments);
            kills += 1;
        }
        running.has_ended().then_some(())
    });
    let document = running.wait().expect(0).json();
    println!("{kills} kills, {} attempts beyond the first", document["tasks"]["retried"]);
    assert!(kills >= 3, "the run was over after {kills} kills; it must be longer");
    assert!(read(&inside("distributed")) == expected, "the volume differs from that of an undisturbed run");
    let left = fs::read_dir(inside("temporary")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "temporary files are left");
}
