//! Random layers of all formats, written and read at random, against an array in memory.

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use volumetric::array::{Array, DataType, Shape};
use volumetric::geometry::{Bounds, Vec3};

use crate::support::{TYPES, create, resolution, spec};

/// How a layer is kept.
#[derive(Debug, Clone)]
enum Format {
    Precomputed { gzips: bool },
    Zarr { format: u64, codec: &'static str, shard: Option<[i64; 3]>, ome: bool, axes: &'static str },
}

#[derive(Debug, Clone)]
struct Case {
    format: Format,
    data_type: DataType,
    channels: usize,
    offset: [i64; 3],
    size: [i64; 3],
    chunk: [i64; 3],
    is_local: bool,
    steps: Vec<Step>,
}

/// What is done: a box as fractions of the layer, a seed of values or nothing but zeros to write, or a reading.
#[derive(Debug, Clone)]
struct Step {
    place: [(f64, f64); 3],
    values: Option<i64>,
    beyond: i64,
}

fn formats() -> impl Strategy<Value = Format> {
    let zarr = |format: u64| {
        let shard = if format == 3 {
            prop_oneof![Just(None), prop::array::uniform3(1_i64..4).prop_map(Some)].boxed()
        } else {
            Just(None).boxed()
        };
        (
            prop::sample::select(vec!["raw", "zstd", "gzip", "blosc"]),
            shard,
            prop::sample::select(vec![
                (true, "czyx"),
                (true, "tczyx"),
                (false, "czyx"),
                (false, "xyzc"),
                (false, "zcxy"),
            ]),
        )
            .prop_map(move |(codec, shard, (ome, axes))| Format::Zarr {
                format,
                codec,
                shard,
                ome,
                axes,
            })
    };
    prop_oneof![any::<bool>().prop_map(|gzips| Format::Precomputed { gzips }), zarr(2), zarr(3),]
}

fn cases() -> impl Strategy<Value = Case> {
    let step = (
        prop::array::uniform3((0.0..1.0, 0.0..1.0)),
        prop_oneof![Just(None), Just(Some(0)), (1_i64..1000).prop_map(Some)],
        0_i64..3,
    )
        .prop_map(|(place, values, beyond)| Step { place, values, beyond });
    (
        formats(),
        prop::sample::select(TYPES.to_vec()),
        1_usize..4,
        prop::array::uniform3(-9_i64..9),
        prop::array::uniform3(1_i64..14),
        prop::array::uniform3(1_i64..7),
        prop::bool::weighted(0.8),
        prop::collection::vec(step, 1..12),
    )
        .prop_map(|(format, data_type, channels, offset, size, chunk, is_local, steps)| Case {
            format,
            data_type,
            channels,
            offset,
            size,
            chunk,
            is_local,
            steps,
        })
}

fn layer(case: &Case, path: &str) -> Json {
    let bounds = Bounds::at(Vec3(case.offset), Vec3(case.size));
    let bbox = json!({
        "@type": "BBox3D.from_coords", "start_coord": bounds.start, "end_coord": bounds.stop, "resolution": [4, 5, 40]
    });
    match &case.format {
        Format::Precomputed { gzips } => json!({
            "@type": "build_cv_layer", "path": path, "info_scales": [[4, 5, 40]], "info_type": "image",
            "info_data_type": case.data_type, "info_num_channels": case.channels, "info_encoding": "raw",
            "info_chunk_size": case.chunk, "info_bbox": bbox,
            "cv_kwargs": {"compress": if *gzips { json!("gzip") } else { Json::Null }}
        }),
        Format::Zarr { format, codec, shard, ome, axes } => {
            let shard = shard.map(|factors| Vec3(factors) * Vec3(case.chunk));
            json!({
                "@type": "build_zarr_layer", "path": path, "resolution": [4, 5, 40], "data_type": case.data_type,
                "num_channels": case.channels, "chunk_size": case.chunk, "shard_size": shard, "bbox": bbox,
                "zarr_format": format, "codec": codec, "ome": ome, "axes": axes
            })
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn whatever_is_written_is_read_again(case in cases(), number in any::<u64>()) {
        let directory = tempfile::tempdir().unwrap();
        let path = if case.is_local {
            directory.path().to_str().unwrap().to_owned()
        } else {
            format!("memory://oracle/{number}")
        };
        let json = layer(&case, &path);
        let (nanometres, own) = (resolution([4.0, 5.0, 40.0]), Bounds::at(Vec3(case.offset), Vec3(case.size)));
        let described = spec(json.clone()).describe().unwrap();
        let layer = create(json.clone());
        let scale = layer.volume().scale(nanometres).unwrap();
        prop_assert_eq!(&described.scales, &vec![scale.clone()]);
        prop_assert_eq!((scale.bounds, scale.offset), (own, own.start));
        let stored = match &case.format {
            Format::Zarr { shard: Some(factors), .. } => Vec3(*factors) * Vec3(case.chunk),
            _ => Vec3(case.chunk),
        };
        prop_assert_eq!(scale.chunk, stored);
        let cached = layer.cached();
        // What the layer holds, with a margin of what is never there.
        let around = own.padded(Vec3::splat(3));
        let shape = Shape::new(case.channels, around.size());
        let mut oracle = Array::zeros(case.data_type, shape);
        for step in &case.steps {
            let mut place = Bounds::new(Vec3::ZERO, Vec3::ZERO);
            for axis in 0..3 {
                #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small numbers")]
                let at = |fraction: f64| (fraction * (own.size()[axis] + 1) as f64) as i64;
                let (one, other) = (at(step.place[axis].0), at(step.place[axis].1));
                place.start[axis] = own.start[axis] + one.min(other) - step.beyond;
                place.stop[axis] = own.start[axis] + one.max(other) + step.beyond;
            }
            let inside = place.intersection(&own);
            let Some(seed) = step.values else {
                let expected = oracle.part(place.translated(-around.start));
                for layer in [&layer, &cached, &cached, &create(json.clone())] {
                    prop_assert_eq!(&layer.read(nanometres, place).unwrap(), &expected);
                }
                continue;
            };
            let array = Array::generate(case.data_type, Shape::new(case.channels, place.size()), |channel, voxel| {
                let [x, y, z] = voxel.0;
                let number = seed * (x + 3 * y + 7 * z + 11 * i64::try_from(channel).unwrap() + 1);
                f64::from(i32::try_from(number.rem_euclid(120)).unwrap())
            });
            // By the handle that has a cache, which must not go on with what it had.
            cached.write(nanometres, place.start, array.clone()).unwrap();
            if !inside.is_empty() {
                oracle.paste(&array, inside.translated(-place.start), inside.start - around.start);
            }
        }
        let expected = oracle.part(own.translated(-around.start));
        prop_assert_eq!(layer.read(nanometres, own).unwrap(), expected.clone());
        prop_assert_eq!(cached.read(nanometres, own).unwrap(), expected);
    }
}
