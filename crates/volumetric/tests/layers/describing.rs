//! What becomes of the parameters of `build_cv_layer`.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};
use volumetric::array::DataType;
use volumetric::geometry::Vec3;
use volumetric::layer::LayerSpec;

use crate::support::{assert_says, bounds, create, files, open, resolution, spec, write};

/// A layer of two scales, such as others may have made.
fn reference(directory: &Path) -> Json {
    let info = json!({
        "data_type": "uint8", "num_channels": 3, "type": "image", "mesh": "meshes", "scales": [
            {
                "chunk_sizes": [[64, 64, 16]], "encoding": "raw", "key": "4_4_40", "resolution": [4, 4, 40],
                "size": [1000, 800, 30], "voxel_offset": [100, 200, 6], "note": "fine"
            },
            {
                "chunk_sizes": [[32, 32, 16]], "encoding": "raw", "key": "8_8_40", "resolution": [8.0, 8.0, 40.0],
                "size": [500, 400, 30], "voxel_offset": [50, 100, 6]
            }
        ]
    });
    write(&directory.join("reference/info"), info.to_string());
    info
}

fn layer(directory: &Path, parameters: Json) -> Json {
    let mut json = json!({
        "@type": "build_cv_layer", "path": directory.join("new"),
        "info_reference_path": directory.join("reference")
    });
    json.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
    json.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    json
}

fn info(directory: &Path) -> Json {
    serde_json::from_slice(&fs::read(directory.join("new/info")).unwrap()).unwrap()
}

#[test]
fn a_reference_alone_is_copied_and_changed_as_said() {
    let directory = tempfile::tempdir().unwrap();
    let reference = reference(directory.path());
    let json = layer(directory.path(), json!({}));
    let described = spec(json.clone()).describe().unwrap();
    assert!(!directory.path().join("new").exists(), "describing writes nothing");
    assert_eq!((described.data_type, described.channels), (DataType::Uint8, 3));
    assert_eq!(described.scales[1].bounds, bounds([50, 100, 6], [550, 500, 36]));
    assert_eq!(described.scales[1].chunk, Vec3::new(32, 32, 16));
    assert_eq!(create(json).volume().scales(), described.scales);
    assert_eq!(info(directory.path()), reference);

    fs::remove_dir_all(directory.path().join("new")).unwrap();
    create(layer(
        directory.path(),
        json!({
            "info_chunk_size": [128, 128, 8], "info_chunk_size_map": {"8_8_40": [16, 16, 1]}, "info_data_type": "float32",
            "info_num_channels": 1, "info_add_scales": [[16, 16, 40], {"resolution": [2, 2, 40], "size": [1, 2, 3]}],
            "info_add_scales_exclude_fields": ["note"], "info_field_overrides": {"mesh": "others", "type": "segmentation"},
            "info_only_retain_scales": [[2, 2, 40], [8, 8, 40], [16, 16, 40]]
        }),
    ));
    let expected = json!({
        "data_type": "float32", "num_channels": 1, "type": "segmentation", "mesh": "others", "scales": [
            {
                "resolution": [2, 2, 40], "size": [1, 2, 3], "key": "2_2_40", "voxel_offset": [200, 400, 6],
                "chunk_sizes": [[128, 128, 8]], "encoding": "raw"
            },
            {
                "chunk_sizes": [[16, 16, 1]], "encoding": "raw", "key": "8_8_40", "resolution": [8.0, 8.0, 40.0],
                "size": [500, 400, 30], "voxel_offset": [50, 100, 6]
            },
            {
                "resolution": [16, 16, 40], "key": "16_16_40", "size": [250, 200, 30], "voxel_offset": [25, 50, 6],
                "chunk_sizes": [[128, 128, 8]], "encoding": "raw"
            }
        ]
    });
    assert_eq!(info(directory.path()), expected);
}

#[test]
fn listed_scales_take_bounds_from_the_reference_and_all_else_if_they_shall() {
    let directory = tempfile::tempdir().unwrap();
    reference(directory.path());
    let json = layer(
        directory.path(),
        json!({
            "info_scales": [[4, 4, 40], [16, 16, 80]], "info_inherit_all_params": true, "info_num_channels": 1,
            "info_extra_scale_data": {"extra": 1}
        }),
    );
    create(json);
    let expected = json!({
        "num_channels": 1, "data_type": "uint8", "type": "image", "scales": [
            {
                "chunk_sizes": [[64, 64, 16]], "encoding": "raw", "resolution": [4, 4, 40], "key": "4_4_40", "note": "fine",
                "extra": 1, "size": [1000, 800, 30], "voxel_offset": [100, 200, 6]
            },
            {
                "chunk_sizes": [[64, 64, 16]], "encoding": "raw", "resolution": [16, 16, 80], "key": "16_16_80",
                "note": "fine", "extra": 1, "size": [250, 200, 15], "voxel_offset": [25, 50, 3]
            }
        ]
    });
    assert_eq!(info(directory.path()), expected);
    let error = spec(layer(directory.path(), json!({"info_scales": [[4, 4, 40]]}))).describe().unwrap_err();
    assert_says(
        error,
        "info_type, info_data_type, info_num_channels, info_encoding, info_chunk_size must be given too, or \
         info_inherit_all_params must be true",
    );
    // Bounds that are not whole at a coarse scale are covered.
    fs::remove_dir_all(directory.path().join("new")).unwrap();
    let bbox = json!({
        "@type": "BBox3D.from_coords", "start_coord": [3, 0, 0], "end_coord": [9, 9, 1], "resolution": [4, 4, 40]
    });
    let json = layer(
        directory.path(),
        json!({"info_scales": [[16, 16, 40]], "info_inherit_all_params": true, "info_bbox": bbox}),
    );
    assert_eq!(create(json).volume().scales()[0].bounds, bounds([0, 0, 0], [3, 3, 1]));
}

