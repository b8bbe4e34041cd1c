//! The metadata of arrays and groups to be made, in formats 2 and 3.

use serde_json::{Map, Value as Json, json};

use crate::array::DataType;
use crate::geometry::Vec3;
use crate::layer::zarr::axes::{Axes, Axis};
use crate::layer::zarr::making::chunk_size;
use crate::layer::zarr::ome::Image;
use crate::layer::zarr::parameters::ZarrSpec;

type Object = Map<String, Json>;

/// The metadata of an array of so many voxels.
pub(super) fn array(spec: &ZarrSpec, data_type: DataType, axes: &Axes, size: Vec3) -> Object {
    let channels = i64::try_from(spec.num_channels.unwrap_or(1)).unwrap_or(i64::MAX);
    let lengths = |size: Vec3| {
        axes.spread(|axis| match axis {
            Axis::T => 1,
            Axis::C => channels,
            Axis::Space(axis) => size[axis],
        })
    };
    let (shape, chunk) = (lengths(size), lengths(chunk_size(spec)));
    let fill = spec.fill_value.clone().unwrap_or_else(|| json!(0));
    let codec = Codec::of(spec.codec.as_ref());
    if spec.zarr_format == Some(2) {
        return object(json!({
            "zarr_format": 2,
            "shape": shape,
            "chunks": chunk,
            "dtype": code(data_type),
            "compressor": codec.format_2(),
            "fill_value": fill,
            "order": "C",
            "filters": null,
            "dimension_separator": "/"
        }));
    }
    let mut bytes = json!({"name": "bytes"});
    if data_type.size() > 1 {
        bytes["configuration"] = json!({"endian": "little"});
    }
    let mut codecs = vec![bytes];
    codecs.extend(codec.format_3(data_type));
    let mut stored = chunk.clone();
    if let Some(shard) = spec.shard_size {
        stored = lengths(shard);
        codecs = vec![json!({
            "name": "sharding_indexed",
            "configuration": {
                "chunk_shape": chunk,
                "codecs": codecs,
                "index_codecs": [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}],
                "index_location": "end"
            }
        })];
    }
    object(json!({
        "zarr_format": 3,
        "node_type": "array",
        "shape": shape,
        "data_type": data_type.name(),
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": stored}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": codecs,
        "attributes": {},
        "dimension_names": axes.spread(Axis::name)
    }))
}

/// Under which key an array's metadata stand.
pub(super) fn key(metadata: &Object) -> &'static str {
    if metadata.get("zarr_format") == Some(&json!(2)) { ".zarray" } else { "zarr.json" }
}

/// What decides how an array is read and written.
pub(super) fn essence(metadata: &Object) -> Object {
    let mut essence = metadata.clone();
    for field in ["attributes", "dimension_names", "consolidated_metadata"] {
        essence.shift_remove(field);
    }
    if essence.get("storage_transformers") == Some(&json!([])) {
        essence.shift_remove("storage_transformers");
    }
    essence
}

/// Indented for people.
pub(super) fn text(metadata: &Object) -> String {
    serde_json::to_string_pretty(metadata).expect("JSON can be written as text")
}

/// A group to be written.
pub(super) struct Group {
    pub(super) metadata: Object,
    pub(super) multiscales: Json,
    pub(super) cleared: Vec<String>,
    pub(super) nodes: Vec<(String, String)>,
}

