//! Precomputed volumes made by hand, byte by byte, and what we write compared with such.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};
use volumetric::array::DataType;
use volumetric::geometry::{Bounds, Vec3};

use crate::support::{
    TYPES, assert_says, bounds, bytes, create, files, open, resolution, spec, values, write,
};

const CHANNELS: usize = 2;

/// 5 × 3 × 2 voxels from [10, 20, 30] on, in chunks of 4 × 4 × 1.
fn info(data_type: DataType) -> Json {
    json!({
        "@type": "neuroglancer_multiscale_volume", "type": "image", "data_type": data_type.name(),
        "num_channels": CHANNELS, "scales": [{
            "key": "4_4_40", "resolution": [4, 4, 40], "size": [5, 3, 2], "voxel_offset": [10, 20, 30],
            "chunk_sizes": [[4, 4, 1], [64, 64, 64]], "encoding": "raw"
        }]
    })
}

fn whole() -> Bounds {
    bounds([10, 20, 30], [15, 23, 32])
}

/// Its chunks by name.
fn chunks() -> [(&'static str, Bounds); 4] {
    [
        ("4_4_40/10-14_20-23_30-31", bounds([10, 20, 30], [14, 23, 31])),
        ("4_4_40/14-15_20-23_30-31", bounds([14, 20, 30], [15, 23, 31])),
        ("4_4_40/10-14_20-23_31-32", bounds([10, 20, 31], [14, 23, 32])),
        ("4_4_40/14-15_20-23_31-32", bounds([14, 20, 31], [15, 23, 32])),
    ]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn make(directory: &Path, data_type: DataType) {
    write(&directory.join("info"), info(data_type).to_string());
    for (number, (name, bounds)) in chunks().into_iter().enumerate() {
        let content = bytes(data_type, CHANNELS, bounds);
        if number % 2 == 0 {
            write(&directory.join(name), content);
        } else {
            write(&directory.join(format!("{name}.gz")), gzip(&content));
        }
    }
}

fn layer(directory: &Path) -> Json {
    json!({"@type": "build_cv_layer", "path": directory})
}

#[test]
fn volumes_of_all_types_are_read_gzipped_or_not() {
    for data_type in TYPES {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path(), data_type);
        let layer = open(layer(directory.path()));
        let expected = values(data_type, CHANNELS, whole());
        let nanometres = resolution([4.0, 4.0, 40.0]);
        assert_eq!(layer.volume().read(nanometres, whole()).unwrap(), expected, "{data_type}");
        let part = bounds([13, 21, 30], [15, 22, 32]);
        assert_eq!(layer.read(nanometres, part).unwrap(), values(data_type, CHANNELS, part), "{data_type}");
    }
}

#[test]
fn volumes_of_all_types_are_written_as_they_would_be_by_hand() {
    for data_type in TYPES {
        let (ours, hand) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        make(hand.path(), data_type);
        write(&ours.path().join("info"), info(data_type).to_string());
        let layer = open(layer(ours.path()));
        let array = values(data_type, CHANNELS, whole());
        layer.write(resolution([4.0, 4.0, 40.0]), whole().start, array).unwrap();
        for (name, bounds) in chunks() {
            assert_eq!(
                fs::read(ours.path().join(name)).unwrap(),
                bytes(data_type, CHANNELS, bounds),
                "{name}"
            );
        }
        assert_eq!(files(ours.path()).len(), 5);
    }
}

#[test]
fn a_chunk_that_is_written_otherwise_than_before_has_one_file() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path(), DataType::Int16);
    let nanometres = resolution([4.0, 4.0, 40.0]);
    let array = || values(DataType::Int16, CHANNELS, whole());
    for compress in [Json::Null, json!("gzip"), json!(false), json!(true)] {
        let zips = compress == json!("gzip") || compress == json!(true);
        let mut json = layer(directory.path());
        json["cv_kwargs"] = json!({"compress": compress});
        let layer = open(json);
        layer.write(nanometres, whole().start, array()).unwrap();
        let ends: Vec<bool> = files(directory.path())
            .iter()
            .filter(|name| *name != "info")
            .map(|name| name.ends_with(".gz"))
            .collect();
        assert_eq!(ends, [zips; 4]);
        assert_eq!(layer.read(nanometres, whole()).unwrap(), array());
    }
}

