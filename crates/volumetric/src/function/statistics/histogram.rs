//! How many values lie in which bin.

use serde::{Deserialize, Serialize};

/// Bins of equal width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bins {
    pub(super) range: [f64; 2],
    pub(super) count: u32,
}

/// How many values lie in which bin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Histogram {
    /// From where to where the bins reach.
    range: [f64; 2],
    /// How many values lie in each.
    counts: Vec<u64>,
    /// How many are smaller.
    below: u64,
    /// How many are larger.
    above: u64,
}

/// Histograms that do not go together.
#[derive(Debug, thiserror::Error)]
#[error("its histogram has other bins than those before")]
pub(super) struct OtherBins;

impl Histogram {
    pub(super) fn new(bins: Bins) -> Self {
        let counts = vec![0; bins.count as usize];
        Self { range: bins.range, counts, below: 0, above: 0 }
    }

    /// Counts a finite value, as often as said.
    pub(super) fn count(&mut self, value: f64, times: u64) {
        let [start, stop] = self.range;
        let bins = self.counts.len();
        if value < start {
            self.below += times;
        } else if value > stop {
            self.above += times;
        } else {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "bins are few; the value is in the range"
            )]
            let bin = ((value - start) / (stop - start) * bins as f64) as usize;
            self.counts[bin.min(bins - 1)] += times;
        }
    }

    pub(super) fn add(&mut self, other: &Self) -> Result<(), OtherBins> {
        if self.range != other.range || self.counts.len() != other.counts.len() {
            return Err(OtherBins);
        }
        for (mine, other) in self.counts.iter_mut().zip(&other.counts) {
            *mine = mine.saturating_add(*other);
        }
        self.below = self.below.saturating_add(other.below);
        self.above = self.above.saturating_add(other.above);
        Ok(())
    }
}
