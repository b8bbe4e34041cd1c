//! Zarr arrays and OME images made by hand, byte by byte, and what we make of specs.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};
use volumetric::array::DataType;
use volumetric::geometry::{Bounds, Vec3};

use crate::support::{
    TYPES, assert_says, bounds, bytes, create, encode, files, open, resolution, spec, value, values, write,
};

/// 5 × 3 × 2 voxels of 2 channels in chunks of 4 × 2 × 2 with both channels.
const SIZE: [i64; 3] = [5, 3, 2];

fn whole() -> Bounds {
    Bounds::at(Vec3::ZERO, Vec3(SIZE))
}

fn nanometres() -> volumetric::geometry::Resolution {
    resolution([4.0, 4.0, 40.0])
}

fn code(data_type: DataType) -> &'static str {
    match data_type {
        DataType::Uint8 => "|u1",
        DataType::Uint16 => "<u2",
        DataType::Uint32 => "<u4",
        DataType::Uint64 => "<u8",
        DataType::Int8 => "|i1",
        DataType::Int16 => "<i2",
        DataType::Int32 => "<i4",
        DataType::Int64 => "<i8",
        DataType::Float32 => "<f4",
        DataType::Float64 => "<f8",
    }
}

/// The bytes of a chunk, filled up beyond the array.
fn chunk(data_type: DataType, place: Bounds, fill: f64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for channel in 0..2 {
        for z in place.start[2]..place.stop[2] {
            for y in place.start[1]..place.stop[1] {
                for x in place.start[0]..place.stop[0] {
                    let voxel = Vec3::new(x, y, z);
                    let inside = whole().contains(&Bounds::at(voxel, Vec3::ONE));
                    bytes.extend(encode(data_type, if inside { value(channel, voxel) } else { fill }));
                }
            }
        }
    }
    bytes
}

/// Its chunks by their indices along y and x.
fn chunks() -> [(usize, usize, Bounds); 4] {
    [
        (0, 0, bounds([0, 0, 0], [4, 2, 2])),
        (0, 1, bounds([4, 0, 0], [8, 2, 2])),
        (1, 0, bounds([0, 2, 0], [4, 4, 2])),
        (1, 1, bounds([4, 2, 0], [8, 4, 2])),
    ]
}

fn format_2(data_type: DataType) -> Json {
    json!({
        "zarr_format": 2, "shape": [2, 2, 3, 5], "chunks": [2, 2, 2, 4], "dtype": code(data_type), "compressor": null,
        "fill_value": 7, "order": "C", "filters": null
    })
}

fn format_3(data_type: DataType) -> Json {
    json!({
        "zarr_format": 3, "node_type": "array", "shape": [2, 2, 3, 5], "data_type": data_type.name(),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 2, 2, 4]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}}, "fill_value": 7,
        "codecs": [{"name": "bytes", "configuration": {"endian": "little"}}],
        "attributes": {"kept": true}, "dimension_names": ["c", "z", "y", "x"]
    })
}

fn layer(path: &Path) -> Json {
    json!({"@type": "build_zarr_layer", "path": path, "resolution": [4, 4, 40]})
}

#[test]
fn arrays_of_both_formats_and_all_types_are_read() {
    for data_type in TYPES {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (directory.path().join("2"), directory.path().join("3"));
        write(&old.join(".zarray"), format_2(data_type).to_string());
        write(&new.join("zarr.json"), format_3(data_type).to_string());
        for (y, x, place) in chunks() {
            write(&old.join(format!("0.0.{y}.{x}")), chunk(data_type, place, 99.0));
            write(&new.join(format!("c/0/0/{y}/{x}")), chunk(data_type, place, 99.0));
        }
        for path in [old, new] {
            let layer = open(layer(&path));
            assert_eq!(
                layer.read(nanometres(), whole()).unwrap(),
                values(data_type, 2, whole()),
                "{data_type}"
            );
            let part = bounds([3, 1, 0], [5, 3, 1]);
            assert_eq!(layer.read(nanometres(), part).unwrap(), values(data_type, 2, part), "{data_type}");
        }
    }
}

