//! A volume in storage with what is to be done on the way from and to it.

use std::sync::Arc;

use crate::array::{Array, Shape};
use crate::function::Function;
use crate::geometry::{Bounds, Resolution, Vec3};
use crate::layer::settings::Settings;
use crate::layer::{Error, Volume, Written};

/// A volume in storage with what is to be done on the way from and to it. Clones are the same layer.
#[derive(Debug, Clone)]
pub struct Layer {
    volume: Arc<dyn Volume>,
    settings: Arc<Settings>,
}

/// How many bytes a cache holds if a spec does not say it.
const CACHE: u64 = 128 << 20;

impl Layer {
    /// Of a volume alone.
    pub fn of(volume: Arc<dyn Volume>) -> Self {
        Self::with_settings(volume, Settings::default())
    }

    pub(crate) fn with_settings(volume: Arc<dyn Volume>, settings: Settings) -> Self {
        Self { volume, settings: Arc::new(settings) }
    }

    /// The volume, without anything on the way.
    pub fn volume(&self) -> &dyn Volume {
        &*self.volume
    }

    /// The resolution that is meant where nothing says another one.
    pub fn default_resolution(&self) -> Option<Resolution> {
        self.settings.default_resolution
    }

    /// Whether boxes that are not made of whole voxels are to be rounded rather than refused.
    pub fn allows_rounding(&self) -> bool {
        self.settings.allows_rounding
    }

    /// The same layer with a cache of its own, which its clones share: chunks that were decoded for one box are at
    /// hand for the next. What others write meanwhile is not seen, so this is for layers that are only read.
    #[must_use]
    pub fn cached(&self) -> Self {
        let bytes = self.settings.cache_bytes_limit.unwrap_or(CACHE);
        let volume = if bytes == 0 { None } else { self.volume.cached(bytes) };
        Self { volume: volume.unwrap_or_else(|| self.volume.clone()), settings: self.settings.clone() }
    }

    /// The values in a box after all read processors. Beyond the layer's bounds there is its fill value, unless its
    /// spec says that it is bounded.
    ///
    /// # Errors
    /// If storage or a processor fails, or the box reaches beyond a bounded layer.
    pub fn read(&self, resolution: Resolution, bounds: Bounds) -> Result<Array, Error> {
        let array = self.read_unprocessed(resolution, bounds)?;
        process(&self.settings.read_procs, array)
    }

    /// The values in a box as they are stored; beyond the layer's bounds as in [`Layer::read`].
    ///
    /// # Errors
    /// If storage fails, or the box reaches beyond a bounded layer.
    pub fn read_unprocessed(&self, resolution: Resolution, bounds: Bounds) -> Result<Array, Error> {
        let available = self.volume.scale(resolution)?.bounds;
        if self.settings.is_bounded || available.contains(&bounds) {
            return self.volume.read(resolution, bounds);
        }
        let shape = Shape::new(self.volume.channels(), bounds.size());
        let mut array = Array::filled(self.volume.data_type(), shape, self.volume.fill_value());
        let inside = bounds.intersection(&available);
        if !inside.is_empty() {
            let part = self.volume.read(resolution, inside)?;
            array.paste(&part, Bounds::at(Vec3::ZERO, inside.size()), inside.start - bounds.start);
        }
        Ok(array)
    }

    /// Writes an array whose first voxel lies at `start`, after all write processors, and waits until it is on disk.
    /// What lies beyond the layer's bounds is dropped, unless its spec says that it is bounded.
    ///
    /// # Errors
    /// If a processor or storage fails, the array is of another type, the layer is read only, or the array reaches
    /// beyond a bounded layer.
    pub fn write(&self, resolution: Resolution, start: Vec3, array: Array) -> Result<(), Error> {
        let array = self.process_for_write(array)?;
        self.write_processed(resolution, start, &array)?.sync()
    }

    /// What the write processors make of an array.
    ///
    /// # Errors
    /// If one fails.
    pub fn process_for_write(&self, array: Array) -> Result<Array, Error> {
        process(&self.settings.write_procs, array)
    }

    /// Writes as [`Layer::write`] does, but an array that has been through the write processors already, and leaves it to
    /// the caller to wait for the disk.
    ///
    /// # Errors
    /// If storage fails, the array is of another type, the layer is read only, or the array reaches beyond a bounded
    /// layer.
    pub fn write_processed(
        &self,
        resolution: Resolution,
        start: Vec3,
        array: &Array,
    ) -> Result<Written, Error> {
        if self.settings.is_read_only {
            return Err(Error::ReadOnly {
                layer: self.volume.path().to_owned(),
                reason: "its spec says so; remove \"readonly\" to write to it".into(),
            });
        }
        let available = self.volume.scale(resolution)?.bounds;
        let bounds = Bounds::at(start, array.shape().size);
        let inside = bounds.intersection(&available);
        if self.settings.is_bounded || inside == bounds {
            self.volume.write(resolution, start, array)
        } else if inside.is_empty() {
            Ok(Written::default())
        } else {
            let part = array.part(inside.translated(-start));
            self.volume.write(resolution, inside.start, &part)
        }
    }
}

fn process(functions: &[Function], array: Array) -> Result<Array, Error> {
    functions.iter().try_fold(array, |array, function| Ok(function.apply(array)?))
}
