//! The arrays and the group that a spec asks for.

use serde_json::{Map, Value as Json};

use crate::geometry::{Bounds, Region, Resolution, Vec3};
use crate::layer::Error;
use crate::layer::json::difference;
use crate::layer::precomputed::OnExists;
use crate::layer::storage::Storage;
use crate::layer::zarr::axes::{Axes, Axis};
use crate::layer::zarr::hierarchy::{Node, Root};
use crate::layer::zarr::metadata;
use crate::layer::zarr::ome::{Image, ImageScale};
use crate::layer::zarr::parameters::ZarrSpec;

type Object = Map<String, Json>;

/// What a layer is to be, and what has to be done for it.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) root: Root,
    /// What cannot stay: below these paths stands what the new metadata could not read.
    pub(super) cleared: Vec<String>,
    /// What is to be written, in this order.
    pub(super) nodes: Vec<(String, String)>,
}

/// Checks the parameters of a layer to be made alone, as far as its metadata do not show what is wrong.
pub(super) fn check(spec: &ZarrSpec) -> Result<(), Error> {
    let refuse = |parameter: &'static str, reason: String| Err(Error::Parameter { parameter, reason });
    let Some(_) = spec.data_type else {
        let given = [
            (!spec.scales.is_empty(), "scales"),
            (spec.bbox.is_some(), "bbox"),
            (spec.size.is_some(), "size"),
            (spec.num_channels.is_some(), "num_channels"),
            (spec.chunk_size.is_some(), "chunk_size"),
            (spec.shard_size.is_some(), "shard_size"),
            (spec.codec.is_some(), "codec"),
            (spec.zarr_format.is_some(), "zarr_format"),
            (spec.fill_value.is_some(), "fill_value"),
            (spec.ome.is_some(), "ome"),
            (spec.on_info_exists.is_some(), "on_info_exists"),
        ];
        return match given.into_iter().find(|(given, _)| *given) {
            Some((_, parameter)) => refuse(
                parameter,
                "it is for layers to be made; give data_type as well, or leave it out".into(),
            ),
            None => Ok(()),
        };
    };
    let Some(resolution) = spec.resolution else {
        return refuse("resolution", "a layer to be made needs one".into());
    };
    match (spec.bbox, spec.size) {
        (None, None) => return refuse("size", "a layer to be made needs it, or bbox".into()),
        (Some(_), Some(_)) => return refuse("size", "bbox says it already; leave one of the two out".into()),
        (Some(_), None) if spec.voxel_offset.is_some() => {
            return refuse("voxel_offset", "bbox says it already; leave one of the two out".into());
        }
        (Some(bbox), None) => {
            if let Err(error) = bbox.0.bounds(resolution) {
                return refuse("bbox", error.to_string());
            }
        }
        (None, Some(size)) => {
            if !size.all(Vec3::ZERO, |size, zero| size > zero) {
                return refuse("size", format!("a layer cannot have the size {size}"));
            }
        }
    }
    let format = spec.zarr_format.unwrap_or(3);
    if !matches!(format, 2 | 3) {
        return refuse("zarr_format", format!("there is no format {format}; write 2 or 3"));
    }
    let chunk = chunk_size(spec);
    if !chunk.all(Vec3::ZERO, |size, zero| size > zero) {
        return refuse("chunk_size", format!("a chunk cannot have the size {chunk}"));
    }
    if let Some(shard) = spec.shard_size {
        if format == 2 {
            return refuse("shard_size", "format 2 has no shards; write zarr_format 3".into());
        }
        if !shard.all(chunk, |shard, chunk| shard > 0 && shard % chunk == 0) {
            return refuse("shard_size", format!("{shard} is not a multiple of the chunk size {chunk}"));
        }
    }
    let axes = wanted_axes(spec);
    let channels = spec.num_channels.unwrap_or(1);
    if channels == 0 || (channels > 1 && !axes.0.contains(&Axis::C)) {
        return refuse("num_channels", format!("{channels} channels do not fit the axes {axes}"));
    }
    if !axes.0.contains(&Axis::Space(2)) && bounds(spec, resolution).size()[2] != 1 {
        return refuse("axes", format!("{axes} has no z, but the layer has more than one slice"));
    }
    if !spec.ome.unwrap_or(true) {
        if !spec.scales.is_empty() {
            return refuse("scales", "a single array has one scale; leave out \"ome\": false".into());
        }
    } else if !is_ome_order(&axes) {
        return refuse(
            "axes",
            format!("OME wants t, c, z, y, x in this order, not {axes}; write \"ome\": false"),
        );
    }
    let mut all = spec.scales.clone();
    all.push(resolution);
    all.sort_unstable();
    if all.windows(2).any(|pair| pair[0] == pair[1]) {
        return refuse("scales", "a resolution is there twice".into());
    }
    Ok(())
}