#[test]
fn arrays_of_both_formats_and_all_types_are_written_as_by_hand() {
    for data_type in TYPES {
        let directory = tempfile::tempdir().unwrap();
        let (old, new) = (directory.path().join("2"), directory.path().join("3"));
        write(&old.join(".zarray"), format_2(data_type).to_string());
        write(&new.join("zarr.json"), format_3(data_type).to_string());
        for path in [&old, &new] {
            open(layer(path)).write(nanometres(), Vec3::ZERO, values(data_type, 2, whole())).unwrap();
            assert_eq!(files(path).len(), 5);
        }
        for (y, x, place) in chunks() {
            let hand = chunk(data_type, place, 7.0);
            assert_eq!(fs::read(old.join(format!("0.0.{y}.{x}"))).unwrap(), hand, "{data_type}");
            assert_eq!(fs::read(new.join(format!("c/0/0/{y}/{x}"))).unwrap(), hand, "{data_type}");
        }
        assert_eq!(fs::read_to_string(new.join("zarr.json")).unwrap(), format_3(data_type).to_string());
    }
}

#[test]
fn what_was_never_written_has_the_fill_value_or_is_named() {
    let directory = tempfile::tempdir().unwrap();
    write(&directory.path().join("zarr.json"), format_3(DataType::Int16).to_string());
    write(&directory.path().join("c/0/0/0/0"), chunk(DataType::Int16, chunks()[0].2, 7.0));
    let mut json = layer(directory.path());
    let array = open(json.clone()).read(nanometres(), whole().padded(Vec3::ONE)).unwrap();
    assert_eq!(
        array.part(bounds([1, 1, 1], [5, 3, 3])),
        values(DataType::Int16, 2, bounds([0, 0, 0], [4, 2, 2]))
    );
    for voxel in [Vec3::new(5, 1, 1), Vec3::ZERO] {
        assert!((array.get(1, voxel) - 7.0).abs() < f64::EPSILON);
    }
    json["fill_missing"] = json!(false);
    assert_says(open(json).read(nanometres(), whole()).unwrap_err(), "c/0/0/0/1 does not exist");
}

#[test]
fn big_endian_fortran_order_and_gzip_are_read() {
    let directory = tempfile::tempdir().unwrap();
    write(
        &directory.path().join(".zarray"),
        json!({
            "zarr_format": 2, "shape": [3, 5], "chunks": [3, 5], "dtype": ">u2", "compressor": {"id": "gzip", "level": 5},
            "fill_value": null, "order": "F", "filters": null, "dimension_separator": "/"
        })
        .to_string(),
    );
    // In this order the first axis, y, runs fastest.
    let mut values_ = Vec::new();
    for x in 0..5_u16 {
        for y in 0..3_u16 {
            values_.extend((x * 100 + y).to_be_bytes());
        }
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&values_).unwrap();
    write(&directory.path().join("0/0"), encoder.finish().unwrap());
    let layer = open(layer(directory.path()));
    let array = layer.read(nanometres(), bounds([0, 0, 0], [5, 3, 1])).unwrap();
    assert!((array.get(0, Vec3::new(4, 2, 0)) - 402.0).abs() < f64::EPSILON);
    assert!((array.get(0, Vec3::new(1, 0, 0)) - 100.0).abs() < f64::EPSILON);
    // And written so that the same comes back.
    layer.write(nanometres(), Vec3::ZERO, array.clone()).unwrap();
    assert_eq!(layer.read(nanometres(), bounds([0, 0, 0], [5, 3, 1])).unwrap(), array);
}

#[test]
fn channels_in_chunks_of_their_own_and_points_of_time_are_read_and_written() {
    let directory = tempfile::tempdir().unwrap();
    let metadata = json!({
        "zarr_format": 3, "node_type": "array", "shape": [3, 5, 1, 2, 2], "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1, 2, 1, 2, 2]}},
        "chunk_key_encoding": {"name": "default"}, "fill_value": 1, "codecs": [{"name": "bytes"}]
    });
    write(&directory.path().join("zarr.json"), metadata.to_string());
    // The second of three points of time, channels 2 and 3 of 5.
    write(&directory.path().join("c/1/1/0/0/0"), [20, 21, 22, 23, 30, 31, 32, 33]);
    let mut json = layer(directory.path());
    assert_says(
        spec(json.clone()).open().unwrap().volume().scale(nanometres()).unwrap_err(),
        "say which by \"time\"",
    );
    json["time"] = json!(3);
    assert_says(open(json.clone()).volume().scale(nanometres()).unwrap_err(), "so not 3");
    json["time"] = json!(1);
    let layer = open(json);
    let place = bounds([0, 0, 0], [2, 2, 1]);
    let array = layer.read(nanometres(), place).unwrap();
    let expected = [[1; 8].as_slice(), &[20, 21, 22, 23, 30, 31, 32, 33], &[1; 4]].concat();
    assert_eq!(array.elements().bytes(), expected);
    layer.write(nanometres(), Vec3::ZERO, values(DataType::Uint8, 5, place)).unwrap();
    assert_eq!(layer.read(nanometres(), place).unwrap(), values(DataType::Uint8, 5, place));
    // The last chunk has a channel more than the array.
    let last = fs::read(directory.path().join("c/1/2/0/0/0")).unwrap();
    assert_eq!(last[..4], bytes(DataType::Uint8, 5, place)[16..]);
    assert_eq!(last[4..], [1; 4]);
    assert_eq!(files(directory.path()).iter().filter(|name| name.starts_with("c/1/")).count(), 3);
}