#[test]
fn missing_chunks_are_filled_or_named() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path(), DataType::Uint8);
    fs::remove_file(directory.path().join("4_4_40/14-15_20-23_30-31.gz")).unwrap();
    let nanometres = resolution([4.0, 4.0, 40.0]);
    for (background, value) in [(0, 0.0), (9, 9.0)] {
        let mut json = layer(directory.path());
        json["cv_kwargs"] = json!({"background_color": background});
        let array = open(json).read(nanometres, whole()).unwrap();
        assert!((array.get(1, Vec3::new(4, 2, 0)) - value).abs() < f64::EPSILON);
        let there = bounds([10, 20, 30], [14, 23, 31]);
        assert_eq!(array.part(there.translated(-whole().start)), values(DataType::Uint8, CHANNELS, there));
    }
    let mut json = layer(directory.path());
    json["cv_kwargs"] = json!({"fill_missing": false});
    let layer = open(json);
    assert_says(layer.read(nanometres, whole()).unwrap_err(), "4_4_40/14-15_20-23_30-31 does not exist");
    layer.read(nanometres, bounds([10, 20, 30], [14, 23, 32])).unwrap();
}

#[test]
fn chunks_of_nothing_are_deleted_unless_all_must_be_there() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path(), DataType::Float32);
    let nanometres = resolution([4.0, 4.0, 40.0]);
    let zeros = || {
        volumetric::array::Array::zeros(
            DataType::Float32,
            values(DataType::Float32, CHANNELS, whole()).shape(),
        )
    };
    for (kwargs, left) in [
        (json!({}), 1),
        (json!({"fill_missing": false}), 5),
        (json!({"delete_black_uploads": true, "fill_missing": false}), 1),
        (json!({"delete_black_uploads": false}), 5),
    ] {
        let mut json = layer(directory.path());
        json["cv_kwargs"] = kwargs;
        open(json).write(nanometres, whole().start, zeros()).unwrap();
        assert_eq!(files(directory.path()).len(), left);
        assert_eq!(open(layer(directory.path())).read(nanometres, whole()).unwrap(), zeros());
    }
}

