//! From the parameters of `build_zarr_layer` to a volume.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::geometry::{Resolution, Vec3};
use crate::layer::chunks::{Chunked, Level};
use crate::layer::settings::{self, Opened, Settings};
use crate::layer::storage::Storage;
use crate::layer::zarr::array::{ZarrArray, ZarrChunks};
use crate::layer::zarr::axes::{Axes, Axis};
use crate::layer::zarr::hierarchy::{self, Node, Root};
use crate::layer::zarr::making::{self, Wanted};
use crate::layer::zarr::ome::Image;
use crate::layer::zarr::parameters::ZarrSpec;
use crate::layer::{Error, Unusable};

impl ZarrSpec {
    /// What the layer is or will be; nothing is written.
    pub(crate) fn describe(&self) -> Result<Opened, Error> {
        let (storage, settings) = self.check()?;
        let existing = hierarchy::read(&storage)?;
        match making::wanted(self, &storage, existing.as_ref())? {
            Some(wanted) => self.opened(&storage, &wanted.root, settings),
            None => self.open_existing(&storage, existing, settings),
        }
    }

    /// Writes the metadata unless they are there as they shall be, and opens the layer.
    pub(crate) fn create(&self) -> Result<Opened, Error> {
        let (storage, settings) = self.check()?;
        let existing = hierarchy::read(&storage)?;
        let Some(wanted) = making::wanted(self, &storage, existing.as_ref())? else {
            return self.open_existing(&storage, existing, settings);
        };
        let opened = self.opened(&storage, &wanted.root, settings)?;
        self.write(&storage, &wanted)?;
        Ok(opened)
    }

    /// The format of Zarr of what is there, if anything is.
    pub(crate) fn existing_format(&self) -> Result<Option<u64>, Error> {
        let (storage, _) = self.check()?;
        let metadata = hierarchy::read(&storage)?.map(|root| match root {
            Root::Array(node) => node.metadata,
            Root::Image { metadata, .. } => metadata,
        });
        // Metadata of groups of format 2 do not say it.
        Ok(metadata.map(|metadata| metadata.get("zarr_format").and_then(Json::as_u64).unwrap_or(2)))
    }

    /// Opens the layer as it is.
    pub(crate) fn open(&self) -> Result<Opened, Error> {
        let (storage, settings) = self.check()?;
        let existing = hierarchy::read(&storage)?;
        self.open_existing(&storage, existing, settings)
    }

    fn open_existing(
        &self,
        storage: &Storage,
        existing: Option<Root>,
        settings: Settings,
    ) -> Result<Opened, Error> {
        match existing {
            Some(root) => self.opened(storage, &root, settings),
            None => Err(Error::NotFound {
                layer: storage.place().to_owned(),
                missing: format!("{} (or .zarray, or .zattrs, beside it)", storage.key("zarr.json")),
                cure: "give data_type, resolution and size to have it made",
            }),
        }
    }

    fn write(&self, storage: &Storage, wanted: &Wanted) -> Result<(), Error> {
        if wanted.nodes.is_empty() {
            return Ok(());
        }
        if self.readonly {
            return Err(Error::ReadOnly {
                layer: storage.place().to_owned(),
                reason: "its metadata would have to be written, but \"readonly\" is true".into(),
            });
        }
        for path in &wanted.cleared {
            storage.delete_all(path)?;
        }
        for (key, text) in &wanted.nodes {
            storage.put(key, text.as_bytes())?;
        }
        Ok(storage.sync(wanted.nodes.iter().map(|(key, _)| key.clone()))?)
    }

    /// Checks all that can be checked of the parameters alone.
    fn check(&self) -> Result<(Storage, Settings), Error> {
        let path = ["zarr://", "zarr2://", "zarr3://"]
            .iter()
            .find_map(|prefix| self.path.strip_prefix(prefix))
            .unwrap_or(&self.path);
        let storage = Storage::open(path)?;
        if let Some(axes) = &self.axes {
            let refuse = |reason| Error::Parameter { parameter: "axes", reason };
            axes.parse::<Axes>().map_err(refuse)?;
        }
        making::check(self)?;
        let settings = Settings {
            read_procs: settings::build("read_procs", &self.read_procs)?,
            write_procs: settings::build("write_procs", &self.write_procs)?,
            default_resolution: self.resolution,
            cache_bytes_limit: self.cache_bytes_limit,
            is_bounded: self.bounded.unwrap_or(false),
            is_read_only: self.readonly,
            allows_rounding: self.allow_slice_rounding,
        };
        Ok((storage, settings))
    }

