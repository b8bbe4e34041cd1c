//! Growing and shrinking boxes to the lines of a grid.

use crate::geometry::{Bounds, Error, Region, Resolution, Vec3};

/// The smallest box of whole cells that holds the given one. Cells of this size lie side by side, one from `offset` on.
pub fn expanded(bounds: Bounds, cell: Vec3, offset: Vec3) -> Bounds {
    let snap = |place: Vec3, round: fn(i64, i64) -> i64| {
        Vec3(std::array::from_fn(|axis| {
            round(place[axis] - offset[axis], cell[axis]) * cell[axis] + offset[axis]
        }))
    };
    Bounds::new(snap(bounds.start, floor), snap(bounds.stop, ceil))
}

/// The largest box of whole cells inside the given one; empty if there is none.
pub fn shrunk(bounds: Bounds, cell: Vec3, offset: Vec3) -> Bounds {
    let snap = |place: Vec3, round: fn(i64, i64) -> i64| {
        Vec3(std::array::from_fn(|axis| {
            round(place[axis] - offset[axis], cell[axis]) * cell[axis] + offset[axis]
        }))
    };
    let start = snap(bounds.start, ceil);
    Bounds::new(start, snap(bounds.stop, floor).max(start))
}

/// The smallest box of whole voxels of this size that holds the given one.
pub fn expanded_to(region: Region, resolution: Resolution) -> Region {
    Region::of(region.expanded(resolution), resolution)
}

/// The given box with its end moved out until it is full of chunks with gaps between them. Its start stays.
pub fn expanded_to_chunks(bounds: Bounds, chunk: Vec3, gap: Vec3) -> Bounds {
    let size = bounds.size();
    let missing = Vec3(std::array::from_fn(|axis| {
        (chunk[axis] - size[axis]).rem_euclid((chunk[axis] + gap[axis]).max(1))
    }));
    Bounds::new(bounds.start, bounds.stop + missing)
}

/// A box in voxels of one size as one in voxels of another.
///
/// # Errors
/// If it is not made of whole ones.
pub fn converted(bounds: Bounds, from: Resolution, to: Resolution) -> Result<Bounds, Error> {
    Region::of(bounds, from).bounds(to)
}

fn floor(number: i64, by: i64) -> i64 {
    number.div_euclid(by)
}

fn ceil(number: i64, by: i64) -> i64 {
    -(-number).div_euclid(by)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn along_x(start: i64, stop: i64) -> Bounds {
        Bounds::new(Vec3::new(start, 0, 0), Vec3::new(stop, 1, 1))
    }

    #[test]
    fn boxes_grow_to_storage_chunks_as_recorded() {
        for (start, stop, chunk, offset, expected) in [(5, 21, 8, 3, (3, 27)), (0, 1, 8, 0, (0, 8))] {
            let grown = expanded(along_x(start, stop), Vec3::new(chunk, 1, 1), Vec3::new(offset, 0, 0));
            assert_eq!(grown, along_x(expected.0, expected.1));
        }
    }

    #[test]
    fn boxes_grow_to_processing_chunks_as_recorded() {
        for (size, chunk, gap, stop) in
            [(7, 4, 0, 8), (3, 4, 0, 4), (10, 4, 2, 10), (16, 4, 2, 16), (7, 4, 2, 10)]
        {
            let grown = expanded_to_chunks(along_x(0, size), Vec3::new(chunk, 1, 1), Vec3::new(gap, 0, 0));
            assert_eq!(grown, along_x(0, stop), "{size} to {chunk} with {gap} between");
        }
    }

    #[test]
    fn boxes_grow_to_whole_voxels_as_recorded() {
        let fine = Resolution::from_nanometres([4.0, 4.0, 40.0]).unwrap();
        let coarse = Resolution::from_nanometres([128.0, 128.0, 40.0]).unwrap();
        let bounds = Bounds::new(Vec3::new(65546, 65536, 2000), Vec3::new(98304, 98304, 2005));
        let grown = expanded_to(Region::of(bounds, fine), coarse).bounds(coarse).unwrap();
        assert_eq!(grown, Bounds::new(Vec3::new(2048, 2048, 2000), Vec3::new(3072, 3072, 2005)));
    }

    proptest! {
        #[test]
        fn grown_and_shrunk_boxes_are_the_nearest_of_whole_cells(
            start in -30i64..30, size in 0i64..20, cell in 1i64..7, offset in -5i64..5
        ) {
            let bounds = along_x(start, start + size);
            let (cells, offsets) = (Vec3::new(cell, 1, 1), Vec3::new(offset, 0, 0));
            let lines: Vec<i64> = (-60..60).filter(|place: &i64| (place - offset).rem_euclid(cell) == 0).collect();
            let grown = expanded(bounds, cells, offsets);
            prop_assert_eq!(grown.start[0], *lines.iter().rfind(|line| **line <= start).unwrap());
            prop_assert_eq!(grown.stop[0], *lines.iter().find(|line| **line >= start + size).unwrap());
            let small = shrunk(bounds, cells, offsets);
            let first = *lines.iter().find(|line| **line >= start).unwrap();
            let last = *lines.iter().rfind(|line| **line <= start + size).unwrap();
            prop_assert_eq!((small.start[0], small.stop[0]), (first, last.max(first)));
        }

        #[test]
        fn what_is_full_of_chunks_stays_and_what_is_not_grows_by_less_than_one(
            size in 1i64..40, chunk in 1i64..9, gap in 0i64..5
        ) {
            let grown = expanded_to_chunks(along_x(0, size), Vec3::new(chunk, 1, 1), Vec3::new(gap, 0, 0));
            let stop = grown.stop[0];
            prop_assert_eq!((stop + gap).rem_euclid(chunk + gap), 0);
            prop_assert!(stop >= size && stop - size < chunk + gap);
        }
    }
}
