//! The smallest or largest value of a block.

use crate::array::Element;
use crate::function::downsample::blocks::Reduce;

/// The best value by a comparison that says whether the first one is better. NaN is never better.
pub(super) struct Extreme<F>(pub(super) F);

impl<F> Extreme<F> {
    #[inline(always)]
    fn better<T: Element>(&self, best: T, other: T) -> T
    where
        F: Fn(T, T) -> bool,
    {
        if self.0(other, best) { other } else { best }
    }
}

impl<T: Element, F: Fn(T, T) -> bool> Reduce<T> for Extreme<F> {
    fn rows(&mut self, rows: &[&[T]], step: usize, out: &mut [T]) {
        let Some((first, others)) = rows.split_first() else { return };
        let mut best = first.to_vec();
        for row in others {
            for (best, value) in best.iter_mut().zip(*row) {
                *best = self.better(*best, *value);
            }
        }
        for (out, block) in out.iter_mut().zip(best.chunks_exact(step)) {
            *out = block[1..].iter().fold(block[0], |best, value| self.better(best, *value));
        }
    }

    fn block(&mut self, values: &mut Vec<T>) -> T {
        let best = values.iter().copied().reduce(|best, value| self.better(best, value));
        best.unwrap_or_default()
    }
}
