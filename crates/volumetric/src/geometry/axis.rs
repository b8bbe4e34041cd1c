//! One axis of a grid of chunks.

use crate::geometry::Fit;

/// One axis of a grid: cells of a length at equal distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Axis {
    chunk: i64,
    stride: i64,
    /// Where cell 0 starts.
    offset: i64,
    /// The first cell there is.
    first: i64,
    /// The cell after the last one.
    beyond: i64,
    /// How many cells are joined to one chunk.
    factor: i64,
    /// How many chunks there are.
    pub(crate) count: i64,
    /// Nothing reaches beyond these.
    limits: (i64, i64),
}

impl Axis {
    /// Cells of a length at a distance, one from `offset` on.
    pub(crate) fn new(chunk: i64, stride: i64, offset: i64) -> Self {
        Self { chunk, stride, offset, ..Self::default() }
    }

    /// Those over a length, some joined to one chunk.
    pub(crate) fn over(mut self, start: i64, stop: i64, fit: Fit, factor: i64) -> Self {
        let Self { chunk, stride, offset, .. } = self;
        let down = |place: i64| (place - offset).div_euclid(stride);
        let up = |place: i64| -(offset - place).div_euclid(stride);
        (self.first, self.beyond) = match fit {
            Fit::Shrink => (up(start), down(stop - chunk) + 1),
            Fit::Expand => (down(start), up(stop - chunk).max(down(start)) + 1),
            Fit::Exact => (down(start), up(stop)),
        };
        if start >= stop {
            self.beyond = self.first;
        }
        self.limits = if fit == Fit::Exact { (start, stop) } else { (i64::MIN, i64::MAX) };
        self.factor = factor;
        self.count = ((self.beyond - self.first).max(0) + factor - 1) / factor;
        self
    }

    /// From where to where a chunk reaches.
    pub(crate) fn cell(&self, index: i64) -> (i64, i64) {
        let first = self.first + index * self.factor;
        let last = (first + self.factor).min(self.beyond) - 1;
        let start = self.offset + first * self.stride;
        let stop = self.offset + last * self.stride + self.chunk;
        (start.max(self.limits.0), stop.min(self.limits.1))
    }

    /// From which chunk up to but without which there are places in common with a length.
    pub(crate) fn meeting(&self, start: i64, stop: i64) -> (i64, i64) {
        if start >= stop {
            return (0, 0);
        }
        // The first chunk that ends beyond the start, and the first that starts at or after the stop: chunks start and
        // end in their order, so both are found by halving.
        let from = partition(self.count, |index| self.cell(index).1 <= start);
        let to = partition(self.count, |index| self.cell(index).0 < stop);
        (from, to.max(from))
    }
}

/// The first index of `count` for which something does not hold that holds for all before it.
fn partition(count: i64, holds: impl Fn(i64) -> bool) -> i64 {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { low = middle + 1 } else { high = middle }
    }
    low
}