fn is_ome_order(axes: &Axes) -> bool {
    let order = |axis: &Axis| match axis {
        Axis::T => 0,
        Axis::C => 1,
        Axis::Space(axis) => 4 - axis,
    };
    axes.0.windows(2).all(|pair| order(&pair[0]) < order(&pair[1]))
}

fn wanted_axes(spec: &ZarrSpec) -> Axes {
    let axes = spec.axes.as_deref().unwrap_or("czyx");
    axes.parse().unwrap_or_else(|_| "czyx".parse().expect("these are axes"))
}

pub(super) fn chunk_size(spec: &ZarrSpec) -> Vec3 {
    spec.chunk_size.unwrap_or(Vec3::splat(128))
}

/// Where the layer is at its finest resolution or a coarser one.
fn bounds(spec: &ZarrSpec, resolution: Resolution) -> Bounds {
    let region = match (spec.bbox, spec.size, spec.resolution) {
        (Some(bbox), _, _) => bbox.0,
        (None, Some(size), Some(finest)) => {
            Region::of(Bounds::at(spec.voxel_offset.unwrap_or_default(), size), finest)
        }
        _ => return Bounds::at(Vec3::ZERO, Vec3::ONE),
    };
    region.expanded(resolution)
}

/// What the layer is to be, if its spec asks for one to be made.
pub(super) fn wanted(
    spec: &ZarrSpec,
    storage: &Storage,
    existing: Option<&Root>,
) -> Result<Option<Wanted>, Error> {
    let (Some(data_type), Some(finest)) = (spec.data_type, spec.resolution) else { return Ok(None) };
    let axes = wanted_axes(spec);
    let make =
        |resolution: Resolution| metadata::array(spec, data_type, &axes, bounds(spec, resolution).size());
    if !spec.ome.unwrap_or(true) {
        return single(spec, storage, existing, make(finest)).map(Some);
    }
    let mut resolutions = spec.scales.clone();
    resolutions.push(finest);
    let scales: Vec<(Resolution, Vec3, Object)> =
        resolutions.iter().map(|&one| (one, bounds(spec, one).start, make(one))).collect();
    image(spec, storage, existing, &axes, scales).map(Some)
}

fn exists(storage: &Storage, difference: String) -> Error {
    Error::Exists {
        layer: storage.place().to_owned(),
        difference,
        cure: "give the same parameters, another path, or on_info_exists \"overwrite\"",
    }
}

fn other_kind(storage: &Storage, is: &str) -> Error {
    let cure = "give another path, or delete what is there";
    Error::Exists { layer: storage.place().to_owned(), difference: format!("it is {is}"), cure }
}

fn single(
    spec: &ZarrSpec,
    storage: &Storage,
    existing: Option<&Root>,
    array: Object,
) -> Result<Wanted, Error> {
    let key = metadata::key(&array);
    let node = Node { place: storage.key(key), metadata: array };
    let old = match existing {
        None => None,
        Some(Root::Image { .. }) => return Err(other_kind(storage, "an OME image, not a single array")),
        Some(Root::Array(old)) => Some(old),
    };
    let difference =
        old.and_then(|old| difference(&metadata::essence(&old.metadata), &metadata::essence(&node.metadata)));
    match (old, difference) {
        (Some(old), None) => {
            Ok(Wanted { root: Root::Array(old.clone()), cleared: Vec::new(), nodes: Vec::new() })
        }
        (Some(_), Some(difference)) if spec.on_info_exists != Some(OnExists::Overwrite) => {
            Err(exists(storage, difference))
        }
        (old, _) => Ok(Wanted {
            cleared: old.map(|_| String::new()).into_iter().collect(),
            nodes: vec![(key.to_owned(), metadata::text(&node.metadata))],
            root: Root::Array(node),
        }),
    }
}

