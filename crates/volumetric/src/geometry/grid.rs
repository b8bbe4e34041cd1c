//! Grids of chunks over a box: how many there are, where each one is, which of them meet another box. Nothing
//! here makes a list; a grid of a hundred million chunks costs as much as one of two.

use crate::geometry::axis::Axis;
use crate::geometry::{Bounds, Error, Vec3};

/// What happens to chunks that are only partly inside the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fit {
    /// They are left out.
    Shrink,
    /// They are there whole, beyond the box.
    Expand,
    /// They are cut off at the box. Chunks must lie side by side.
    Exact,
}

/// A grid of equal chunks over a box. Its first chunks are those with the least z, then y, then x: x is fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    axes: [Axis; 3],
}

/// How a grid is laid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// The size of a chunk.
    pub chunk: Vec3,
    /// From the start of one chunk to the start of the next.
    pub stride: Vec3,
    /// Where some chunk of the grid starts. `None`: at the start of the box.
    pub offset: Option<Vec3>,
    /// What happens at the edges of the box.
    pub fit: Fit,
}

impl Layout {
    /// Chunks side by side from the start of the box on.
    pub fn tiled(chunk: Vec3, fit: Fit) -> Self {
        Self { chunk, stride: chunk, offset: None, fit }
    }

    /// The same with a chunk that starts there.
    #[must_use]
    pub fn from_offset(mut self, offset: Vec3) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The same with unused space between chunks, or with overlaps where it is negative.
    #[must_use]
    pub fn spaced(mut self, gap: Vec3) -> Self {
        self.stride = self.chunk + gap;
        self
    }
}

impl Grid {
    /// Laid over a box.
    ///
    /// # Errors
    /// If a chunk or a stride is not above 0, or chunks that do not lie side by side are to be cut.
    pub fn new(bounds: Bounds, layout: Layout) -> Result<Self, Error> {
        Self::joined(bounds, layout, Vec3::ONE)
    }

    /// Laid over a box, with as many neighbouring chunks joined to one as fit `most`, at least one along each axis.
    ///
    /// # Errors
    /// As [`Self::new`], or if chunks that do not lie side by side are to be joined.
    pub fn of_superchunks(bounds: Bounds, layout: Layout, most: Vec3) -> Result<Self, Error> {
        if let Some(chunk) = not_positive(layout.chunk) {
            return Err(chunk);
        }
        Self::joined(bounds, layout, most.zip(layout.chunk, |most, chunk| (most / chunk).max(1)))
    }

    fn joined(bounds: Bounds, layout: Layout, factor: Vec3) -> Result<Self, Error> {
        if let Some(error) = not_positive(layout.chunk).or_else(|| not_positive(layout.stride)) {
            return Err(error);
        }
        let side_by_side = layout.chunk == layout.stride;
        if !side_by_side && (layout.fit == Fit::Exact || factor != Vec3::ONE) {
            return Err(Error::NotSideBySide { chunk: layout.chunk, stride: layout.stride });
        }
        let offset = layout.offset.unwrap_or(bounds.start);
        let axes = std::array::from_fn(|axis| {
            let cells = Axis::new(layout.chunk[axis], layout.stride[axis], offset[axis]);
            cells.over(bounds.start[axis], bounds.stop[axis], layout.fit, factor[axis])
        });
        Ok(Self { axes })
    }

    /// How many chunks there are along each axis.
    pub fn shape(&self) -> Vec3 {
        Vec3(self.axes.map(|axis| axis.count))
    }

