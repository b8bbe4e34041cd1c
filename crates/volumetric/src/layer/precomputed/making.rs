//! The `info` that a spec asks for.

use serde_json::{Map, Value as Json, json};

use crate::geometry::{Region, Resolution, Vec3};
use crate::layer::Error;
use crate::layer::json::{difference, is_same, shown};
use crate::layer::precomputed::info::{self, Info, key, number};
use crate::layer::precomputed::parameters::{AddMode, AddedScale, OnExists, PrecomputedSpec};
use crate::layer::storage::Storage;

type Object = Map<String, Json>;

/// Fields of a scale that another one does not inherit.
const OWN: [&str; 7] = ["sharding", "encoding", "voxel_offset", "size", "chunk_sizes", "resolution", "key"];

/// The `info` that the layer is to have: the existing one with what the spec asks for, checked against it as
/// `on_info_exists` says.
pub(super) fn wanted(
    spec: &PrecomputedSpec,
    storage: &Storage,
    existing: Option<&Object>,
) -> Result<Object, Error> {
    let reference = match &spec.info_reference_path {
        Some(path) => Some(reference(path)?),
        None => None,
    };
    let Some(made) = make(spec, reference.as_ref(), existing)? else {
        let missing = || Error::NotFound {
            layer: storage.place().to_owned(),
            missing: storage.key(info::INFO),
            cure: "give info_reference_path or info_scales to have it made",
        };
        return existing.cloned().ok_or_else(missing);
    };
    match existing {
        None => Ok(made),
        Some(existing) => reconcile(spec, storage, existing, made),
    }
}

fn reference(path: &str) -> Result<Object, Error> {
    let storage = super::open_storage(path)?;
    info::read(&storage)?.ok_or_else(|| Error::NotFound {
        layer: storage.place().to_owned(),
        missing: storage.key(info::INFO),
        cure: "info_reference_path must name a layer",
    })
}

/// The `info` that the parameters describe, if they describe one.
fn make(
    spec: &PrecomputedSpec,
    reference: Option<&Object>,
    existing: Option<&Object>,
) -> Result<Option<Object>, Error> {
    if let Some(scales) = &spec.info_scales {
        return listed(spec, scales, reference).map(Some);
    }
    let described = spec.info_reference_path.is_some()
        || spec.info_add_scales.is_some()
        || spec.info_field_overrides.is_some();
    if !described {
        return match spec.first_info_parameter() {
            Some(parameter) => Err(Error::Parameter {
                parameter,
                reason:
                    "it needs info_scales, info_reference_path or info_field_overrides beside it, or nothing \
                         says what scales there are"
                        .into(),
            }),
            None => Ok(None),
        };
    }
    copied(spec, reference, existing).map(Some)
}

