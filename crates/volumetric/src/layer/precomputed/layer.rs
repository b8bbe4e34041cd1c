//! From the parameters of `build_cv_layer` to a volume.

use std::sync::Arc;

use crate::array::DataType;
use crate::layer::chunks::{Chunked, Chunks, Level};
use crate::layer::precomputed::chunks::Files;
use crate::layer::precomputed::cv_kwargs::CvKwargs;
use crate::layer::precomputed::encoding::Encoding;
use crate::layer::precomputed::info::{self, Info, ScaleInfo};
use crate::layer::precomputed::making;
use crate::layer::precomputed::parameters::{OnExists, PrecomputedSpec};
use crate::layer::precomputed::shards::{Indices, Sharding, Shards};
use crate::layer::settings::{Opened, Settings};
use crate::layer::storage::Storage;
use crate::layer::{Error, Unusable, settings};

/// The storage at a path, which may have `precomputed://` before it.
pub(super) fn open_storage(path: &str) -> Result<Storage, Error> {
    if path.starts_with("graphene://") {
        let reason =
            "graphene:// needs a server that is not known here; give the path of a precomputed layer".into();
        return Err(Error::Parameter { parameter: "path", reason });
    }
    Ok(Storage::open(path.strip_prefix("precomputed://").unwrap_or(path))?)
}

impl PrecomputedSpec {
    /// What the layer is or will be; nothing is written.
    pub(crate) fn describe(&self) -> Result<Opened, Error> {
        let (storage, kwargs, settings) = self.check()?;
        let existing = info::read(&storage)?;
        let wanted = making::wanted(self, &storage, existing.as_ref())?;
        let info = Info::understand(&wanted, &storage.key(info::INFO))?;
        if existing.as_ref() != Some(&wanted) {
            check_new(&info)?;
        }
        Ok(Opened { volume: volume(&storage, &info, &kwargs)?, settings })
    }

    /// Writes the `info` unless it is there as it shall be, and opens the layer.
    pub(crate) fn create(&self) -> Result<Opened, Error> {
        let (storage, kwargs, settings) = self.check()?;
        let existing = info::read(&storage)?;
        let wanted = making::wanted(self, &storage, existing.as_ref())?;
        let info = Info::understand(&wanted, &storage.key(info::INFO))?;
        if existing.as_ref() != Some(&wanted) {
            check_new(&info)?;
            if self.readonly {
                return Err(Error::ReadOnly {
                    layer: storage.place().to_owned(),
                    reason: "its info would have to be written, but \"readonly\" is true".into(),
                });
            }
            info::write(&storage, &wanted)?;
        }
        Ok(Opened { volume: volume(&storage, &info, &kwargs)?, settings })
    }

    /// Opens the layer as it is.
    pub(crate) fn open(&self) -> Result<Opened, Error> {
        let (storage, kwargs, settings) = self.check()?;
        let Some(existing) = info::read(&storage)? else {
            return Err(Error::NotFound {
                layer: storage.place().to_owned(),
                missing: storage.key(info::INFO),
                cure: "make the layer first",
            });
        };
        let info = Info::understand(&existing, &storage.key(info::INFO))?;
        Ok(Opened { volume: volume(&storage, &info, &kwargs)?, settings })
    }