    fn opened(&self, storage: &Storage, root: &Root, settings: Settings) -> Result<Opened, Error> {
        let volume = match root {
            Root::Array(node) => self.plain(storage, node)?,
            Root::Image { place, multiscales, arrays, .. } => {
                self.image(storage, place, multiscales, arrays)?
            }
        };
        Ok(Opened { volume, settings })
    }

    fn parsed_axes(&self) -> Option<Axes> {
        self.axes.as_ref().and_then(|axes| axes.parse().ok())
    }

    /// A single array.
    fn plain(&self, storage: &Storage, node: &Node) -> Result<Chunked, Error> {
        let Some(resolution) = self.resolution else {
            let reason = format!("{} does not say how large its voxels are; give it here", node.place);
            return Err(Error::Parameter { parameter: "resolution", reason });
        };
        let array = ZarrArray::open(storage, &node.place, &node.metadata, self.parsed_axes().as_ref())?;
        let offset = match (self.voxel_offset, self.bbox) {
            (Some(offset), _) => offset,
            (None, Some(bbox)) => bbox.0.expanded(resolution).start,
            (None, None) => Vec3::ZERO,
        };
        self.volume(storage, vec![(resolution, array, offset)], Vec::new())
    }

    /// The scales of an image.
    fn image(
        &self,
        storage: &Storage,
        place: &str,
        multiscales: &Json,
        arrays: &[(String, Option<Node>)],
    ) -> Result<Chunked, Error> {
        let refuse = |reason| Error::Metadata { place: place.to_owned(), reason };
        let image = Image::understand(multiscales, None)
            .or_else(|reason| match self.resolution {
                Some(finest) => Image::understand(multiscales, Some(finest)),
                None => Err(reason),
            })
            .map_err(refuse)?;
        let (mut levels, mut unusable) = (Vec::new(), Vec::new());
        for scale in &image.scales {
            let resolution = scale.resolution;
            let node =
                arrays.iter().find(|(path, _)| *path == scale.path).and_then(|(_, node)| node.as_ref());
            let opened = match (node, &scale.offset) {
                (None, _) => Err(format!("{} is no array", storage.key(&scale.path))),
                (_, Err(reason)) => Err(reason.clone()),
                (Some(node), Ok(offset)) => ZarrArray::open(
                    &storage.child(&scale.path),
                    &node.place,
                    &node.metadata,
                    Some(&image.axes),
                )
                .map(|array| (resolution, array, *offset))
                .map_err(|error| error.to_string()),
            };
            match opened {
                Ok(level) => levels.push(level),
                Err(reason) => unusable.push(Unusable { resolution, reason }),
            }
        }
        if levels.is_empty() {
            let reasons: Vec<String> = unusable.into_iter().map(|scale| scale.reason).collect();
            return Err(refuse(format!("none of its scales can be used: {}", reasons.join("; "))));
        }
        self.volume(storage, levels, unusable)
    }

    fn volume(
        &self,
        storage: &Storage,
        arrays: Vec<(Resolution, ZarrArray, Vec3)>,
        mut unusable: Vec<Unusable>,
    ) -> Result<Chunked, Error> {
        let (_, first, _) = &arrays[0];
        let (data_type, channels, fill) = (first.data_type, first.channels(), first.fill());
        let mut levels = Vec::<Level>::new();
        for (resolution, array, offset) in arrays {
            let times = array.axes.pick(array.shape(), Axis::T, 1);
            let time = self.time.unwrap_or(0);
            let reason = if times > 1 && self.time.is_none() {
                Some(format!("it has {times} points of time; say which by \"time\""))
            } else if time >= times {
                Some(format!("it has {times} points of time, from 0 on, so not {time}"))
            } else if (array.data_type, array.channels(), array.fill()) != (data_type, channels, fill) {
                Some("its type, channels or fill value are not those of the other scales".to_owned())
            } else {
                None
            };
            if let Some(reason) = reason {
                unusable.push(Unusable { resolution, reason });
            } else if levels.iter().all(|level| level.resolution != resolution) {
                let tells_missing = self.fill_missing == Some(false);
                let chunks = Arc::new(ZarrChunks { array, offset, time, tells_missing });
                levels.push(Level { resolution, chunks });
            }
        }
        let mut volume = Chunked::new(storage.place().to_owned(), data_type, channels, levels);
        volume.unusable.extend(unusable);
        volume.fill = fill;
        volume.fills_missing = self.fill_missing.unwrap_or(true);
        volume.deletes_filled = volume.fills_missing;
        Ok(volume)
    }
}