/// Exactly the listed scales; from the reference the bounds, and with `info_inherit_all_params` all else.
fn listed(
    spec: &PrecomputedSpec,
    scales: &[Resolution],
    reference: Option<&Object>,
) -> Result<Object, Error> {
    if let Some(parameter) = spec.first_copying_parameter() {
        let reason = "it is for layers made from a whole reference; leave it out beside info_scales".into();
        return Err(Error::Parameter { parameter, reason });
    }
    if scales.is_empty() {
        return Err(Error::Parameter { parameter: "info_scales", reason: "it lists no scale".into() });
    }
    let inherits = spec.info_inherit_all_params.unwrap_or(false);
    let place = spec.info_reference_path.as_deref().unwrap_or_default();
    let understood = reference.map(|reference| Info::understand(reference, place)).transpose()?;
    if inherits && reference.is_none() {
        let reason = "there is no info_reference_path to inherit from".into();
        return Err(Error::Parameter { parameter: "info_inherit_all_params", reason });
    }
    let inherited = understood.as_ref().filter(|_| inherits);
    let first = |name: &str| reference?.get("scales")?.get(0)?.get(name).cloned();
    let mut missing = Vec::new();
    let mut value = |parameter: &'static str, given: Option<Json>, from_reference: Option<Json>| {
        let value = given.or(from_reference.filter(|_| inherits));
        if value.is_none() {
            missing.push(parameter);
        }
        value.unwrap_or_default()
    };
    let top = |name: &str| reference.and_then(|reference| reference.get(name)).cloned();
    let kind = value("info_type", spec.info_type.clone().map(Json::from), top("type"));
    let data_type = value(
        "info_data_type",
        spec.info_data_type.map(|data_type| data_type.name().into()),
        inherited.map(|info| info.data_type.name().into()),
    );
    let channels = value("info_num_channels", spec.info_num_channels.map(Json::from), top("num_channels"));
    let encoding = value("info_encoding", spec.info_encoding.clone().map(Json::from), first("encoding"));
    let chunk = value(
        "info_chunk_size",
        spec.info_chunk_size.map(|size| json!(size)),
        inherited.map(|info| json!(info.scales[0].chunk_sizes[0])),
    );
    let region = match (&spec.info_bbox, &understood) {
        (Some(bbox), _) => Some(bbox.0),
        (None, Some(info)) => Some(Region::of(info.scales[0].layout().bounds, info.scales[0].resolution)),
        (None, None) => {
            missing.push("info_bbox");
            None
        }
    };
    let Some(region) = region.filter(|_| missing.is_empty()) else {
        let reason = format!(
            "{} must be given too{}",
            missing.join(", "),
            if reference.is_some() { ", or info_inherit_all_params must be true" } else { "" }
        );
        return Err(Error::Parameter { parameter: "info_scales", reason });
    };
    let scales: Vec<Json> = scales
        .iter()
        .map(|&resolution| {
            let mut scale = Object::new();
            scale.insert("chunk_sizes".into(), json!([chunk]));
            scale.insert("encoding".into(), encoding.clone());
            scale.insert("resolution".into(), written(resolution));
            scale.insert("key".into(), key(resolution).into());
            if inherits
                && let Some(Json::Object(fields)) = reference.and_then(|info| info.get("scales")?.get(0))
            {
                let fields = fields.iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
                scale.extend(fields.map(|(name, value)| (name.clone(), value.clone())));
            }
            scale.extend(spec.info_extra_scale_data.clone().unwrap_or_default());
            let bounds = region.expanded(resolution);
            scale.insert("size".into(), json!(bounds.size()));
            scale.insert("voxel_offset".into(), json!(bounds.start));
            Json::Object(scale)
        })
        .collect();
    let mut info = Object::new();
    info.insert("num_channels".into(), channels);
    info.insert("data_type".into(), data_type);
    info.insert("type".into(), kind);
    info.insert("scales".into(), scales.into());
    Ok(info)
}

/// All that the reference has, or the layer itself, with additions and changes.
fn copied(
    spec: &PrecomputedSpec,
    reference: Option<&Object>,
    existing: Option<&Object>,
) -> Result<Object, Error> {
    let own = existing.filter(|_| spec.info_extend_if_exists.unwrap_or(true));
    let mut info = reference.or(own).cloned().unwrap_or_default();
    if let Some(added) = &spec.info_add_scales {
        let overrides = spec.info_field_overrides.as_ref();
        if overrides.is_some_and(|fields| fields.contains_key("scales")) {
            let reason = "info_field_overrides says \"scales\" as well; give one of the two".into();
            return Err(Error::Parameter { parameter: "info_add_scales", reason });
        }
        let mut model = model(spec, &info)?;
        for field in &spec.info_add_scales_exclude_fields {
            model.shift_remove(field);
        }
        let added = added.iter().map(|scale| derive(&model, scale)).collect::<Result<Vec<_>, _>>()?;
        let kept = match spec.info_add_scales_mode {
            None | Some(AddMode::Merge) => scales(&info),
            Some(AddMode::Replace) => Vec::new(),
        };
        info.insert("scales".into(), Json::Array(merge(kept, added)));
    }
    for (name, value) in spec.info_field_overrides.iter().flatten() {
        info.insert(name.clone(), value.clone());
    }
    if let Some(Json::Array(all)) = info.get_mut("scales") {
        for scale in all.iter_mut().filter_map(Json::as_object_mut) {
            let name = scale.get("key").and_then(Json::as_str).unwrap_or_default().to_owned();
            fn chosen<T: Clone>(
                name: &str,
                map: Option<&std::collections::BTreeMap<String, T>>,
                all: Option<&T>,
            ) -> Option<T> {
                map.and_then(|map| map.get(name)).or(all).cloned()
            }
            let mut set = |field: &str, value: Option<Json>| {
                if let Some(value) = value {
                    scale.insert(field.into(), value);
                }
            };
            let chunk = chosen(&name, spec.info_chunk_size_map.as_ref(), spec.info_chunk_size.as_ref());
            set("chunk_sizes", chunk.map(|size| json!([size])));
            let offset = chosen(&name, spec.info_voxel_offset_map.as_ref(), spec.info_voxel_offset.as_ref());
            set("voxel_offset", offset.map(|offset| json!(offset)));
            let size = chosen(&name, spec.info_dataset_size_map.as_ref(), spec.info_dataset_size.as_ref());
            set("size", size.map(|size| json!(size)));
            let encoding = chosen(&name, spec.info_encoding_map.as_ref(), spec.info_encoding.as_ref());
            set("encoding", encoding.map(Json::from));
            if let Some(bbox) = &spec.info_bbox
                && let Some(resolution) = resolution(scale)
            {
                let bounds = bbox.0.expanded(resolution);
                scale.insert("size".into(), json!(bounds.size()));
                scale.insert("voxel_offset".into(), json!(bounds.start));
            }
            scale.extend(spec.info_extra_scale_data.clone().unwrap_or_default());
        }
        if let Some(retained) = &spec.info_only_retain_scales {
            all.retain(|scale| {
                scale
                    .as_object()
                    .and_then(resolution)
                    .is_some_and(|resolution| retained.contains(&resolution))
            });
        }
    }
    let mut set = |name: &str, value: Option<Json>| {
        if let Some(value) = value {
            info.insert(name.into(), value);
        }
    };
    set("type", spec.info_type.clone().map(Json::from));
    set("data_type", spec.info_data_type.map(|data_type| data_type.name().into()));
    set("num_channels", spec.info_num_channels.map(Json::from));
    Ok(info)
}

