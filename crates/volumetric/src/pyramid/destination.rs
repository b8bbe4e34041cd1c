//! The layer that a pyramid is written to.

use crate::geometry::{Region, RegionSpec, Vec3};
use crate::layer::storage::is_same_place;
use crate::layer::{Description, LayerSpec, PrecomputedSpec, Scale, ZarrSpec};
use crate::pyramid::Error;
use crate::pyramid::flow::{Format, Pyramid};
use crate::pyramid::steps::Step;

/// Storage chunks, unless said: small enough for those who look, large enough for those who store.
const CHUNK: Vec3 = Vec3::splat(64);

/// The size of storage chunks of a pyramid. Scales that are added to a volume have those that it has.
pub(crate) fn chunk(pyramid: &Pyramid, first: &Scale) -> Vec3 {
    pyramid.chunk_size.unwrap_or(if is_in_place(pyramid) { first.chunk } else { CHUNK })
}

/// Whether the scales are added to the source itself.
pub(crate) fn is_in_place(pyramid: &Pyramid) -> bool {
    let path = match &pyramid.src {
        LayerSpec::Precomputed(spec) => &spec.path,
        LayerSpec::Zarr(spec) => &spec.path,
    };
    is_same_place(path, &pyramid.path)
}

/// The format to write: as said, else by the path, else that of the source.
pub(crate) fn format(pyramid: &Pyramid) -> Format {
    let by_path = pyramid.path.trim_end_matches('/').ends_with(".zarr").then_some(Format::Zarr);
    let of_source = match pyramid.src {
        LayerSpec::Precomputed(_) => Format::Precomputed,
        LayerSpec::Zarr(_) => Format::Zarr,
    };
    pyramid.format.or(by_path).unwrap_or(of_source)
}

/// The format of the Zarr image that is there.
fn zarr_format(pyramid: &Pyramid) -> Result<Option<u64>, Error> {
    let LayerSpec::Zarr(spec) = &pyramid.src else { return Ok(None) };
    Ok(spec.existing_format()?)
}

/// The layer to write, with all scales.
pub(crate) fn layer(
    pyramid: &Pyramid,
    source: &Description,
    first: &Scale,
    steps: &[Step],
) -> Result<LayerSpec, Error> {
    let format = format(pyramid);
    let coarser = steps.iter().map(|step| step.resolution);
    let region = Some(RegionSpec(Region::of(first.bounds, first.resolution)));
    let foreign = |parameter, is_given: bool, format| {
        if is_given { Err(Error::OtherFormat { parameter, format }) } else { Ok(()) }
    };
    match format {
        Format::Precomputed => {
            foreign("shard_size", pyramid.shard_size.is_some(), "zarr")?;
            foreign("zarr_format", pyramid.zarr_format.is_some(), "zarr")?;
            foreign("codec", pyramid.codec.is_some(), "zarr")?;
            let mut spec = PrecomputedSpec { path: pyramid.path.clone(), ..PrecomputedSpec::default() };
            spec.info_scales = Some(std::iter::once(first.resolution).chain(coarser).collect());
            spec.info_bbox = region;
            if is_in_place(pyramid) {
                spec.info_reference_path = Some(pyramid.path.clone());
                spec.info_inherit_all_params = Some(true);
                spec.info_chunk_size = pyramid.chunk_size;
            } else {
                spec.info_type =
                    Some(if pyramid.is_of_labels(source) { "segmentation" } else { "image" }.into());
                spec.info_data_type = Some(source.data_type);
                spec.info_num_channels = u64::try_from(source.channels).ok();
                spec.info_encoding = Some("raw".into());
                spec.info_chunk_size = Some(chunk(pyramid, first));
            }
            Ok(LayerSpec::Precomputed(Box::new(spec)))
        }
        Format::Zarr if is_in_place(pyramid) && matches!(pyramid.src, LayerSpec::Precomputed(_)) => {
            Err(Error::InPlace(pyramid.path.clone()))
        }
        Format::Zarr => {
            let mut spec = ZarrSpec { path: pyramid.path.clone(), ..ZarrSpec::default() };
            spec.resolution = Some(first.resolution);
            spec.scales = coarser.collect();
            spec.bbox = region;
            spec.data_type = Some(source.data_type);
            spec.num_channels = u64::try_from(source.channels).ok();
            spec.chunk_size = Some(chunk(pyramid, first));
            spec.shard_size = pyramid.shard_size;
            spec.zarr_format =
                pyramid.zarr_format.or(if is_in_place(pyramid) { zarr_format(pyramid)? } else { None });
            spec.codec = pyramid.codec.clone();
            Ok(LayerSpec::Zarr(Box::new(spec)))
        }
    }
}
