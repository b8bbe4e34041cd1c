//! One pass along each axis. All inner loops run along x over neighbouring values.

use std::ops::{AddAssign, Mul, Range};

use crate::array::{Element, Shape};
use crate::geometry::Bounds;

/// Floats to sum in.
pub(super) trait Real: Copy + Default + AddAssign + Mul<Output = Self> + 'static {
    fn of(number: f64) -> Self;
    fn float(self) -> f64;
}

impl Real for f32 {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "the nearest is wanted")]
    fn of(number: f64) -> Self {
        number as Self
    }
    #[inline(always)]
    fn float(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    #[inline(always)]
    fn of(number: f64) -> Self {
        number
    }
    #[inline(always)]
    fn float(self) -> f64 {
        self
    }
}

/// Weights along an axis.
pub(super) struct Kernel<R> {
    /// From `-radius` to `radius`; they sum to 1.
    weights: Vec<R>,
    exact: Vec<f64>,
    radius: usize,
}

impl<R: Real> Kernel<R> {
    #[expect(clippy::cast_precision_loss, reason = "radii are small")]
    pub(super) fn of(sigma: f64, radius: i64) -> Self {
        let bell = |place: i64| if radius == 0 { 1.0 } else { (-0.5 * (place as f64 / sigma).powi(2)).exp() };
        let bells: Vec<f64> = (-radius..=radius).map(bell).collect();
        let total: f64 = bells.iter().sum();
        let exact: Vec<f64> = bells.into_iter().map(|bell| bell / total).collect();
        let weights = exact.iter().map(|weight| R::of(*weight)).collect();
        Self { weights, exact, radius: usize::try_from(radius).expect("a radius is not negative") }
    }

    fn is_one(&self) -> bool {
        self.radius == 0
    }

    /// The places around one that are inside, as offsets into the weights, and what the sum must be stretched by.
    fn around(&self, place: usize, inside: &Range<usize>) -> (Range<usize>, Option<R>) {
        let first = (inside.start + self.radius).saturating_sub(place);
        let end = (inside.end + self.radius).saturating_sub(place).min(self.weights.len());
        if first == 0 && end == self.weights.len() {
            return (first..end, None);
        }
        let range = first..end.max(first);
        let sum: f64 = self.exact.get(range.clone()).into_iter().flatten().sum();
        (range, Some(R::of(if sum > 0.0 { 1.0 / sum } else { 0.0 })))
    }
}

/// The array blurred along x, y and z. What is not inside counts nothing.
pub(super) fn blurred<T: Element, R: Real>(
    values: &[T],
    shape: Shape,
    inside: Bounds,
    kernels: &[Kernel<R>; 3],
) -> Vec<T> {
    let [channels, nx, ny, nz] = shape.extents();
    let [in_x, in_y, in_z] = [0, 1, 2].map(|axis| {
        let place = |place: i64| usize::try_from(place.max(0)).expect("places in arrays fit memory");
        place(inside.start[axis])..place(inside.stop[axis])
    });
    let voxels = nx * ny * nz;
    let mut result = Vec::with_capacity(values.len());
    let mut volume = vec![R::default(); voxels];
    let mut other = vec![R::default(); if kernels.iter().all(Kernel::is_one) { 0 } else { voxels }];
    for channel in 0..channels {
        let source = &values[channel * voxels..(channel + 1) * voxels];
        for (place, value) in volume.iter_mut().zip(source) {
            *place = R::of(value.to_f64());
        }
        if !kernels[0].is_one() && nx > 0 {
            for (from, to) in volume.chunks_exact(nx).zip(other.chunks_exact_mut(nx)) {
                along_row(from, to, &kernels[0], &in_x);
            }
            std::mem::swap(&mut volume, &mut other);
        }
        if !kernels[1].is_one() && nx * ny > 0 {
            for (from, to) in volume.chunks_exact(nx * ny).zip(other.chunks_exact_mut(nx * ny)) {
                across_rows(from, to, nx, &kernels[1], &in_y);
            }
            std::mem::swap(&mut volume, &mut other);
        }
        if !kernels[2].is_one() && voxels > 0 {
            across_rows(&volume, &mut other, nx * ny, &kernels[2], &in_z);
            std::mem::swap(&mut volume, &mut other);
        }
        result.extend(volume.iter().map(|value| T::from_f64(value.float())));
    }
    result
}