/// The scale that added ones are made from.
fn model(spec: &PrecomputedSpec, info: &Object) -> Result<Object, Error> {
    let refuse = |reason: String| Error::Parameter { parameter: "info_add_scales_ref", reason };
    match &spec.info_add_scales_ref {
        Some(Json::Object(scale)) => Ok(scale.clone()),
        Some(Json::String(wanted)) => scales(info)
            .into_iter()
            .filter_map(|scale| if let Json::Object(scale) = scale { Some(scale) } else { None })
            .find(|scale| scale.get("key").and_then(Json::as_str) == Some(wanted))
            .ok_or_else(|| refuse(format!("the reference has no scale {wanted:?}"))),
        Some(other) => Err(refuse(format!("{other} is neither the key of a scale nor a scale"))),
        None => match merge(scales(info), Vec::new()).into_iter().next() {
            Some(Json::Object(scale)) => Ok(scale),
            _ => Err(refuse("the reference has no scales; give one here".into())),
        },
    }
}

/// A scale like another one but for its resolution, and what else is said.
fn derive(model: &Object, added: &AddedScale) -> Result<Json, Error> {
    let refuse = |reason: String| Error::Parameter { parameter: "info_add_scales", reason };
    let mut scale = match added {
        AddedScale::Resolution(resolution) => {
            Object::from_iter([("resolution".to_owned(), written(*resolution))])
        }
        AddedScale::Fields(fields) => fields.clone(),
    };
    let own = resolution(&scale).ok_or_else(|| refuse("a scale has no resolution".into()))?;
    let of_model =
        resolution(model).ok_or_else(|| refuse("the scale they are made from has no resolution".into()))?;
    let name = key(own);
    if let Some(given) = scale.get("key")
        && given.as_str() != Some(&name)
    {
        return Err(refuse(format!("the key of the scale of {own} must be {name:?}, not {given}")));
    }
    scale.insert("key".into(), name.clone().into());
    for field in ["size", "voxel_offset"] {
        if scale.contains_key(field) {
            continue;
        }
        let of_model_field: Option<Vec3> =
            model.get(field).and_then(|value| serde_json::from_value(value.clone()).ok());
        let Some(lengths) = of_model_field else { continue };
        let mut scaled = Vec3::ZERO;
        for axis in 0..3 {
            let length = i128::from(lengths[axis]) * i128::from(of_model.femtometres()[axis]);
            let step = i128::from(own.femtometres()[axis]);
            if length % step != 0 {
                return Err(refuse(format!(
                    "{field} {lengths} of the scale of {of_model} is not whole at {own}; give it in the added scale"
                )));
            }
            scaled[axis] =
                i64::try_from(length / step).map_err(|_| refuse(format!("{field} is too large")))?;
        }
        scale.insert(field.into(), json!(scaled));
    }
    for (field, value) in model {
        if !scale.contains_key(field) {
            scale.insert(field.clone(), value.clone());
        }
    }
    Ok(Json::Object(scale))
}

