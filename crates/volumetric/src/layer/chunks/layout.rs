//! How the chunks of a scale lie.

use crate::geometry::{Bounds, Vec3};

/// How the chunks of a scale lie: side by side from `offset` on, cut off by `bounds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) bounds: Bounds,
    pub(crate) offset: Vec3,
    pub(crate) size: Vec3,
}

impl Layout {
    /// The indices of chunks that have voxels in a box. x runs fastest.
    pub(crate) fn indices(&self, bounds: Bounds) -> impl Iterator<Item = Vec3> + use<> {
        let bounds = bounds.intersection(&self.bounds);
        let (first, last) = if bounds.is_empty() {
            (Vec3::ZERO, Vec3::ZERO - Vec3::ONE)
        } else {
            (self.index(bounds.start), self.index(bounds.stop - Vec3::ONE))
        };
        (first[2]..=last[2]).flat_map(move |z| {
            (first[1]..=last[1]).flat_map(move |y| (first[0]..=last[0]).map(move |x| Vec3::new(x, y, z)))
        })
    }

    fn index(&self, voxel: Vec3) -> Vec3 {
        (voxel - self.offset).zip(self.size, i64::div_euclid)
    }

    /// What a chunk has of the volume.
    pub(crate) fn chunk(&self, index: Vec3) -> Bounds {
        self.whole_chunk(index).intersection(&self.bounds)
    }

    /// Where a chunk would be if nothing cut it off.
    pub(crate) fn whole_chunk(&self, index: Vec3) -> Bounds {
        Bounds::at(self.offset + index * self.size, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_the_volume_once() {
        let bounds = Bounds::new(Vec3::new(-3, 5, 0), Vec3::new(14, 11, 2));
        let layout = Layout { bounds, offset: Vec3::new(-3, 5, 0), size: Vec3::new(4, 6, 1) };
        let chunks: Vec<Bounds> = layout.indices(bounds).map(|index| layout.chunk(index)).collect();
        assert_eq!(chunks.len(), 5 * 2);
        assert_eq!(chunks.iter().map(Bounds::volume).sum::<i64>(), bounds.volume());
        assert!(
            chunks
                .iter()
                .enumerate()
                .all(|(at, chunk)| chunks[..at].iter().all(|other| !chunk.intersects(other)))
        );
        assert_eq!(layout.indices(Bounds::at(Vec3::new(20, 20, 20), Vec3::ONE)).count(), 0);
    }
}
