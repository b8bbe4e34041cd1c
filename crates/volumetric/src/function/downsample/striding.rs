//! The first value of a block.

use crate::array::Element;
use crate::function::downsample::blocks::Reduce;

/// The first value.
pub(super) struct Striding;

impl<T: Element> Reduce<T> for Striding {
    fn rows(&mut self, rows: &[&[T]], step: usize, out: &mut [T]) {
        let Some(first) = rows.first() else { return };
        for (out, block) in out.iter_mut().zip(first.chunks_exact(step)) {
            *out = block[0];
        }
    }

    fn block(&mut self, values: &mut Vec<T>) -> T {
        values.first().copied().unwrap_or_default()
    }
}
