//! How many values a piece has along each axis.

use std::fmt;

use crate::geometry::Vec3;

/// How many values a piece has along each axis. In memory x runs fastest, then y, z and the channels, as in
/// precomputed chunks and, read backwards, in C-ordered `czyx` ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    /// How many values each voxel has.
    pub channels: usize,
    /// How many voxels along x, y and z.
    pub size: Vec3,
}

impl Shape {
    /// Of voxels with this many values each.
    ///
    /// # Panics
    /// If a size is negative.
    pub fn new(channels: usize, size: Vec3) -> Self {
        assert!(size.0.iter().all(|length| *length >= 0), "a size is not negative: {size}");
        Self { channels, size }
    }

    /// As machine words: channels, x, y, z.
    pub fn extents(&self) -> [usize; 4] {
        #[expect(
            clippy::cast_sign_loss,
            clippy::cast_possible_truncation,
            reason = "sizes are not negative and fit memory"
        )]
        let [x, y, z] = self.size.0.map(|length| length as usize);
        [self.channels, x, y, z]
    }

    /// How many values there are.
    pub fn count(&self) -> usize {
        self.extents().iter().product()
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} × {}", self.channels, self.size)
    }
}
