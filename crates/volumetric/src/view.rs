//! Looking at a volume: a slice of it as a picture, by nothing but its path.

use serde_json::json;

use crate::geometry::{Bounds, Resolution, Vec3};
use crate::layer::storage::{self, Storage};
use crate::layer::{self, Layer, LayerSpec, Scale, Unusable, Volume, ZarrSpec, absent};
use crate::picture::{self, Axis, Shading, Slice};

/// Voxels on the longer side of a picture, if its resolution is not said: a coarser scale is shown instead.
const SIDE: i64 = 2048;

/// What to look at.
#[derive(Debug, Clone)]
pub struct View {
    /// Where the volume is: a precomputed or Zarr layer.
    pub path: String,
    /// At which resolution; by default the finest one of which a slice has at most 2048 voxels on a side.
    pub resolution: Option<Resolution>,
    /// Across which axis.
    pub axis: Axis,
    /// Which slice, in voxels of that resolution as the volume counts them; by default the middle one.
    pub index: Option<i64>,
    /// One channel alone.
    pub channel: Option<usize>,
    /// How values become brightness.
    pub shading: Shading,
}

/// A picture, and what it shows.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The PNG.
    pub png: Vec<u8>,
    /// At which resolution.
    pub resolution: Resolution,
    /// Which slice.
    pub index: i64,
    /// What was read.
    pub bounds: Bounds,
    /// Scales that there are besides and that cannot be shown.
    pub unusable: Vec<Unusable>,
}

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The layer cannot be read.
    #[error(transparent)]
    Layer(#[from] layer::Error),
    /// It cannot be reached.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// It cannot be shown.
    #[error(transparent)]
    Picture(#[from] picture::Error),
    /// There is no volume.
    #[error(
        "{0} is no volume: it has neither the `info` of a precomputed layer nor the metadata of a Zarr one"
    )]
    NoVolume(String),
    /// There is no such slice.
    #[error("there is no slice {index} across {axis}; at {resolution} they go from {first} to {last}")]
    NoSlice {
        /// Which.
        index: i64,
        /// Across.
        axis: Axis,
        /// At.
        resolution: Resolution,
        /// The first one.
        first: i64,
        /// The last one.
        last: i64,
    },
}

/// The layer at a path, whatever its format.
///
/// # Errors
/// If there is none.
pub fn layer_at(path: &str) -> Result<LayerSpec, Error> {
    let store = Storage::open(path)?;
    let has = |name: &str| store.get(name).map(|found| found.is_some());
    let name = if has("info")? {
        "build_cv_layer"
    } else if has("zarr.json")? || has(".zattrs")? || has(".zarray")? {
        "build_zarr_layer"
    } else {
        return Err(Error::NoVolume(path.to_owned()));
    };
    Ok(serde_json::from_value(json!({"@type": name, "path": path}))
        .expect("a layer needs nothing but a path"))
}

impl View {
    /// Reads the slice and makes a picture of it.
    ///
    /// # Errors
    /// If there is no such volume, scale or slice, or its values cannot be shown.
    pub fn render(&self) -> Result<Picture, Error> {
        let layer = self.layer()?;
        let axis = self.axis.index();
        let scale = match self.resolution {
            Some(resolution) => layer.volume().scale(resolution)?,
            None => self.fitting(layer.volume(), axis)?,
        };
        let (first, last) = (scale.bounds.start[axis], scale.bounds.stop[axis] - 1);
        let index = self.index.unwrap_or(first + (last - first) / 2);
        if !(first..=last).contains(&index) {
            return Err(Error::NoSlice { index, axis: self.axis, resolution: scale.resolution, first, last });
        }
        let mut bounds = scale.bounds;
        (bounds.start[axis], bounds.stop[axis]) = (index, index + 1);
        let array = layer.read(scale.resolution, bounds)?;
        let slice = Slice { axis: self.axis, index: 0, channel: self.channel, shading: self.shading };
        let unusable = layer.volume().unusable();
        Ok(Picture { png: slice.encode(&array)?, resolution: scale.resolution, index, bounds, unusable })
    }

    /// The layer. A Zarr array by itself does not say how large its voxels are: as is said, or 1 nm.
    fn layer(&self) -> Result<Layer, Error> {
        let spec = layer_at(&self.path)?;
        spec.open().or_else(|error| match spec {
            LayerSpec::Zarr(spec) if spec.resolution.is_none() => {
                let one = || Resolution::from_nanometres([1.0; 3]).expect("is a size");
                let resolution = Some(self.resolution.unwrap_or_else(one));
                // What else is wrong is told as it was before.
                LayerSpec::Zarr(Box::new(ZarrSpec { resolution, ..*spec })).open().map_err(|_| error.into())
            }
            LayerSpec::Zarr(_) | LayerSpec::Precomputed(_) => Err(error.into()),
        })
    }

    /// The finest scale of which a slice is not too large, or else the coarsest.
    fn fitting(&self, volume: &dyn Volume, axis: usize) -> Result<Scale, Error> {
        let mut across = Vec3::splat(SIDE);
        across[axis] = i64::MAX;
        let fits = |scale: &&Scale| scale.bounds.size().all(across, |size, most| size <= most);
        let scales = volume.scales();
        let found = scales.iter().find(fits).or(scales.last());
        found.cloned().ok_or_else(|| match volume.unusable().first() {
            Some(scale) => {
                absent(&self.path, scale.resolution, std::iter::empty(), &volume.unusable()).into()
            }
            None => Error::NoVolume(self.path.clone()),
        })
    }
}