#[test]
fn an_existing_layer_is_extended_kept_or_overwritten_as_said() {
    let directory = tempfile::tempdir().unwrap();
    reference(directory.path());
    let with = |parameters: Json| {
        let mut all = json!({"info_inherit_all_params": true, "info_scales": [[4, 4, 40]]});
        all.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
        layer(directory.path(), all)
    };
    let keys = || -> Vec<String> {
        let scales = info(directory.path())["scales"].as_array().unwrap().clone();
        scales.iter().map(|scale| scale["key"].as_str().unwrap().to_owned()).collect()
    };
    create(with(json!({})));
    let modified = || fs::metadata(directory.path().join("new/info")).unwrap().modified().unwrap();
    let before = modified();
    create(with(json!({})));
    create(with(json!({"on_info_exists": "expect_same"})));
    assert_eq!(modified(), before, "what is the same is not written again");

    let error = spec(with(json!({"info_scales": [[8, 8, 40]], "on_info_exists": "expect_same"})))
        .create()
        .unwrap_err();
    assert_says(error, "exists already and differs: scales is");
    create(with(json!({"info_scales": [[16, 16, 40], [8, 8, 40]]})));
    assert_eq!(keys(), ["4_4_40", "8_8_40", "16_16_40"]);

    for (parameters, words) in [
        (
            json!({"info_chunk_size": [8, 8, 8]}),
            "scale \"4_4_40\": chunk_sizes is [[64,64,16]] and shall be [[8,8,8]]",
        ),
        (json!({"info_data_type": "int8"}), "data_type is \"uint8\" and shall be \"int8\""),
        (json!({"info_type": "segmentation"}), "type is \"image\" and shall be \"segmentation\""),
        (json!({"info_keep_existing_scales": false}), "scale \"8_8_40\" would go"),
        (json!({"info_data_type": "int8", "info_overwrite": true}), "info_keep_existing_scales false"),
    ] {
        let differing = spec(with(parameters));
        for error in [differing.describe().unwrap_err(), differing.create().map(drop).unwrap_err()] {
            assert_says(error, words);
        }
    }
    assert_eq!(keys(), ["4_4_40", "8_8_40", "16_16_40"]);
    create(with(json!({"info_chunk_size": [8, 8, 8], "info_overwrite": true})));
    assert_eq!(keys(), ["4_4_40", "8_8_40", "16_16_40"]);
    assert_eq!(info(directory.path())["scales"][0]["chunk_sizes"], json!([[8, 8, 8]]));
    create(with(json!({
        "info_data_type": "int8", "on_info_exists": "overwrite", "info_keep_existing_scales": false
    })));
    assert_eq!(keys(), ["4_4_40"]);
    // Without a word about it the layer is what it is.
    let bare = layer(directory.path(), json!({"info_reference_path": null}));
    assert_eq!(create(bare).volume().data_type(), DataType::Int8);
}

#[test]
fn a_layer_without_info_and_without_a_word_about_it_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let json = layer(directory.path(), json!({"info_reference_path": null}));
    for error in [
        spec(json.clone()).describe().unwrap_err(),
        spec(json.clone()).create().map(drop).unwrap_err(),
        spec(json).open().map(drop).unwrap_err(),
    ] {
        assert_says(&error, "new/info does not exist");
        assert!(!error.is_transient());
    }
    let error = spec(layer(directory.path(), json!({}))).describe().unwrap_err();
    assert_says(error, "info_reference_path must name a layer");
    assert_eq!(files(directory.path()), Vec::<String>::new());
}

