//! The mean of a block: columns are summed row by row, then sums of neighbours. Written so that the compiler makes
//! vector code of it.

use crate::array::Element;
use crate::function::downsample::blocks::Reduce;
use crate::geometry::Vec3;

/// Can be averaged over sums of type `S`.
pub(super) trait Averaged<S>: Element {
    fn widened(self) -> S;
    fn plus(left: S, right: S) -> S;
    /// The mean of so many.
    fn mean(sum: S, count: usize) -> Self;
    /// The mean of `2^shift`.
    fn shifted(sum: S, shift: u32) -> Self;
}

macro_rules! whole {
    ($($type:ty, $sum:ty);*) => {$(
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_possible_wrap,
            clippy::cast_lossless,
            clippy::cast_sign_loss,
            reason = "sums are wide enough for blocks, means fit the values' type"
        )]
        impl Averaged<$sum> for $type {
            #[inline(always)]
            fn widened(self) -> $sum {
                self as $sum
            }
            #[inline(always)]
            fn plus(left: $sum, right: $sum) -> $sum {
                left.wrapping_add(right)
            }
            #[inline(always)]
            fn mean(sum: $sum, count: usize) -> Self {
                // In wider numbers, since the count alone may not fit the sum's type.
                let (sum, count) = (sum as i128, count as i128);
                let (quotient, rest) = (sum.div_euclid(count), sum.rem_euclid(count));
                let up = 2 * rest > count || (2 * rest == count && quotient % 2 != 0);
                (quotient + i128::from(up)) as Self
            }
            #[inline(always)]
            fn shifted(sum: $sum, shift: u32) -> Self {
                if shift == 0 {
                    return sum as Self;
                }
                // A tie, where the rest is half, goes up only from an odd quotient.
                let odd = (sum >> shift) & 1;
                let half = (1 as $sum) << (shift - 1);
                let rest = sum & ((half << 1).wrapping_sub(1));
                let up = (rest + odd > half) as $sum;
                ((sum >> shift) + up) as Self
            }
        }
    )*};
}

whole!(u8, u16; u8, u32; i8, i16; i8, i32; u16, u32; i16, i32; u32, u64; i32, i64; u64, u128; i64, i128);

macro_rules! float {
    ($($type:ty),*) => {$(
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_lossless,
            clippy::cast_precision_loss,
            reason = "rounded to the values' type; counts are small"
        )]
        impl Averaged<f64> for $type {
            #[inline(always)]
            fn widened(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn plus(left: f64, right: f64) -> f64 {
                left + right
            }
            #[inline(always)]
            fn mean(sum: f64, count: usize) -> Self {
                (sum / count as f64) as Self
            }
            #[inline(always)]
            fn shifted(sum: f64, shift: u32) -> Self {
                (sum / (1_u64 << shift) as f64) as Self
            }
        }
    )*};
}

float!(f32, f64);

/// The mean.
pub(super) struct Mean<S> {
    /// Voxels of a whole block.
    count: usize,
    columns: Vec<S>,
}

impl<S> Mean<S> {
    pub(super) fn new(factor: Vec3) -> Self {
        let count = usize::try_from(factor.volume()).expect("factors were checked");
        Self { count, columns: Vec::new() }
    }
}

impl<T: Averaged<S>, S: Copy + Default> Reduce<T> for Mean<S> {
    fn rows(&mut self, rows: &[&[T]], step: usize, out: &mut [T]) {
        match *rows {
            // The commonest blocks without a detour over memory.
            [upper, lower] if step == 2 => {
                let pairs = upper.chunks_exact(2).zip(lower.chunks_exact(2));
                for (out, (upper, lower)) in out.iter_mut().zip(pairs) {
                    let upper = T::plus(upper[0].widened(), upper[1].widened());
                    let lower = T::plus(lower[0].widened(), lower[1].widened());
                    *out = T::shifted(T::plus(upper, lower), 2);
                }
                return;
            }
            [] => return,
            [first, ref others @ ..] => {
                self.columns.clear();
                self.columns.extend(first.iter().map(|value| value.widened()));
                for row in others {
                    for (column, value) in self.columns.iter_mut().zip(*row) {
                        *column = T::plus(*column, value.widened());
                    }
                }
            }
        }
        let sums = |columns: &[S]| columns.iter().copied().reduce(T::plus).unwrap_or_default();
        let shift = self.count.trailing_zeros();
        match (step, self.count.is_power_of_two()) {
            (1, true) => finish(out, self.columns.iter().copied(), |sum| T::shifted(sum, shift)),
            (2, true) => {
                let pairs = self.columns.chunks_exact(2).map(|pair| T::plus(pair[0], pair[1]));
                finish(out, pairs, |sum| T::shifted(sum, shift));
            }
            (_, true) => {
                finish(out, self.columns.chunks_exact(step).map(sums), |sum| T::shifted(sum, shift));
            }
            (_, false) => {
                finish(out, self.columns.chunks_exact(step).map(sums), |sum| T::mean(sum, self.count));
            }
        }
    }

    fn block(&mut self, values: &mut Vec<T>) -> T {
        let sum = values.iter().map(|value| value.widened()).reduce(T::plus).unwrap_or_default();
        T::mean(sum, values.len())
    }
}

#[inline(always)]
fn finish<T, S>(out: &mut [T], sums: impl Iterator<Item = S>, mean: impl Fn(S) -> T) {
    for (out, sum) in out.iter_mut().zip(sums) {
        *out = mean(sum);
    }
}