#[test]
fn parts_of_shards_are_read_and_shards_are_what_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let metadata = json!({
        "zarr_format": 3, "node_type": "array", "shape": [4, 6], "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [4, 4]}},
        "chunk_key_encoding": {"name": "default"}, "fill_value": 5, "codecs": [{
            "name": "sharding_indexed", "configuration": {
                "chunk_shape": [2, 2], "codecs": [{"name": "bytes"}],
                "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}], "index_location": "end"
            }
        }]
    });
    write(&directory.path().join("zarr.json"), metadata.to_string());
    // The first and the last of four inner chunks; the index says where each is, or that it is not there.
    let mut shard = vec![1_u8, 2, 3, 4, 11, 12, 13, 14];
    for (place, length) in [(0, 4), (u64::MAX, u64::MAX), (u64::MAX, u64::MAX), (4_u64, 4_u64)] {
        shard.extend(place.to_le_bytes());
        shard.extend(length.to_le_bytes());
    }
    write(&directory.path().join("c/0/0"), shard);
    let layer = open(layer(directory.path()));
    let scale = layer.volume().scale(nanometres()).unwrap();
    assert_eq!(scale.chunk, Vec3::new(4, 4, 1));
    for layer in [layer.clone(), layer.cached()] {
        for _ in 0..2 {
            let array = layer.read(nanometres(), bounds([1, 0, 0], [6, 4, 1])).unwrap();
            let rows = [[2, 5, 5, 5, 5], [4, 5, 5, 5, 5], [5, 11, 12, 5, 5], [5, 13, 14, 5, 5]].concat();
            assert_eq!(array.elements().bytes(), rows);
        }
    }
    // A part of a shard keeps the rest of it.
    let place = bounds([1, 1, 0], [5, 2, 1]);
    layer.write(nanometres(), place.start, values(DataType::Uint8, 1, place)).unwrap();
    let array = layer.read(nanometres(), bounds([0, 0, 0], [6, 4, 1])).unwrap();
    assert_eq!(array.part(place), values(DataType::Uint8, 1, place));
    let others = [(0, 0, 1.0), (1, 0, 2.0), (0, 1, 3.0), (2, 2, 11.0), (3, 3, 14.0), (5, 1, 5.0)];
    assert!(others.iter().all(|(x, y, value)| (array.get(0, Vec3::new(*x, *y, 0)) - value).abs() < 1e-9));
    assert_eq!(files(directory.path()), ["c/0/0", "c/0/1", "zarr.json"]);
}

#[test]
fn broken_chunks_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let mut metadata = format_3(DataType::Uint16);
    metadata["codecs"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "zstd", "configuration": {"level": 1, "checksum": false}}));
    write(&directory.path().join("zarr.json"), metadata.to_string());
    for content in [vec![], vec![1, 2, 3], chunk(DataType::Uint16, chunks()[0].2, 0.0)] {
        write(&directory.path().join("c/0/0/0/0"), content);
        let error = open(layer(directory.path())).read(nanometres(), whole()).unwrap_err();
        assert_says(&error, "c/0/0/0/0 is broken");
        assert!(!error.is_transient());
    }
}

