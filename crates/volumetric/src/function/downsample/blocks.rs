//! Which voxels become one, and walking over them: whole blocks row by row, cut ones one by one.

use std::ops::Range;

use crate::array::{Element, Shape};
use crate::geometry::{Bounds, Vec3};

/// An array in blocks.
#[derive(Debug)]
pub(super) struct Blocks {
    pub(super) shape: Shape,
    /// The part of the array that is of the layer.
    pub(super) inside: Bounds,
    /// The size of a block.
    pub(super) factor: Vec3,
}

impl Blocks {
    /// How many blocks there are, cut ones included.
    pub(super) fn result_size(&self) -> Vec3 {
        self.shape.size.zip(self.factor, |size, factor| (size + factor - 1).div_euclid(factor))
    }

    /// Along one axis: the blocks that are whole.
    fn whole(&self, axis: usize) -> Range<usize> {
        let (start, stop, factor) = (self.inside.start[axis], self.inside.stop[axis], self.factor[axis]);
        let first = (start + factor - 1).div_euclid(factor).max(0);
        let end = stop.div_euclid(factor).max(first);
        index(first)..index(end)
    }

    /// Along one axis: the voxels that a block is made of. Those outside the layer only if there are no others.
    fn voxels(&self, axis: usize, block: usize, factors: [usize; 3], extents: [usize; 3]) -> Range<usize> {
        let (start, stop) = (block * factors[axis], ((block + 1) * factors[axis]).min(extents[axis]));
        let inside = index(self.inside.start[axis].max(0))..index(self.inside.stop[axis].max(0));
        let (first, end) = (start.max(inside.start), stop.min(inside.end));
        if first < end { first..end } else { start..stop }
    }
}

/// A place in an array; not negative.
fn index(place: i64) -> usize {
    usize::try_from(place).expect("places in arrays are not negative and fit memory")
}

/// How one value is made of many.
pub(super) trait Reduce<T> {
    /// Of whole blocks side by side. `rows` are all rows of voxels of these blocks, each with `step` voxels of the
    /// first block, then of the second and so on.
    fn rows(&mut self, rows: &[&[T]], step: usize, out: &mut [T]);

    /// Of the voxels of one block that was cut; there is at least one.
    fn block(&mut self, values: &mut Vec<T>) -> T;
}

/// All blocks, each reduced to one value.
pub(super) fn shrink<T: Element>(values: &[T], blocks: &Blocks, mut reduce: impl Reduce<T>) -> Vec<T> {
    let [channels, nx, ny, nz] = blocks.shape.extents();
    let factors = blocks.factor.0.map(index);
    let [mx, my, mz] = blocks.result_size().0.map(index);
    let [whole_x, whole_y, whole_z] = [0, 1, 2].map(|axis| blocks.whole(axis));
    let mut result = vec![T::default(); channels * mx * my * mz];
    let mut rows: Vec<&[T]> = Vec::with_capacity(factors[1] * factors[2]);
    let mut gathered = Vec::with_capacity(factors.iter().product());
    for channel in 0..channels {
        for (z, y) in (0..mz).flat_map(|z| (0..my).map(move |y| (z, y))) {
            let out = &mut result[mx * (y + my * (z + mz * channel))..][..mx];
            let in_z = blocks.voxels(2, z, factors, [nx, ny, nz]);
            let in_y = blocks.voxels(1, y, factors, [nx, ny, nz]);
            let row = |y: usize, z: usize| &values[nx * (y + ny * (z + nz * channel))..][..nx];
            let is_whole = whole_z.contains(&z) && whole_y.contains(&y) && !whole_x.is_empty();
            let done = if is_whole { whole_x.clone() } else { 0..0 };
            if is_whole {
                let (start, stop) = (whole_x.start * factors[0], whole_x.end * factors[0]);
                rows.clear();
                rows.extend(
                    in_z.clone()
                        .flat_map(|z| in_y.clone().map(move |y| (y, z)))
                        .map(|(y, z)| &row(y, z)[start..stop]),
                );
                reduce.rows(&rows, factors[0], &mut out[whole_x.clone()]);
            }
            for x in (0..done.start).chain(done.end..mx) {
                let in_x = blocks.voxels(0, x, factors, [nx, ny, nz]);
                gathered.clear();
                for z in in_z.clone() {
                    for y in in_y.clone() {
                        gathered.extend_from_slice(&row(y, z)[in_x.clone()]);
                    }
                }
                out[x] = reduce.block(&mut gathered);
            }
        }
    }
    result
}
