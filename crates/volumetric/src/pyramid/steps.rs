//! Which resolutions a pyramid has.

use crate::geometry::{Bounds, Resolution, Vec3};
use crate::pyramid::Error;

/// Most scales beyond the first; 2^40 voxels along an axis are more than anybody has.
const MAX_STEPS: usize = 40;

/// From one resolution to the next coarser one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// How many voxels become one along each axis.
    pub(crate) factor: Vec3,
    /// The resolution that comes of it.
    pub(crate) resolution: Resolution,
}

/// How far a pyramid goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Height<'a> {
    /// Until everything fits into one chunk of this size.
    UntilOneChunk(Vec3),
    /// So many scales beyond the first.
    Levels(u32),
    /// These factors, one after another.
    Factors(&'a [Vec3]),
}

/// The steps of a pyramid over a volume.
///
/// Without factors each step halves the axes along which voxels are less than twice as long as along the finest one, so that
/// they become cubes and stay so; those along which there is but one voxel stay as they are.
pub(crate) fn steps(first: Resolution, bounds: Bounds, height: Height<'_>) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    let (mut resolution, mut bounds) = (first, bounds);
    loop {
        let factor = match height {
            Height::Factors(factors) => factors.get(steps.len()).copied(),
            Height::Levels(levels) if steps.len() >= levels as usize => None,
            Height::UntilOneChunk(chunk) if bounds.size().all(chunk, |size, chunk| size <= chunk) => None,
            Height::Levels(_) | Height::UntilOneChunk(_) => halving(resolution, bounds.size()),
        };
        let Some(factor) = factor.filter(|_| steps.len() < MAX_STEPS) else { return Ok(steps) };
        if !factor.all(Vec3::ONE, |factor, one| factor >= one) || factor == Vec3::ONE {
            return Err(Error::Factor(factor));
        }
        let mut femtometres = resolution.femtometres();
        for axis in 0..3 {
            let longer = femtometres[axis].checked_mul(factor[axis]);
            femtometres[axis] = longer.ok_or(Error::TooCoarse(factor, resolution))?;
        }
        resolution = Resolution::from_femtometres(femtometres);
        bounds = coarser(bounds, factor);
        steps.push(Step { factor, resolution });
    }
}

/// Bounds in coarser voxels; those that are only partly there count.
pub(crate) fn coarser(bounds: Bounds, factor: Vec3) -> Bounds {
    let stop = bounds.stop.zip(factor, |stop, factor| -(-stop).div_euclid(factor));
    Bounds::new(bounds.start.zip(factor, i64::div_euclid), stop)
}

/// `None` if there is nothing left to halve.
fn halving(resolution: Resolution, size: Vec3) -> Option<Vec3> {
    let lengths = resolution.femtometres();
    let divisible = |axis: &usize| size[*axis] > 1;
    let finest = (0..3).filter(divisible).map(|axis| lengths[axis]).min()?;
    let mut factor = Vec3::ONE;
    for axis in (0..3).filter(divisible).filter(|axis| lengths[*axis] < 2 * finest) {
        factor[axis] = 2;
    }
    Some(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanometres(lengths: [f64; 3]) -> Resolution {
        Resolution::from_nanometres(lengths).unwrap()
    }

    fn sized(x: i64, y: i64, z: i64) -> Bounds {
        Bounds::at(Vec3::ZERO, Vec3::new(x, y, z))
    }

    #[test]
    fn voxels_become_cubes_and_stay_so() {
        let steps = steps(nanometres([4.0, 4.0, 40.0]), sized(1024, 1024, 100), Height::Levels(5)).unwrap();
        let factors: Vec<Vec3> = steps.iter().map(|step| step.factor).collect();
        let (flat, cube) = (Vec3::new(2, 2, 1), Vec3::splat(2));
        assert_eq!(factors, [flat, flat, flat, cube, cube]);
        assert_eq!(steps[4].resolution, nanometres([128.0, 128.0, 160.0]));
    }

    #[test]
    fn it_ends_where_all_fits_into_one_chunk() {
        let chunk = Height::UntilOneChunk(Vec3::splat(64));
        let cubes = nanometres([1.0; 3]);
        assert_eq!(steps(cubes, sized(64, 64, 64), chunk).unwrap(), []);
        assert_eq!(steps(cubes, sized(65, 1, 1), chunk).unwrap().len(), 1);
        assert_eq!(steps(cubes, sized(1000, 500, 3), chunk).unwrap().len(), 4);
    }

    #[test]
    fn a_single_slice_is_never_halved_across() {
        let steps = steps(nanometres([4.0; 3]), sized(512, 512, 1), Height::Levels(2)).unwrap();
        assert_eq!(steps[1].resolution, nanometres([16.0, 16.0, 4.0]));
    }

    #[test]
    fn one_voxel_is_the_end_however_many_levels_are_asked_for() {
        assert_eq!(steps(nanometres([1.0; 3]), sized(4, 4, 4), Height::Levels(9)).unwrap().len(), 2);
    }

    #[test]
    fn factors_are_taken_as_they_are() {
        let factors = [Vec3::new(3, 1, 1), Vec3::new(1, 2, 5)];
        let steps = steps(nanometres([2.0; 3]), sized(10, 10, 10), Height::Factors(&factors)).unwrap();
        assert_eq!(steps[1].resolution, nanometres([6.0, 4.0, 10.0]));
    }

    #[test]
    fn factors_that_change_nothing_are_refused() {
        for factor in [Vec3::ONE, Vec3::new(2, 0, 1), Vec3::new(2, -2, 1)] {
            let refused = steps(nanometres([1.0; 3]), sized(8, 8, 8), Height::Factors(&[factor]));
            assert!(matches!(refused, Err(Error::Factor(found)) if found == factor), "{factor}");
        }
        let long = steps(nanometres([1.0; 3]), sized(8, 8, 8), Height::Factors(&[Vec3::splat(1 << 62)]));
        assert!(matches!(long, Err(Error::TooCoarse(..))));
    }

    #[test]
    fn voxels_that_are_partly_there_count() {
        let bounds = Bounds::new(Vec3::new(-3, 1, 0), Vec3::new(3, 8, 1));
        let expected = Bounds::new(Vec3::new(-2, 0, 0), Vec3::new(2, 4, 1));
        assert_eq!(coarser(bounds, Vec3::splat(2)), expected);
    }
}