    /// Checks all that can be checked of the parameters alone.
    fn check(&self) -> Result<(Storage, CvKwargs, Settings), Error> {
        let refuse = |parameter: &'static str, reason: &str| {
            Err(Error::Parameter { parameter, reason: reason.to_owned() })
        };
        if self.data_resolution.is_some() {
            return refuse(
                "data_resolution",
                "layers are read at the resolution that is asked for; interpolate them first (build_interpolate_flow)",
            );
        }
        if self.interpolation_mode.is_some() {
            return refuse(
                "interpolation_mode",
                "layers are not interpolated when they are read; do it first (build_interpolate_flow)",
            );
        }
        if !self.index_procs.is_empty() {
            return refuse(
                "index_procs",
                "places are not changed on their way to a layer; give the place that is meant",
            );
        }
        if self.info_overwrite == Some(false) && self.on_info_exists == Some(OnExists::Overwrite) {
            return refuse("info_overwrite", "it is false while on_info_exists is \"overwrite\"");
        }
        let storage = open_storage(&self.path)?;
        let kwargs = CvKwargs::of(self.cv_kwargs.as_ref())?;
        let settings = Settings {
            read_procs: settings::build("read_procs", &self.read_procs)?,
            write_procs: settings::build("write_procs", &self.write_procs)?,
            default_resolution: self.default_desired_resolution,
            cache_bytes_limit: self.cache_bytes_limit.or(kwargs.cache_bytes),
            is_bounded: kwargs.is_bounded,
            is_read_only: self.readonly,
            allows_rounding: self.allow_slice_rounding,
        };
        Ok((storage, kwargs, settings))
    }

    /// The name of a parameter that says something of an `info`, if there is one, among those that do not suffice.
    pub(super) fn first_info_parameter(&self) -> Option<&'static str> {
        let given = [
            (self.info_type.is_some(), "info_type"),
            (self.info_data_type.is_some(), "info_data_type"),
            (self.info_num_channels.is_some(), "info_num_channels"),
            (self.info_chunk_size.is_some(), "info_chunk_size"),
            (self.info_bbox.is_some(), "info_bbox"),
            (self.info_encoding.is_some(), "info_encoding"),
            (self.info_extra_scale_data.is_some(), "info_extra_scale_data"),
            (self.info_inherit_all_params == Some(true), "info_inherit_all_params"),
        ];
        given.into_iter().find_map(|(given, name)| given.then_some(name)).or(self.first_copying_parameter())
    }

    /// The name of a parameter that changes a whole copied `info`, if there is one.
    pub(super) fn first_copying_parameter(&self) -> Option<&'static str> {
        let given = [
            (self.info_chunk_size_map.is_some(), "info_chunk_size_map"),
            (self.info_dataset_size.is_some(), "info_dataset_size"),
            (self.info_dataset_size_map.is_some(), "info_dataset_size_map"),
            (self.info_voxel_offset.is_some(), "info_voxel_offset"),
            (self.info_voxel_offset_map.is_some(), "info_voxel_offset_map"),
            (self.info_encoding_map.is_some(), "info_encoding_map"),
            (self.info_add_scales.is_some(), "info_add_scales"),
            (self.info_add_scales_ref.is_some(), "info_add_scales_ref"),
            (self.info_add_scales_mode.is_some(), "info_add_scales_mode"),
            (!self.info_add_scales_exclude_fields.is_empty(), "info_add_scales_exclude_fields"),
            (self.info_only_retain_scales.is_some(), "info_only_retain_scales"),
            (self.info_field_overrides.is_some(), "info_field_overrides"),
        ];
        given.into_iter().find_map(|(given, name)| given.then_some(name))
    }
}

/// Refuses to make what could not be written then.
fn check_new(info: &Info) -> Result<(), Error> {
    for scale in &info.scales {
        if scale.sharding.is_some() {
            return Err(Error::Parameter {
                parameter: "info_reference_path",
                reason: format!(
                    "scale {} has \"sharding\", which is only read; give info_scales and info_inherit_all_params, which \
                     leave it out",
                    scale.key
                ),
            });
        }
        if scale.encoding != "raw" {
            return Err(Error::Parameter {
                parameter: "info_encoding",
                reason: format!(
                    "scale {} would be {:?}, which is not written; write \"raw\"",
                    scale.key, scale.encoding
                ),
            });
        }
    }
    Ok(())
}

fn volume(storage: &Storage, info: &Info, kwargs: &CvKwargs) -> Result<Chunked, Error> {
    let channels = usize::try_from(info.num_channels).unwrap_or(usize::MAX);
    let (mut levels, mut unusable) = (Vec::<Level>::new(), Vec::new());
    for scale in &info.scales {
        let resolution = scale.resolution;
        if levels.iter().any(|level| level.resolution == resolution) {
            continue;
        }
        match chunks(storage, scale, info.data_type, channels, kwargs) {
            Ok(chunks) => levels.push(Level { resolution, chunks }),
            Err(reason) => unusable.push(Unusable { resolution, reason }),
        }
    }
    let mut volume = Chunked::new(storage.place().to_owned(), info.data_type, channels, levels);
    volume.unusable.extend(unusable);
    volume.fill = kwargs.background(info.data_type)?;
    volume.fills_missing = kwargs.fills_missing;
    // A layer whose chunks must all be there keeps empty ones.
    volume.deletes_filled = kwargs.deletes_filled.unwrap_or(kwargs.fills_missing);
    Ok(volume)
}

fn chunks(
    storage: &Storage,
    scale: &ScaleInfo,
    data_type: DataType,
    channels: usize,
    kwargs: &CvKwargs,
) -> Result<Arc<dyn Chunks>, String> {
    let width = data_type.size();
    let encoding = Encoding::of(&scale.encoding, scale.compressed_segmentation_block_size, width)?;
    let (storage, layout) = (storage.child(&scale.key), scale.layout());
    if let Some(sharding) = scale.sharding.as_ref().filter(|sharding| !sharding.is_null()) {
        let (sharding, indices) = (Sharding::of(sharding)?, Indices::default());
        return Ok(Arc::new(Shards { storage, layout, encoding, channels, width, sharding, indices }));
    }
    Ok(Arc::new(Files { storage, layout, encoding, channels, width, gzips: kwargs.gzips }))
}