#[test]
fn broken_chunks_are_named_and_never_read_as_values() {
    let name = "4_4_40/10-14_20-23_30-31";
    let content = bytes(DataType::Uint16, CHANNELS, chunks()[0].1);
    let huge = gzip(&vec![0; 1 << 24]);
    for (file, content, words) in [
        (name.to_owned(), content[1..].to_vec(), "has 47 bytes instead of 48"),
        (format!("{name}.gz"), content.clone(), "cannot be unzipped"),
        (format!("{name}.gz"), gzip(&content)[..20].to_vec(), "cannot be unzipped"),
        (format!("{name}.gz"), gzip(&content[1..]), "has 47 bytes instead of 48"),
        (format!("{name}.gz"), huge, "has 49 bytes instead of 48"),
        (format!("{name}.br"), content.clone(), "is compressed (.br)"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        write(&directory.path().join("info"), info(DataType::Uint16).to_string());
        write(&directory.path().join(&file), content);
        let error = open(layer(directory.path())).read(resolution([4.0, 4.0, 40.0]), whole()).unwrap_err();
        assert_says(&error, words);
        assert_says(&error, name);
        assert!(!error.is_transient());
    }
}

#[test]
fn what_cannot_be_is_refused_with_the_place_and_the_reason() {
    for (change, words) in [
        (json!({"num_channels": 0}), "num_channels is 0"),
        (json!({"data_type": "complex"}), "data_type"),
        (json!({"scales": []}), "no scales"),
        (json!({"@type": "neuroglancer_annotations_v1"}), "no volume of images"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut info = info(DataType::Uint8);
        info.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        write(&directory.path().join("info"), info.to_string());
        let error = spec(layer(directory.path())).open().unwrap_err();
        assert_says(&error, words);
        assert_says(&error, directory.path().to_str().unwrap());
    }
    for (field, value, words) in [
        ("key", json!("../elsewhere"), "path below the volume"),
        ("chunk_sizes", json!([]), "no chunk_sizes"),
        ("chunk_sizes", json!([[0, 1, 1]]), "cannot have the size"),
        ("size", json!([-1, 1, 1]), "cannot have the size"),
        ("size", json!([i64::MAX, 1, 1]), "beyond all measure"),
        ("resolution", json!([0, 4, 40]), "resolution"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut info = info(DataType::Uint8);
        info["scales"][0][field] = value;
        write(&directory.path().join("info"), info.to_string());
        assert_says(spec(layer(directory.path())).open().unwrap_err(), words);
    }
}

#[test]
fn scales_that_cannot_be_read_do_not_hide_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let mut info = info(DataType::Uint8);
    let mut coarse = info["scales"][0].clone();
    for (key, lengths, field, value) in [
        ("8_8_40", [8, 8, 40], "encoding", json!("jpeg")),
        ("16_16_40", [16, 16, 40], "sharding", json!({"@type": "neuroglancer_uint64_sharded_v9"})),
    ] {
        coarse["key"] = json!(key);
        coarse["resolution"] = json!(lengths);
        let mut scale = coarse.clone();
        scale[field] = value;
        info["scales"].as_array_mut().unwrap().push(scale);
    }
    write(&directory.path().join("info"), info.to_string());
    let layer = open(layer(directory.path()));
    assert_eq!(layer.volume().scales().len(), 1);
    let read = |lengths| layer.read(resolution(lengths), whole()).unwrap_err();
    assert_says(read([8.0, 8.0, 40.0]), "encoded as jpeg");
    assert_says(read([16.0, 16.0, 40.0]), "\"sharding\"");
    assert_says(read([5.0, 5.0, 40.0]), "has no scale of 5 × 5 × 40 nm; it has 4 × 4 × 40 nm");
}

#[test]
fn chunks_that_no_machine_can_hold_are_refused_before_memory_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    for length in [1_i64 << 20, 1 << 40] {
        let mut huge = info(DataType::Uint8);
        huge["scales"][0]["chunk_sizes"] = json!([[length, length, length]]);
        huge["scales"][0]["size"] = json!([length, length, length]);
        write(&directory.path().join("info"), huge.to_string());
        let layer = open(layer(directory.path()));
        let finest = layer.volume().unusable()[0].resolution;
        let one = Bounds::at(Vec3::ZERO, Vec3::ONE);
        assert_says(layer.read(finest, one).unwrap_err(), "larger than 64 GiB");
    }
}

#[test]
fn segmentations_of_few_labels_are_read_in_their_encoding() {
    // One voxel of 64 bits: the channel's offset; the block's table of one label, no indices; the label.
    let directory = tempfile::tempdir().unwrap();
    let mut info = info(DataType::Uint64);
    info["num_channels"] = json!(1);
    info["scales"][0]["size"] = json!([1, 1, 1]);
    info["scales"][0]["encoding"] = json!("compressed_segmentation");
    info["scales"][0]["compressed_segmentation_block_size"] = json!([8, 8, 8]);
    write(&directory.path().join("info"), info.to_string());
    let words: Vec<u8> = [1_u32, 2, 2, 0xdead_beef, 1].iter().flat_map(|word| word.to_le_bytes()).collect();
    write(&directory.path().join("4_4_40/10-11_20-21_30-31.gz"), gzip(&words));
    let layer = open(layer(directory.path()));
    let place = Bounds::at(whole().start, Vec3::ONE);
    let array = layer.read(resolution([4.0, 4.0, 40.0]), place).unwrap();
    assert_eq!(array.elements().bytes(), 0x1_dead_beef_u64.to_le_bytes());
    let error = layer.write(resolution([4.0, 4.0, 40.0]), whole().start, array).unwrap_err();
    assert_says(error, "not encoded as compressed_segmentation");
}

#[test]
fn reading_and_writing_beyond_the_bounds_is_filled_and_dropped_unless_bounded() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path(), DataType::Int32);
    let nanometres = resolution([4.0, 4.0, 40.0]);
    let large = whole().padded(Vec3::new(2, 3, 1));
    let loose = open(layer(directory.path()));
    let array = loose.read(nanometres, large).unwrap();
    assert_eq!(array.part(whole().translated(-large.start)), values(DataType::Int32, CHANNELS, whole()));
    assert!((array.get(0, Vec3::ZERO)).abs() < f64::EPSILON);
    loose.write(nanometres, large.start, values(DataType::Int32, CHANNELS, large)).unwrap();
    assert_eq!(loose.read(nanometres, whole()).unwrap(), values(DataType::Int32, CHANNELS, whole()));
    let outside = bounds([0, 0, 0], [2, 2, 2]);
    loose.write(nanometres, outside.start, values(DataType::Int32, CHANNELS, outside)).unwrap();
    assert!(loose.read(nanometres, outside).unwrap().elements().bytes().iter().all(|byte| *byte == 0));

    let mut json = layer(directory.path());
    json["cv_kwargs"] = json!({"bounded": true});
    let strict = open(json);
    assert_says(strict.read(nanometres, large).unwrap_err(), "reaches beyond");
    let array = values(DataType::Int32, CHANNELS, large);
    assert_says(strict.write(nanometres, large.start, array).unwrap_err(), "reaches beyond");
}

