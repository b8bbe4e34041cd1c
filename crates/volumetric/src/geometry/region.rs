//! A box in space.

use std::fmt;

use crate::geometry::resolution::{to_femtometres, to_nanometres};
use crate::geometry::vec3::AXES;
use crate::geometry::{Bounds, Error, Resolution, Vec3};

/// A box in space, in whole femtometres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Region {
    start: [i64; 3],
    stop: [i64; 3],
}

impl Region {
    /// From one corner to the other, in nanometres.
    ///
    /// # Errors
    /// If it ends before it begins, or a length has more than six decimals.
    pub fn from_nanometres(start: [f64; 3], stop: [f64; 3]) -> Result<Self, Error> {
        let mut region = Self { start: [0; 3], stop: [0; 3] };
        for axis in 0..3 {
            region.start[axis] = to_femtometres(start[axis])?;
            region.stop[axis] = to_femtometres(stop[axis])?;
            if region.stop[axis] < region.start[axis] {
                let (start, stop) = (start[axis].to_string(), stop[axis].to_string());
                return Err(Error::Inverted { axis: AXES[axis], start, stop });
            }
        }
        Ok(region)
    }

    /// From one corner to the other, in femtometres.
    ///
    /// # Errors
    /// If it ends before it begins.
    pub(crate) fn from_femtometres(start: [i64; 3], stop: [i64; 3]) -> Result<Self, Error> {
        match (0..3).find(|axis| stop[*axis] < start[*axis]) {
            None => Ok(Self { start, stop }),
            Some(axis) => {
                let text = |place: [i64; 3]| to_nanometres(place[axis]).to_string();
                Err(Error::Inverted { axis: AXES[axis], start: text(start), stop: text(stop) })
            }
        }
    }

    /// Its corners in nanometres, rounded to the nearest floats.
    pub fn nanometres(&self) -> ([f64; 3], [f64; 3]) {
        (self.start.map(to_nanometres), self.stop.map(to_nanometres))
    }

    /// Of whole voxels.
    pub fn of(bounds: Bounds, resolution: Resolution) -> Self {
        let voxel = Vec3(resolution.femtometres());
        Self { start: (bounds.start * voxel).0, stop: (bounds.stop * voxel).0 }
    }

    /// In voxels of this size.
    ///
    /// # Errors
    /// If it is not made of whole ones.
    pub fn bounds(&self, resolution: Resolution) -> Result<Bounds, Error> {
        let voxel = Vec3(resolution.femtometres());
        let bounds = self.expanded(resolution);
        match bounds.start * voxel == Vec3(self.start) && bounds.stop * voxel == Vec3(self.stop) {
            true => Ok(bounds),
            false => Err(Error::NotWhole { region: *self, resolution }),
        }
    }

    /// The smallest bounds in voxels of this size that it is inside of.
    pub fn expanded(&self, resolution: Resolution) -> Bounds {
        let voxel = Vec3(resolution.femtometres());
        let start = Vec3(self.start).zip(voxel, i64::div_euclid);
        let stop = Vec3(self.stop).zip(voxel, |stop, voxel| -(-stop).div_euclid(voxel));
        Bounds { start, stop }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([x, y, z], [to_x, to_y, to_z]) = (self.start.map(to_nanometres), self.stop.map(to_nanometres));
        write!(f, "[{x}, {y}, {z}] to [{to_x}, {to_y}, {to_z}] nm")
    }
}
