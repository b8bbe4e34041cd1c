//! The most frequent value of a block, for labels: they are compared and counted as they are, whatever their size.

use std::cmp::Ordering;

use crate::array::Element;
use crate::function::downsample::blocks::Reduce;

/// Values in an order that has all of them, NaN included.
pub(super) trait Ordered: Element {
    fn order(self, other: Self) -> Ordering;
}

macro_rules! ordered {
    ($($type:ty),*; $($float:ty),*) => {
        $(impl Ordered for $type {
            #[inline(always)]
            fn order(self, other: Self) -> Ordering {
                self.cmp(&other)
            }
        })*
        $(impl Ordered for $float {
            #[inline(always)]
            fn order(self, other: Self) -> Ordering {
                self.total_cmp(&other)
            }
        })*
    };
}

ordered!(u8, u16, u32, u64, i8, i16, i32, i64; f32, f64);

/// The most frequent value.
#[derive(Default)]
pub(super) struct Mode<T> {
    gathered: Vec<T>,
}

impl<T: Ordered> Reduce<T> for Mode<T> {
    fn rows(&mut self, rows: &[&[T]], step: usize, out: &mut [T]) {
        for (block, out) in out.iter_mut().enumerate() {
            let columns = block * step..(block + 1) * step;
            let first = rows.first().and_then(|row| row.get(columns.start)).copied().unwrap_or_default();
            // Inside an object all are equal, as most blocks of labels are.
            if rows.iter().all(|row| row[columns.clone()].iter().all(|value| *value == first)) {
                *out = first;
                continue;
            }
            let mut gathered = std::mem::take(&mut self.gathered);
            gathered.clear();
            for row in rows {
                gathered.extend_from_slice(&row[columns.clone()]);
            }
            *out = self.block(&mut gathered);
            self.gathered = gathered;
        }
    }

    fn block(&mut self, values: &mut Vec<T>) -> T {
        values.sort_unstable_by(|left, right| left.order(*right));
        let mut best = (0, T::default());
        for run in values.chunk_by(|left, right| left.order(*right).is_eq()) {
            // Smaller ones come first and are not replaced by equally frequent ones.
            if run.len() > best.0 {
                best = (run.len(), run[0]);
            }
        }
        best.1
    }
}