#[test]
fn arrays_that_cannot_be_used_are_refused_with_the_place_and_the_reason() {
    for (field, value, words) in [
        ("data_type", json!("float16"), "its data type is \"float16\""),
        ("chunk_grid", json!({"name": "rectangular"}), "another grid"),
        ("codecs", json!([{"name": "bytes"}, {"name": "lzma9"}]), "lzma9"),
        ("shape", json!([2, 2, 3]), "zarr.json"),
        ("dimension_names", json!(["c", "z", "y", "y"]), ""),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut metadata = format_3(DataType::Uint8);
        metadata[field] = value;
        write(&directory.path().join("zarr.json"), metadata.to_string());
        match spec(layer(directory.path())).open() {
            Err(error) => {
                assert_says(&error, words);
                assert_says(error, "zarr.json");
            }
            // Names that mean nothing are read over.
            Ok(_) => assert_eq!(field, "dimension_names"),
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let layer = layer(directory.path());
    assert_says(spec(layer.clone()).open().unwrap_err(), "give data_type, resolution and size");
    write(&directory.path().join("zarr.json"), json!({"zarr_format": 3, "node_type": "group"}).to_string());
    assert_says(spec(layer.clone()).open().unwrap_err(), "group without OME metadata");
    write(&directory.path().join("zarr.json"), format_3(DataType::Uint8).to_string());
    let mut without = layer;
    without.as_object_mut().unwrap().remove("resolution");
    assert_says(spec(without).open().unwrap_err(), "resolution: ");
}

#[test]
fn an_ome_image_of_each_version_has_its_scales_and_their_places() {
    for format in [2, 3] {
        let directory = tempfile::tempdir().unwrap();
        let json = json!({
            "@type": "build_zarr_layer", "path": directory.path(), "resolution": [4, 4, 40],
            "scales": [[8, 8, 40], [16, 16, 80]], "voxel_offset": [8, 16, 2], "size": [20, 12, 6],
            "data_type": "uint16", "chunk_size": [8, 8, 2], "zarr_format": format, "fill_value": 3
        });
        let described = spec(json.clone()).describe().unwrap();
        assert_eq!(files(directory.path()), Vec::<String>::new());
        let layer = create(json.clone());
        assert_eq!(layer.volume().scales(), described.scales);
        let place: Vec<Bounds> = described.scales.iter().map(|scale| scale.bounds).collect();
        let expected =
            [bounds([8, 16, 2], [28, 28, 8]), bounds([4, 8, 2], [14, 14, 8]), bounds([2, 4, 1], [7, 7, 4])];
        assert_eq!(place, expected);
        for (scale, bounds) in described.scales.iter().zip(expected) {
            layer.write(scale.resolution, bounds.start, values(DataType::Uint16, 1, bounds)).unwrap();
        }
        // Without any of the parameters it is the same layer.
        let read = open(json!({"@type": "build_zarr_layer", "path": directory.path()}));
        assert_eq!(read.volume().scales(), described.scales);
        for (scale, bounds) in described.scales.iter().zip(expected) {
            assert_eq!(read.read(scale.resolution, bounds).unwrap(), values(DataType::Uint16, 1, bounds));
        }
        // Made again it stays as it is.
        let before: Vec<_> = files(directory.path());
        create(json);
        assert_eq!(files(directory.path()), before);
        let (file, pointer) = if format == 2 {
            (".zattrs", "/multiscales/0")
        } else {
            ("zarr.json", "/attributes/ome/multiscales/0")
        };
        let metadata: Json = serde_json::from_slice(&fs::read(directory.path().join(file)).unwrap()).unwrap();
        let image = metadata.pointer(pointer).unwrap();
        let transformations: Vec<&Json> = image["datasets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|dataset| &dataset["coordinateTransformations"])
            .collect();
        // Of voxels' centres: those of the second scale lie half a fine voxel further.
        assert_eq!(transformations[1][0]["scale"], json!([1.0, 40.0, 8.0, 8.0]));
        assert_eq!(transformations[1][1]["translation"], json!([0.0, 80.0, 66.0, 34.0]));
        assert_eq!(image["axes"][1], json!({"name": "z", "type": "space", "unit": "nanometer"}));
    }
}

#[test]
fn scales_are_added_and_anything_else_that_differs_is_refused_unless_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let json = json!({
        "@type": "build_zarr_layer", "path": directory.path(), "resolution": [8, 8, 8], "size": [16, 16, 16],
        "data_type": "uint8", "chunk_size": [8, 8, 8]
    });
    let with = |changes: Json| {
        let mut json = json.clone();
        json.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        json
    };
    let place = bounds([0, 0, 0], [16, 16, 16]);
    create(json.clone()).write(resolution([8.0; 3]), Vec3::ZERO, values(DataType::Uint8, 1, place)).unwrap();
    // Somebody else's notes in the group.
    let file = directory.path().join("zarr.json");
    let mut group: Json = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    group["attributes"]["ome"]["omero"] = json!({"id": 1});
    fs::write(&file, group.to_string()).unwrap();

    assert_says(
        spec(with(json!({"scales": [[16, 16, 16]], "on_info_exists": "expect_same"}))).create().unwrap_err(),
        "it has 1 scales and shall have 2",
    );
    let layer = create(with(json!({"scales": [[16, 16, 16]]})));
    assert_eq!(layer.volume().scales().len(), 2);
    assert_eq!(layer.read(resolution([8.0; 3]), place).unwrap(), values(DataType::Uint8, 1, place));
    // A finer one, whose voxels move the places of all.
    let layer = create(with(json!({"resolution": [4, 4, 4], "size": [32, 32, 32]})));
    let scales = layer.volume().scales();
    assert_eq!(scales.iter().map(|scale| scale.bounds.size()[0]).collect::<Vec<_>>(), [32, 16, 8]);
    assert!(scales.iter().all(|scale| scale.bounds.start == Vec3::ZERO));
    assert_eq!(layer.read(resolution([8.0; 3]), place).unwrap(), values(DataType::Uint8, 1, place));
    let group: Json = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(group["attributes"]["ome"]["omero"], json!({"id": 1}));
    create(json.clone());
    assert_eq!(
        open(json!({"@type": "build_zarr_layer", "path": directory.path()})).volume().scales().len(),
        3
    );

    for (changes, words) in [
        (json!({"data_type": "uint16"}), "data_type is \"uint8\" and shall be \"uint16\""),
        (json!({"chunk_size": [4, 8, 8]}), "chunk_grid"),
        (json!({"size": [16, 16, 17]}), "shape"),
        (json!({"codec": "raw"}), "codecs"),
        (json!({"voxel_offset": [8, 0, 0]}), "its first voxel"),
        (json!({"axes": "zyx"}), "its axes are czyx and shall be zyx"),
        (json!({"ome": false}), "it is an OME image"),
    ] {
        let differing = spec(with(changes.clone()));
        for error in [differing.describe().unwrap_err(), differing.create().map(drop).unwrap_err()] {
            assert_says(error, words);
        }
    }
    let layer = create(with(json!({"data_type": "uint16", "on_info_exists": "overwrite"})));
    assert_eq!(layer.volume().scales().len(), 1);
    // What was there cannot be read as what is there now.
    assert!(
        layer.read(resolution([8.0; 3]), place).unwrap().elements().bytes().iter().all(|byte| *byte == 0)
    );
    create(with(json!({"zarr_format": 2, "on_info_exists": "overwrite"})));
    let names = files(directory.path());
    assert!(!names.iter().any(|name| name == "zarr.json" || name == "0/zarr.json"), "{names:?}");
    let layer = open(json!({"@type": "build_zarr_layer", "path": directory.path()}));
    assert_eq!(layer.volume().scales().len(), 1);
}

#[test]
fn parameters_that_cannot_be_are_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let whole = json!({
        "@type": "build_zarr_layer", "path": directory.path().join("new"), "resolution": [8, 8, 8], "size": [16, 16, 16],
        "data_type": "uint8"
    });
    for (changes, words) in [
        (json!({"data_type": null}), "size: it is for layers to be made"),
        (json!({"resolution": null}), "resolution: a layer to be made needs one"),
        (json!({"size": null}), "size: a layer to be made needs it"),
        (json!({"size": [0, 1, 1]}), "size: a layer cannot have the size [0, 1, 1]"),
        (json!({"zarr_format": 4}), "zarr_format: there is no format 4"),
        (json!({"shard_size": [100, 128, 128]}), "shard_size: [100, 128, 128] is not a multiple"),
        (json!({"shard_size": [128, 128, 128], "zarr_format": 2}), "shard_size: format 2 has no shards"),
        (json!({"chunk_size": [0, 1, 1]}), "chunk_size: a chunk cannot have"),
        (json!({"axes": "zyx", "num_channels": 2}), "num_channels: 2 channels do not fit the axes zyx"),
        (json!({"axes": "cyx"}), "axes: cyx has no z"),
        (json!({"axes": "xyz"}), "axes: OME wants"),
        (json!({"axes": "abc"}), "axes: \"abc\" has others"),
        (json!({"ome": false, "scales": [[16, 16, 16]]}), "scales: a single array"),
        (json!({"scales": [[8, 8, 8]]}), "scales: a resolution is there twice"),
        (json!({"codec": "lzma9"}), "lzma9"),
        (json!({"fill_value": -1}), "fill value"),
        (json!({"path": "ftp://host/a"}), "there is no ftp://"),
    ] {
        let mut json = whole.clone();
        json.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        json.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        assert_says(spec(json).describe().unwrap_err(), words);
    }
    assert_eq!(files(directory.path()), Vec::<String>::new());
}