#[test]
fn parameters_without_a_meaning_here_are_refused_by_name_or_do_nothing() {
    let directory = tempfile::tempdir().unwrap();
    reference(directory.path());
    for (parameters, words) in [
        (json!({"data_resolution": [4, 4, 40]}), "data_resolution: "),
        (json!({"interpolation_mode": "img"}), "interpolation_mode: "),
        (json!({"index_procs": [{"@type": "x"}]}), "index_procs: "),
        (json!({"cv_kwargs": {"mip": 1}}), "cv_kwargs: \"mip\""),
        (json!({"cv_kwargs": {"secrets": {}}}), "cv_kwargs: \"secrets\""),
        (json!({"cv_kwargs": {"cache": true}}), "cv_kwargs: \"cache\""),
        (json!({"cv_kwargs": {"compress": "br"}}), "cv_kwargs: \"compress\" is \"br\""),
        (json!({"cv_kwargs": {"fill_missing": 1}}), "cv_kwargs: \"fill_missing\" is 1"),
        (json!({"cv_kwargs": {"background_color": 300}}), "cv_kwargs: \"background_color\" 300 is no uint8"),
        (json!({"cv_kwargs": {"fil_missing": true}}), "cv_kwargs: \"fil_missing\" is not known"),
        (json!({"info_encoding": "jpeg"}), "info_encoding: scale 4_4_40 would be \"jpeg\""),
        (
            json!({"info_reference_path": null, "info_chunk_size": [1, 1, 1]}),
            "info_chunk_size: it needs info_scales",
        ),
        (
            json!({"info_scales": [[4, 4, 40]], "info_voxel_offset": [0, 0, 0]}),
            "info_voxel_offset: it is for",
        ),
        (json!({"info_scales": []}), "info_scales: it lists no scale"),
        (
            json!({"info_add_scales": [[7, 4, 40]], "info_add_scales_ref": "8_8_40"}),
            "is not whole at 7 × 4 × 40 nm",
        ),
        (json!({"info_add_scales": [[16, 16, 40]], "info_add_scales_ref": "9_9_9"}), "no scale \"9_9_9\""),
        (json!({"path": "graphene://https://host/table"}), "path: graphene://"),
    ] {
        assert_says(spec(layer(directory.path(), parameters)).describe().unwrap_err(), words);
    }
    let harmless = json!({
        "@version": "0.4", "index_resolution": [4, 4, 40], "default_desired_resolution": [8, 8, 40],
        "allow_slice_rounding": true, "index_procs": [], "read_procs": [], "write_procs": [],
        "cv_kwargs": {"progress": false, "cache": false, "cdn_cache": false, "parallel": 4}
    });
    let layer_ = create(layer(directory.path(), harmless));
    assert!(layer_.allows_rounding());
    assert_eq!(layer_.default_resolution(), Some(resolution([8.0, 8.0, 40.0])));
    let error =
        serde_json::from_value::<LayerSpec>(layer(directory.path(), json!({"info_chunk_siz": [1, 1, 1]})));
    assert_says(error.unwrap_err(), "info_chunk_siz");
}

#[test]
fn specs_come_back_from_json_as_they_were() {
    let json = json!({
        "@type": "build_cv_layer", "path": "a", "info_scales": [[4.0, 4.0, 40.5]], "info_chunk_size": [1, 2, 3],
        "on_info_exists": "overwrite", "cv_kwargs": {"compress": null}
    });
    assert_eq!(serde_json::to_value(spec(json.clone())).unwrap(), json);
    let mut with_version = json.clone();
    with_version["@version"] = json!("0.4");
    assert_eq!(spec(with_version), spec(json));
    let schema = schemars::schema_for!(LayerSpec).to_value();
    assert_eq!(schema["x-otaman"], "value");
    let validator = jsonschema::validator_for(&schema).unwrap();
    for json in [
        json!({"@type": "build_cv_layer", "path": "a", "@version": "0.4", "info_bbox": {
            "@type": "BBox3D.from_coords", "start_coord": [0, 0, 0], "end_coord": [1, 1, 1], "resolution": [4, 4, 40]
        }}),
        json!({"@type": "build_zarr_layer", "path": "a", "data_type": "uint8"}),
    ] {
        assert!(validator.is_valid(&json), "{:?}", validator.validate(&json));
    }
    for json in [
        json!({"@type": "build_cv_layer"}),
        json!({"@type": "build_cv_layer", "path": "a", "info_chunk_siz": 1}),
        json!({"@type": "build_layer", "path": "a"}),
    ] {
        assert!(!validator.is_valid(&json), "{json}");
    }
}

#[test]
fn local_paths_are_made_absolute_and_others_left() {
    let here = std::env::current_dir().unwrap();
    for (path, absolute) in [
        ("a/b".to_owned(), here.join("a/b").to_str().unwrap().to_owned()),
        ("precomputed://a".to_owned(), format!("precomputed://{}", here.join("a").display())),
        ("gs://bucket/a".to_owned(), "gs://bucket/a".to_owned()),
        ("/a/b".to_owned(), "/a/b".to_owned()),
    ] {
        let absolute_spec = spec(json!({"@type": "build_cv_layer", "path": path})).absolute().unwrap();
        assert_eq!(serde_json::to_value(absolute_spec).unwrap()["path"], json!(absolute));
    }
    let directory = tempfile::tempdir().unwrap();
    reference(directory.path());
    let prefixed = format!("precomputed://file://{}/reference", directory.path().display());
    assert_eq!(open(json!({"@type": "build_cv_layer", "path": prefixed})).volume().channels(), 3);
}