fn image(
    spec: &ZarrSpec,
    storage: &Storage,
    existing: Option<&Root>,
    axes: &Axes,
    scales: Vec<(Resolution, Vec3, Object)>,
) -> Result<Wanted, Error> {
    let on_exists = spec.on_info_exists.unwrap_or(OnExists::Extend);
    let (old_metadata, old_multiscales, old_arrays, old_image) = match existing {
        None => (None, None, &[][..], None),
        Some(Root::Array(_)) => return Err(other_kind(storage, "a single array, not an OME image")),
        Some(Root::Image { place, metadata, multiscales, arrays }) => {
            let image = Image::understand(multiscales, None)
                .or_else(|_| Image::understand(multiscales, spec.resolution))
                .map_err(|reason| Error::Metadata { place: place.clone(), reason })?;
            (Some(metadata), Some(multiscales), &arrays[..], Some(image))
        }
    };
    let overwrites = on_exists == OnExists::Overwrite;
    if let Some(old) = old_image.as_ref().filter(|old| old.axes != *axes && !overwrites) {
        return Err(exists(storage, format!("its axes are {} and shall be {axes}", old.axes)));
    }
    let old_scales = old_image.as_ref().map(|image| image.scales.clone()).unwrap_or_default();
    let mut kept = if overwrites { Vec::new() } else { old_scales.clone() };
    let (mut arrays, mut nodes, mut cleared) = (Vec::new(), Vec::new(), Vec::new());
    let mut scales = scales;
    // The finest of new ones comes first and is called 0.
    scales.sort_by(|(one, ..), (other, ..)| one.voxel_volume().total_cmp(&other.voxel_volume()));
    let mut numbers = (0..).map(|number: usize| number.to_string());
    for (resolution, offset, array) in scales {
        let found = old_scales.iter().find(|scale| scale.resolution == resolution);
        let path = match found {
            Some(scale) => scale.path.clone(),
            None => numbers
                .find(|path| old_scales.iter().all(|scale| scale.path != *path))
                .expect("numbers do not end"),
        };
        let key = metadata::key(&array);
        let old = old_arrays.iter().find(|(other, _)| *other == path).and_then(|(_, node)| node.as_ref());
        let node = Node { place: storage.child(&path).key(key), metadata: array };
        let mut different = match old {
            Some(old) => difference(&metadata::essence(&old.metadata), &metadata::essence(&node.metadata)),
            None => None,
        };
        if let Some(scale) = found
            && scale.offset.as_ref() != Ok(&offset)
        {
            let is = scale.offset.as_ref().map_or_else(String::clone, Vec3::to_string);
            different = different.or_else(|| Some(format!("its first voxel is {is} and shall be {offset}")));
        }
        match (old, different) {
            (Some(old), None) => arrays.push((path.clone(), Some(old.clone()))),
            (Some(_), Some(difference)) if !overwrites => {
                return Err(exists(storage, format!("the scale of {resolution}: {difference}")));
            }
            (old, _) => {
                if old.is_some() {
                    cleared.push(path.clone());
                }
                nodes.push((format!("{path}/{key}"), metadata::text(&node.metadata)));
                arrays.push((path.clone(), Some(node)));
            }
        }
        if kept.iter().all(|scale| scale.resolution != resolution) {
            kept.push(ImageScale { path, resolution, offset: Ok(offset) });
        }
    }
    if on_exists == OnExists::ExpectSame && old_image.is_some() && kept.len() != arrays.len() {
        return Err(exists(storage, format!("it has {} scales and shall have {}", kept.len(), arrays.len())));
    }
    if on_exists == OnExists::ExpectSame && old_image.is_some() && old_scales.len() != kept.len() {
        return Err(exists(
            storage,
            format!("it has {} scales and shall have {}", old_scales.len(), kept.len()),
        ));
    }
    kept.sort_by(|one, other| one.resolution.voxel_volume().total_cmp(&other.resolution.voxel_volume()));
    let image = Image { axes: axes.clone(), scales: kept };
    for (path, node) in old_arrays {
        if arrays.iter().all(|(other, _)| other != path) {
            arrays.push((path.clone(), node.clone()));
        }
    }
    let was_3 = old_metadata.is_some_and(|old| old.contains_key("zarr_format"));
    let is_same = old_image.as_ref() == Some(&image) && was_3 == (spec.zarr_format != Some(2));
    if let (true, Some(metadata), Some(multiscales)) = (is_same, old_metadata, old_multiscales) {
        let (metadata, multiscales) = (metadata.clone(), multiscales.clone());
        let root = Root::Image { place: storage.place().to_owned(), metadata, multiscales, arrays };
        return Ok(Wanted { root, cleared, nodes });
    }
    let group = metadata::group(spec, &image, old_metadata, storage.place());
    cleared.extend(group.cleared);
    nodes.extend(group.nodes);
    let root = Root::Image {
        place: storage.place().to_owned(),
        metadata: group.metadata,
        multiscales: group.multiscales,
        arrays,
    };
    Ok(Wanted { root, cleared, nodes })
}
