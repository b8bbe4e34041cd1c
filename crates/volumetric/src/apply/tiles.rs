//! The chunks that a box is cut into at a level.

use crate::apply::recipe::Level;
use crate::geometry::{Bounds, Error, Fit, Grid, Layout, Vec3};

/// The chunks that a box is cut into, with their pads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tiles {
    grid: Grid,
    covered: Bounds,
    pad: Vec3,
}

impl Tiles {
    /// Of a box at a level: below the first one it is larger by the context of the level above.
    ///
    /// # Errors
    /// If a chunk has no extent.
    pub(crate) fn of_level(levels: &[Level], level: usize, bounds: Bounds) -> Result<Self, Error> {
        let crop = if level == 0 { Vec3::ZERO } else { levels[level - 1].crop };
        Self::new(bounds.padded(crop), &levels[level], Vec3::ZERO)
    }

    /// Of all of a box, with space between chunks.
    ///
    /// # Errors
    /// If a chunk has no extent.
    pub(crate) fn new(covered: Bounds, level: &Level, gap: Vec3) -> Result<Self, Error> {
        let layout = Layout::tiled(level.size, Fit::Expand).spaced(gap);
        Ok(Self { grid: Grid::new(covered, layout)?, covered, pad: level.blend })
    }

    /// The grid of chunks without their pads.
    pub(crate) fn grid(&self) -> &Grid {
        &self.grid
    }

    /// All that the chunks cover, pads included.
    pub(crate) fn region(&self) -> Bounds {
        self.covered.padded(self.pad)
    }

    /// The chunk at a place of the grid, with its pads.
    pub(crate) fn at(&self, place: Vec3) -> Bounds {
        self.grid.at(place).padded(self.pad)
    }

    /// The chunks that, with their pads, have a voxel in common with a box.
    pub(crate) fn meeting(&self, bounds: &Bounds) -> impl Iterator<Item = Bounds> + Send + use<> {
        let tiles = *self;
        self.grid.meeting(&bounds.padded(self.pad)).map(move |place| tiles.at(place))
    }
}

/// All chunks with their pads, those of one phase after another: in a phase nothing overlaps, as in a checkerboard. x is
/// slowest among phases and fastest inside one. Without pads there is one phase.
pub(crate) fn in_phases(tiles: Tiles) -> impl Iterator<Item = Bounds> + Send {
    let step = if tiles.pad == Vec3::ZERO { 1 } else { 2 };
    let phases =
        (0..step).flat_map(move |x| (0..step).flat_map(move |y| (0..step).map(move |z| Vec3::new(x, y, z))));
    let shape = tiles.grid.shape();
    phases.flat_map(move |phase| {
        let along = move |axis: usize| (phase[axis]..shape[axis]).step_by(step as usize);
        along(2).flat_map(move |z| {
            along(1).flat_map(move |y| along(0).map(move |x| tiles.at(Vec3::new(x, y, z))))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blending::BlendMode;

    fn level(size: i64, crop: i64, blend: i64) -> Level {
        let along_x = |length| Vec3::new(length, 0, 0);
        Level {
            size: Vec3::new(size, 1, 1),
            crop: along_x(crop),
            blend: along_x(blend),
            mode: BlendMode::Linear,
        }
    }

    fn spans(tiles: Tiles) -> Vec<(i64, i64)> {
        in_phases(tiles).map(|chunk| (chunk.start[0], chunk.stop[0])).collect()
    }

    #[test]
    fn chunks_come_in_the_order_of_mazepa() {
        let region = Bounds::new(Vec3::ZERO, Vec3::new(16, 1, 1));
        let tiles = Tiles::new(region, &level(4, 0, 1), Vec3::ZERO).unwrap();
        assert_eq!(spans(tiles), [(-1, 5), (7, 13), (3, 9), (11, 17)]);
        let without = Tiles::new(region, &level(4, 0, 0), Vec3::ZERO).unwrap();
        assert_eq!(spans(without), [(0, 4), (4, 8), (8, 12), (12, 16)]);
    }

    #[test]
    fn a_level_covers_the_context_of_the_level_above() {
        let levels = [level(16, 4, 4), level(4, 1, 2)];
        let chunk = Bounds::new(Vec3::new(-4, 0, 0), Vec3::new(20, 1, 1));
        let tiles = Tiles::of_level(&levels, 1, chunk).unwrap();
        let expected = [(-10, -2), (-2, 6), (6, 14), (14, 22), (-6, 2), (2, 10), (10, 18), (18, 26)];
        assert_eq!(spans(tiles), expected);
        assert_eq!((tiles.region().start[0], tiles.region().stop[0]), (-10, 26));
    }

    #[test]
    fn phases_go_slowest_along_x_and_chunks_fastest() {
        let region = Bounds::new(Vec3::ZERO, Vec3::new(4, 4, 1));
        let level = Level {
            size: Vec3::new(1, 2, 1),
            crop: Vec3::ZERO,
            blend: Vec3::new(1, 0, 0),
            mode: BlendMode::Max,
        };
        let tiles = Tiles::new(region, &level, Vec3::ZERO).unwrap();
        let starts: Vec<_> = in_phases(tiles).map(|chunk| (chunk.start[0] + 1, chunk.start[1])).collect();
        assert_eq!(starts, [(0, 0), (2, 0), (0, 2), (2, 2), (1, 0), (3, 0), (1, 2), (3, 2)]);
    }
}