    /// How many chunks there are.
    pub fn len(&self) -> u64 {
        self.shape().0.iter().map(|count| count.unsigned_abs()).product()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The chunk at this place of the grid, from `[0, 0, 0]` on.
    ///
    /// # Panics
    /// If the place is outside.
    pub fn at(&self, place: Vec3) -> Bounds {
        assert!(
            place.all(self.shape(), |place, count| (0..count).contains(&place)),
            "{place} is in {}",
            self.shape()
        );
        let ends: [(i64, i64); 3] = std::array::from_fn(|axis| self.axes[axis].cell(place[axis]));
        Bounds::new(Vec3(ends.map(|(start, _)| start)), Vec3(ends.map(|(_, stop)| stop)))
    }

    /// The place of the chunk with this number, from 0 on; `None` beyond the last one.
    pub fn place(&self, number: u64) -> Option<Vec3> {
        if number >= self.len() {
            return None;
        }
        let [nx, ny, _] = self.shape().0.map(i64::unsigned_abs);
        let place = [number % nx, number / nx % ny, number / nx / ny];
        Some(Vec3(place.map(|place| i64::try_from(place).expect("it is below the shape"))))
    }

    /// The number of the chunk at this place.
    pub fn number(&self, place: Vec3) -> u64 {
        let [nx, ny, _] = self.shape().0.map(i64::unsigned_abs);
        let [x, y, z] = place.0.map(i64::unsigned_abs);
        x + nx * (y + ny * z)
    }

    /// The chunk with this number, from 0 on; `None` beyond the last one.
    pub fn nth(&self, number: u64) -> Option<Bounds> {
        self.place(number).map(|place| self.at(place))
    }

    /// All chunks, one after another.
    pub fn iter(&self) -> impl Iterator<Item = Bounds> + Send + use<> {
        let grid = *self;
        (0..self.len()).map_while(move |number| grid.nth(number))
    }

    /// The places of all chunks that have a voxel in common with a box, x fastest.
    pub fn meeting(&self, bounds: &Bounds) -> impl Iterator<Item = Vec3> + Send + use<> {
        let ranges: [(i64, i64); 3] =
            std::array::from_fn(|axis| self.axes[axis].meeting(bounds.start[axis], bounds.stop[axis]));
        let [(x0, x1), (y0, y1), (z0, z1)] = ranges;
        (z0..z1).flat_map(move |z| (y0..y1).flat_map(move |y| (x0..x1).map(move |x| Vec3::new(x, y, z))))
    }

    /// From where to where the chunks reach along an axis.
    pub(crate) fn lengths(&self, axis: usize) -> impl Iterator<Item = (i64, i64)> + use<> {
        let cells = self.axes[axis];
        (0..cells.count).map(move |index| cells.cell(index))
    }
}

fn not_positive(size: Vec3) -> Option<Error> {
    size.0.iter().any(|length| *length <= 0).then_some(Error::NotPositive(size))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::*;

    fn layouts() -> impl Strategy<Value = (Bounds, Layout, Vec3)> {
        let three = |range: std::ops::Range<i64>| proptest::array::uniform3(range).prop_map(Vec3);
        let fit = prop_oneof![Just(Fit::Shrink), Just(Fit::Expand), Just(Fit::Exact)];
        let offset = proptest::option::of(three(-6..6));
        (three(-7..7), three(0..9), three(1..6), three(-2..4), offset, fit, three(1..14)).prop_map(
            |(start, size, chunk, gap, offset, fit, most)| {
                let gap = if fit == Fit::Exact {
                    Vec3::ZERO
                } else {
                    gap.zip(chunk, |gap, chunk| gap.max(1 - chunk))
                };
                let layout = Layout { offset, ..Layout::tiled(chunk, fit).spaced(gap) };
                (Bounds::at(start, size), layout, most)
            },
        )
    }

    /// All cells near the box, judged one by one.
    fn by_force(bounds: Bounds, layout: Layout, axis: usize) -> Vec<(i64, i64)> {
        let (start, stop) = (bounds.start[axis], bounds.stop[axis]);
        let offset = layout.offset.unwrap_or(bounds.start)[axis];
        let (chunk, stride) = (layout.chunk[axis], layout.stride[axis]);
        let cells = (-60..60).map(|index| (offset + index * stride, offset + index * stride + chunk));
        let cells: Vec<_> = match layout.fit {
            Fit::Shrink => cells.filter(|cell| cell.0 >= start && cell.1 <= stop).collect(),
            Fit::Exact => cells
                .map(|cell| (cell.0.max(start), cell.1.min(stop)))
                .filter(|cell| cell.0 < cell.1)
                .collect(),
            Fit::Expand => {
                // From the last cell that starts at or before the box to the first that reaches its end.
                let from = (-60..60).rev().find(|index| offset + index * stride <= start).unwrap();
                let to = (from..60).find(|index| offset + index * stride + chunk >= stop).unwrap();
                (from..=to).map(|index| (offset + index * stride, offset + index * stride + chunk)).collect()
            }
        };
        if start == stop { Vec::new() } else { cells }
    }

    proptest! {
        #[test]
        fn a_grid_has_the_cells_that_a_search_finds((bounds, layout, _) in layouts()) {
            let grid = Grid::new(bounds, layout).unwrap();
            for axis in 0..3 {
                let expected = by_force(bounds, layout, axis);
                prop_assert_eq!(grid.lengths(axis).collect::<Vec<_>>(), expected);
            }
        }

        #[test]
        fn iterating_and_asking_by_number_and_place_agree((bounds, layout, _) in layouts()) {
            let grid = Grid::new(bounds, layout).unwrap();
            let all: Vec<Bounds> = grid.iter().collect();
            prop_assert_eq!(all.len() as u64, grid.len());
            prop_assert_eq!(grid.nth(grid.len()), None);
            let [xs, ys, zs] = [0, 1, 2].map(|axis| grid.lengths(axis).collect::<Vec<_>>());
            let mut number = 0;
            for (k, z) in zs.iter().enumerate() {
                for (j, y) in ys.iter().enumerate() {
                    for (i, x) in xs.iter().enumerate() {
                        let chunk = Bounds::new(Vec3::new(x.0, y.0, z.0), Vec3::new(x.1, y.1, z.1));
                        let place = Vec3::new(i as i64, j as i64, k as i64);
                        prop_assert_eq!(all[number], chunk);
                        prop_assert_eq!(grid.at(place), chunk);
                        prop_assert_eq!(grid.number(place), number as u64);
                        prop_assert_eq!(grid.nth(number as u64), Some(chunk));
                        number += 1;
                    }
                }
            }
        }

        #[test]
        fn the_chunks_that_meet_a_box_are_those_that_intersect_it(
            (bounds, layout, _) in layouts(),
            start in proptest::array::uniform3(-12i64..12),
            size in proptest::array::uniform3(0i64..10),
        ) {
            let grid = Grid::new(bounds, layout).unwrap();
            let wanted = Bounds::at(Vec3(start), Vec3(size));
            let found: Vec<u64> = grid.meeting(&wanted).map(|place| grid.number(place)).collect();
            let expected: Vec<u64> =
                (0u64..).zip(grid.iter()).filter(|(_, chunk)| chunk.intersects(&wanted)).map(|(n, _)| n).collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn exact_chunks_cover_the_box_once_and_nothing_else((bounds, layout, most) in layouts()) {
            let layout = Layout { stride: layout.chunk, fit: Fit::Exact, ..layout };
            for grid in [Grid::new(bounds, layout), Grid::of_superchunks(bounds, layout, most)] {
                let grid = grid.unwrap();
                let mut covered = 0;
                for (number, chunk) in (0u64..).zip(grid.iter()) {
                    prop_assert!(bounds.contains(&chunk) && !chunk.is_empty());
                    covered += chunk.volume();
                    prop_assert_eq!(
                        grid.meeting(&chunk).map(|place| grid.number(place)).collect::<Vec<_>>(),
                        vec![number]
                    );
                }
                prop_assert_eq!(covered, bounds.volume());
            }
        }

        #[test]
        fn superchunks_are_whole_groups_of_chunks((bounds, layout, most) in layouts()) {
            let layout = Layout { stride: layout.chunk, ..layout };
            let (small, large) =
                (Grid::new(bounds, layout).unwrap(), Grid::of_superchunks(bounds, layout, most).unwrap());
            for axis in 0..3 {
                let factor = usize::try_from((most[axis] / layout.chunk[axis]).max(1)).unwrap();
                let cells: Vec<_> = small.lengths(axis).collect();
                let joined: Vec<_> = cells.chunks(factor).map(|group| (group[0].0, group[group.len() - 1].1)).collect();
                prop_assert_eq!(large.lengths(axis).collect::<Vec<_>>(), joined);
            }
        }
    }

    /// Grids as Mazepa lays them. Where it is wrong (chunks outside the box), ours are those cut off at the box.
    #[test]
    fn grids_are_those_of_mazepa_but_for_its_slips() {
        let recorded: Vec<Json> =
            serde_json::from_str(include_str!("../../tests/recorded/grids.json")).unwrap();
        let (mut equal, mut mended) = (0, 0);
        for case in &recorded {
            let three = |value: &Json| serde_json::from_value::<Vec3>(value.clone()).unwrap();
            let bounds = Bounds::new(three(&case["start"]), three(&case["end"]));
            let fit = match case["mode"].as_str().unwrap() {
                "shrink" => Fit::Shrink,
                "expand" => Fit::Expand,
                "exact" => Fit::Exact,
                other => panic!("{other}"),
            };
            let offset = (!case["offset"].is_null()).then(|| three(&case["offset"]));
            let layout = Layout { chunk: three(&case["chunk"]), stride: three(&case["stride"]), offset, fit };
            let grid = match &case["superchunk"] {
                Json::Null => Grid::new(bounds, layout),
                most => Grid::of_superchunks(bounds, layout, three(most)),
            };
            let Some(boxes) = case["boxes"].as_array() else {
                assert!(grid.is_err(), "{case}");
                continue;
            };
            let boxes: Vec<Bounds> =
                boxes.iter().map(|one| Bounds::new(three(&one[0]), three(&one[1]))).collect();
            let found: Vec<Bounds> = grid.unwrap().iter().collect();
            if case["defect"] == true {
                assert!(boxes.iter().any(|one| !bounds.contains(one)), "{case}");
                assert!(found.iter().all(|one| bounds.contains(one)), "{found:?}");
                assert_eq!(found.iter().map(Bounds::volume).sum::<i64>(), bounds.volume());
                mended += 1;
            } else {
                assert_eq!(found, boxes, "{case}");
                equal += 1;
            }
        }
        assert_eq!((equal, mended), (29, 2));
    }

    #[test]
    fn a_box_inside_one_cell_is_cut_out_of_it() {
        let bounds = Bounds::new(Vec3::new(5, 0, 0), Vec3::new(7, 1, 1));
        let layout = Layout::tiled(Vec3::new(4, 1, 1), Fit::Exact).from_offset(Vec3::ZERO);
        // Mazepa answers with (5, 8) and (4, 7).
        assert_eq!(Grid::new(bounds, layout).unwrap().iter().collect::<Vec<_>>(), [bounds]);
    }

    #[test]
    fn chunks_without_extent_and_cut_chunks_with_gaps_are_refused() {
        let bounds = Bounds::at(Vec3::ZERO, Vec3::splat(8));
        let flat = Layout::tiled(Vec3::new(4, 0, 1), Fit::Expand);
        assert_eq!(Grid::new(bounds, flat).unwrap_err().to_string(), "a chunk of [4, 0, 1] has no extent");
        let spaced = Layout::tiled(Vec3::splat(2), Fit::Exact).spaced(Vec3::ONE);
        assert_eq!(
            Grid::new(bounds, spaced).unwrap_err().to_string(),
            "chunks of [2, 2, 2] at every [3, 3, 3] do not lie side by side, so they can be neither cut nor joined"
        );
    }

    #[test]
    fn a_grid_of_a_hundred_trillion_chunks_is_as_quick_as_any() {
        let bounds = Bounds::at(Vec3::ZERO, Vec3::splat(1 << 20));
        let grid = Grid::new(bounds, Layout::tiled(Vec3::new(16, 16, 4), Fit::Exact)).unwrap();
        assert_eq!(grid.len(), 1 << 50);
        assert_eq!(grid.nth((1 << 50) - 1).unwrap().stop, bounds.stop);
        assert_eq!(grid.meeting(&Bounds::at(Vec3::splat(1000), Vec3::ONE)).count(), 1);
    }
}