/// What becomes of the existing `info`.
fn reconcile(
    spec: &PrecomputedSpec,
    storage: &Storage,
    existing: &Object,
    mut made: Object,
) -> Result<Object, Error> {
    let on_exists = spec.on_info_exists.unwrap_or(match spec.info_overwrite {
        Some(true) => OnExists::Overwrite,
        _ => OnExists::Extend,
    });
    let differs = |difference: String, cure: &'static str| Error::Exists {
        layer: storage.place().to_owned(),
        difference,
        cure,
    };
    let keeps = match on_exists {
        OnExists::ExpectSame => false,
        OnExists::Extend => spec.info_keep_existing_scales.unwrap_or(true),
        OnExists::Overwrite => spec.info_keep_existing_scales.unwrap_or(spec.info_scales.is_some()),
    };
    if keeps {
        for field in ["data_type", "num_channels"] {
            let (is, shall) = (existing.get(field), made.get(field));
            if !is.zip(shall).is_some_and(|(is, shall)| is_same(is, shall)) {
                return Err(differs(
                    format!("{field} is {} and shall be {}", shown(is), shown(shall)),
                    "give the same, another path, or on_info_exists \"overwrite\" and info_keep_existing_scales false",
                ));
            }
        }
        made.insert("scales".into(), Json::Array(merge(scales(existing), scales(&made))));
        // What others have put there, such as "@type" or the place of meshes, stays.
        for (name, value) in existing {
            made.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    let cure = "give the same parameters, another path, or on_info_exists \"overwrite\"";
    match on_exists {
        OnExists::Overwrite => {}
        OnExists::ExpectSame => {
            if let Some(difference) = difference(existing, &made) {
                return Err(differs(difference, cure));
            }
        }
        OnExists::Extend => {
            for scale in scales(existing) {
                let name = scale.get("key").cloned().unwrap_or_default();
                let new = scales(&made).into_iter().find(|other| other.get("key") == Some(&name));
                let difference = match (&scale, &new) {
                    (_, None) => Some(format!("scale {name} would go")),
                    (Json::Object(old), Some(Json::Object(new))) => {
                        difference(old, new).map(|difference| format!("scale {name}: {difference}"))
                    }
                    (old, Some(new)) => (old != new).then(|| format!("scale {name}")),
                };
                if let Some(difference) = difference {
                    return Err(differs(difference, cure));
                }
            }
            let without_scales = |info: &Object| {
                let mut info = info.clone();
                info.shift_remove("scales");
                info
            };
            if let Some(difference) = difference(&without_scales(existing), &without_scales(&made)) {
                return Err(differs(difference, cure));
            }
        }
    }
    // What is the same stays as it is written, so that nothing is written anew for the order of its fields.
    Ok(if is_same(&Json::Object(existing.clone()), &Json::Object(made.clone())) {
        existing.clone()
    } else {
        made
    })
}

fn scales(info: &Object) -> Vec<Json> {
    info.get("scales").and_then(Json::as_array).cloned().unwrap_or_default()
}

/// Scales of both by key, the later ones in place of earlier ones, finest first.
fn merge(earlier: Vec<Json>, later: Vec<Json>) -> Vec<Json> {
    let mut all = earlier;
    for scale in later {
        match all.iter_mut().find(|other| other.get("key") == scale.get("key")) {
            Some(place) => *place = scale,
            None => all.push(scale),
        }
    }
    // Scales without a resolution come first, where the check of the whole meets them.
    let size = |scale: &Json| scale.as_object().and_then(resolution).map_or(0.0, Resolution::voxel_volume);
    all.sort_by(|one, other| size(one).total_cmp(&size(other)));
    all
}

fn resolution(scale: &Object) -> Option<Resolution> {
    serde_json::from_value(scale.get("resolution")?.clone()).ok()
}

fn written(resolution: Resolution) -> Json {
    Json::Array(resolution.nanometres().map(number).to_vec())
}