/// So many sums are kept in registers while their terms are added.
const LANES: usize = 32;

/// Blurs one row along itself.
fn along_row<R: Real>(from: &[R], to: &mut [R], kernel: &Kernel<R>, inside: &Range<usize>) {
    // In the middle all places around are inside, and in whole blocks.
    let first = (inside.start + kernel.radius).min(to.len());
    let blocks = inside.end.saturating_sub(kernel.radius).saturating_sub(first) / LANES;
    let end = first + blocks * LANES;
    for (block, to) in to[first..end].as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let start = first + block * LANES - kernel.radius;
        *to = sums(kernel.weights.iter().zip(start..).map(|(weight, start)| (&from[start..], *weight)));
    }
    for edge in [0..first, end..to.len()] {
        along_edge(from, to, kernel, inside, edge);
    }
}

/// The sums of as many slices, each times its weight, for the first places.
#[inline(always)]
fn sums<'a, R: Real>(terms: impl Iterator<Item = (&'a [R], R)>) -> [R; LANES] {
    let mut sums = [R::default(); LANES];
    for (from, weight) in terms {
        let from: &[R; LANES] = from.first_chunk().expect("it is as long as a block");
        for (sum, from) in sums.iter_mut().zip(from) {
            *sum += *from * weight;
        }
    }
    sums
}

/// Blurs some places of a row along it, around which not all need be inside.
fn along_edge<R: Real>(
    from: &[R],
    to: &mut [R],
    kernel: &Kernel<R>,
    inside: &Range<usize>,
    edge: Range<usize>,
) {
    to[edge.clone()].fill(R::default());
    let radius = kernel.radius;
    for (offset, weight) in kernel.weights.iter().enumerate() {
        // Where `place + offset - radius` is inside.
        let first = (inside.start + radius).saturating_sub(offset).clamp(edge.start, edge.end);
        let end = (inside.end + radius).saturating_sub(offset).clamp(first, edge.end);
        let source = first + offset;
        let Some(source) =
            source.checked_sub(radius).and_then(|start| from.get(start..start + (end - first)))
        else {
            continue;
        };
        for (to, from) in to[first..end].iter_mut().zip(source) {
            *to += *from * *weight;
        }
    }
    for (place, to) in edge.clone().zip(&mut to[edge]) {
        if let (_, Some(stretch)) = kernel.around(place, inside) {
            *to = *to * stretch;
        }
    }
}

/// Blurs rows of this length with their neighbours.
fn across_rows<R: Real>(from: &[R], to: &mut [R], length: usize, kernel: &Kernel<R>, inside: &Range<usize>) {
    for (place, to) in to.chunks_exact_mut(length).enumerate() {
        let (offsets, stretch) = kernel.around(place, inside);
        let row = |offset: usize| &from[(place + offset - kernel.radius) * length..][..length];
        let (blocks, rest) = to.as_chunks_mut::<LANES>();
        for (block, to) in blocks.iter_mut().enumerate() {
            let term = |offset: usize| (&row(offset)[block * LANES..], kernel.weights[offset]);
            *to = sums(offsets.clone().map(term));
        }
        let begun = length - rest.len();
        rest.fill(R::default());
        for offset in offsets {
            for (to, from) in rest.iter_mut().zip(&row(offset)[begun..]) {
                *to += *from * kernel.weights[offset];
            }
        }
        if let Some(stretch) = stretch {
            for to in to {
                *to = *to * stretch;
            }
        }
    }
}