/// A group whose arrays are an image's scales. What else an older group says stays.
pub(super) fn group(spec: &ZarrSpec, image: &Image, old: Option<&Object>, place: &str) -> Group {
    let name = place.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let is_2 = spec.zarr_format == Some(2);
    let new = image.write(if is_2 { "0.4" } else { "0.5" }, name);
    let old_is_3 = old.is_some_and(|old| old.contains_key("zarr_format"));
    let mut metadata = old.filter(|_| old_is_3 != is_2).cloned().unwrap_or_default();
    let merged = |old: Option<&Json>| {
        let mut all = old.and_then(Json::as_array).cloned().unwrap_or_default();
        let mut first = all.first().and_then(Json::as_object).cloned().unwrap_or_default();
        first.shift_remove("coordinateTransformations");
        for (field, value) in new[0].as_object().into_iter().flatten() {
            if field != "name" || !first.contains_key("name") {
                first.insert(field.clone(), value.clone());
            }
        }
        if all.is_empty() {
            all.push(Json::Null);
        }
        all[0] = first.into();
        Json::Array(all)
    };
    if is_2 {
        let all = merged(metadata.get("multiscales"));
        let multiscales = all[0].clone();
        metadata.insert("multiscales".into(), all);
        let nodes = vec![
            (".zattrs".to_owned(), text(&metadata)),
            (".zgroup".to_owned(), text(&object(json!({"zarr_format": 2})))),
        ];
        let cleared = if old_is_3 { vec!["zarr.json".to_owned()] } else { Vec::new() };
        return Group { metadata, multiscales, cleared, nodes };
    }
    metadata.insert("zarr_format".into(), json!(3));
    metadata.insert("node_type".into(), json!("group"));
    let attributes = metadata.entry("attributes").or_insert_with(|| json!({}));
    if !attributes["ome"].is_object() {
        attributes["ome"] = json!({"version": "0.5"});
    }
    let all = merged(attributes["ome"].get("multiscales"));
    let multiscales = all[0].clone();
    attributes["ome"]["multiscales"] = all;
    let nodes = vec![("zarr.json".to_owned(), text(&metadata))];
    Group { metadata, multiscales, cleared: Vec::new(), nodes }
}

/// What compresses chunks.
#[derive(Debug, Clone, PartialEq)]
enum Codec {
    Raw,
    Named { name: String, configuration: Option<Json> },
}

impl Codec {
    /// Whatever is wrong with it shows when the array is opened.
    fn of(given: Option<&Json>) -> Self {
        let name = |name: &str| match name {
            "raw" | "none" | "bytes" => Self::Raw,
            name => Self::Named { name: name.to_owned(), configuration: None },
        };
        match given {
            None => name("zstd"),
            Some(Json::Null) => Self::Raw,
            Some(Json::String(text)) => name(text),
            Some(codec) => {
                let text = codec.get("name").or_else(|| codec.get("id")).and_then(Json::as_str);
                let mut configuration = codec.get("configuration").cloned();
                if let (None, Some(fields)) = (&configuration, codec.as_object()) {
                    let mut fields = fields.clone();
                    fields.shift_remove("name");
                    fields.shift_remove("id");
                    configuration = (!fields.is_empty()).then(|| fields.into());
                }
                Self::Named { name: text.unwrap_or("nameless").to_owned(), configuration }
            }
        }
    }

    fn format_3(&self, data_type: DataType) -> Option<Json> {
        let Self::Named { name, configuration } = self else { return None };
        let usual = || match name.as_str() {
            "zstd" => json!({"level": 3, "checksum": false}),
            "gzip" | "zlib" => json!({"level": 5}),
            "blosc" => json!({
                "cname": "zstd", "clevel": 5, "shuffle": "shuffle", "typesize": data_type.size(), "blocksize": 0
            }),
            _ => json!({}),
        };
        let configuration = configuration.clone().unwrap_or_else(usual);
        Some(match configuration.as_object().is_some_and(Map::is_empty) {
            true => json!({"name": name}),
            false => json!({"name": name, "configuration": configuration}),
        })
    }

    fn format_2(&self) -> Json {
        let Self::Named { name, configuration } = self else { return Json::Null };
        let usual = || match name.as_str() {
            // Without "checksum", which not all readers of this format know.
            "zstd" => json!({"level": 3}),
            "gzip" | "zlib" => json!({"level": 5}),
            "blosc" => json!({"cname": "zstd", "clevel": 5, "shuffle": 1, "blocksize": 0}),
            _ => json!({}),
        };
        let mut compressor = object(json!({"id": name}));
        compressor.extend(object(configuration.clone().unwrap_or_else(usual)));
        compressor.into()
    }
}

/// The name of a type in format 2.
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

fn object(json: Json) -> Object {
    match json {
        Json::Object(object) => object,
        _ => Object::new(),
    }
}
