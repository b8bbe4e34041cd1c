//! A box in voxels.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::geometry::Vec3;

/// A box in voxels of some resolution, from `start` up to but without `stop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Bounds {
    /// Its first voxel.
    pub start: Vec3,
    /// The voxel beyond its last one.
    pub stop: Vec3,
}

impl Bounds {
    /// From one corner to the other.
    pub const fn new(start: Vec3, stop: Vec3) -> Self {
        Self { start, stop }
    }

    /// Of this size, beginning there.
    pub fn at(start: Vec3, size: Vec3) -> Self {
        Self { start, stop: start + size }
    }

    /// How many voxels along each axis.
    pub fn size(&self) -> Vec3 {
        self.stop - self.start
    }

    /// How many voxels.
    pub fn volume(&self) -> i64 {
        if self.is_empty() { 0 } else { self.size().volume() }
    }

    /// Whether there is no voxel in it.
    pub fn is_empty(&self) -> bool {
        !self.start.all(self.stop, |start, stop| start < stop)
    }

    /// Larger by `pad` on each side; smaller where that is negative.
    #[must_use]
    pub fn padded(&self, pad: Vec3) -> Self {
        Self { start: self.start - pad, stop: self.stop + pad }
    }

    /// Moved.
    #[must_use]
    pub fn translated(&self, by: Vec3) -> Self {
        Self { start: self.start + by, stop: self.stop + by }
    }

    /// What both have, perhaps nothing.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let start = self.start.max(other.start);
        Self { start, stop: self.stop.min(other.stop).max(start) }
    }

    /// Whether they have a voxel in common.
    pub fn intersects(&self, other: &Self) -> bool {
        !self.intersection(other).is_empty()
    }

    /// Whether the whole other box is in this one.
    pub fn contains(&self, other: &Self) -> bool {
        self.start.all(other.start, |mine, other| mine <= other)
            && self.stop.all(other.stop, |mine, other| mine >= other)
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.start, self.stop)
    }
}