#[test]
fn arrays_of_another_type_and_layers_only_to_be_read_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path(), DataType::Int32);
    let nanometres = resolution([4.0, 4.0, 40.0]);
    let layer_ = open(layer(directory.path()));
    for (data_type, channels) in [(DataType::Uint32, CHANNELS), (DataType::Int32, 1)] {
        let error =
            layer_.write(nanometres, whole().start, values(data_type, channels, whole())).unwrap_err();
        assert_says(error, "holds 2 × int32, not");
    }
    let mut json = layer(directory.path());
    json["readonly"] = json!(true);
    let array = values(DataType::Int32, CHANNELS, whole());
    assert_says(open(json).write(nanometres, whole().start, array).unwrap_err(), "remove \"readonly\"");
}

#[test]
fn places_far_beyond_32_bits_are_written_and_read() {
    let directory = tempfile::tempdir().unwrap();
    let layer = create(json!({
        "@type": "build_cv_layer", "path": directory.path(), "info_scales": [[1, 1, 1]], "info_type": "segmentation",
        "info_data_type": "uint64", "info_num_channels": 1, "info_encoding": "raw", "info_chunk_size": [8, 8, 8],
        "info_bbox": {
            "@type": "BBox3D.from_coords", "start_coord": [0, 0, 0],
            "end_coord": [6_000_000_000_i64, 6_000_000_000_i64, 6_000_000_000_i64], "resolution": [1, 1, 1]
        }
    }));
    let place = bounds([5_999_999_990; 3], [5_999_999_997; 3]);
    let nanometres = resolution([1.0; 3]);
    layer.write(nanometres, place.start, values(DataType::Uint64, 1, place)).unwrap();
    assert_eq!(layer.read(nanometres, place).unwrap(), values(DataType::Uint64, 1, place));
    assert!(files(directory.path()).iter().any(|name| name.contains("5999999984-5999999992_")));
}
