//! How much each voxel of a padded chunk counts where chunks overlap.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How overlapping results of chunks become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BlendMode {
    /// Weights rise in a straight line.
    Linear,
    /// Weights rise as two halves of a parabola.
    Quadratic,
    /// Weights are the shares of smooth bumps, which have no corner anywhere.
    Bump,
    /// The largest value wins; nothing is weighted.
    Max,
    /// Overlapping results are kept side by side, not merged.
    Defer,
}

impl BlendMode {
    /// Its name in specs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Quadratic => "quadratic",
            Self::Bump => "bump",
            Self::Max => "max",
            Self::Defer => "defer",
        }
    }

    /// Whether overlapping values are weighted and added.
    pub const fn is_weighted(self) -> bool {
        match self {
            Self::Linear | Self::Quadratic | Self::Bump => true,
            Self::Max | Self::Defer => false,
        }
    }
}

/// How much each voxel along one axis of a chunk counts. The chunk reaches `pad` voxels into each neighbour, so that
/// ramps of `2 · pad` voxels lie at its ends; there the weights of two neighbours sum to 1. An end that is aligned
/// with the end of the region has no neighbour, and no ramp. Ramps that meet in a small chunk are multiplied. Modes
/// without weights give 1 everywhere. Weights of several axes are multiplied.
///
/// ```
/// use volumetric::blending::{BlendMode, weights};
///
/// let weights = weights(BlendMode::Linear, 1, 6, false, true);
/// assert_eq!(weights, [1.0 / 3.0, 2.0 / 3.0, 1.0, 1.0, 1.0, 1.0]);
/// ```
///
/// # Panics
/// If the pad is negative or the ramp longer than the chunk.
pub fn weights(
    mode: BlendMode,
    pad: i64,
    padded_size: i64,
    aligned_start: bool,
    aligned_stop: bool,
) -> Vec<f64> {
    assert!(
        pad >= 0 && padded_size >= 2 * pad,
        "a chunk of {padded_size} voxels has room for a ramp of twice {pad}"
    );
    let ramp: Vec<f64> = (1..=2 * pad).map(|step| rising(mode, step, pad, padded_size)).collect();
    let size = usize::try_from(padded_size).expect("a chunk fits memory");
    let mut weights = vec![1.0; size];
    if !aligned_start {
        for (weight, share) in weights.iter_mut().zip(&ramp) {
            *weight *= share;
        }
    }
    if !aligned_stop {
        for (weight, share) in weights.iter_mut().rev().zip(&ramp) {
            *weight *= share;
        }
    }
    weights
}

/// The weight of the `step`-th voxel of a ramp, beginning with 1.
#[expect(clippy::cast_precision_loss, reason = "sizes of chunks are far below 2^53")]
fn rising(mode: BlendMode, step: i64, pad: i64, padded_size: i64) -> f64 {
    match mode {
        BlendMode::Linear => step as f64 / (2 * pad + 1) as f64,
        BlendMode::Quadratic => {
            let along = step as f64 / (pad as f64 + 0.5);
            if step <= pad { along.powi(2) / 2.0 } else { 1.0 - (2.0 - along).powi(2) / 2.0 }
        }
        BlendMode::Bump => {
            let place = |index: i64| 2.0 * (index + 1) as f64 / (padded_size + 1) as f64 - 1.0;
            let mine = place(step - 1);
            // The same voxel lies this far along the neighbour before.
            let theirs = place(step - 1 + padded_size - 2 * pad);
            bump_share(mine, theirs)
        }
        BlendMode::Max | BlendMode::Defer => 1.0,
    }
}

/// `b(mine) / (b(mine) + b(theirs))` for the bump `b(t) = exp(-1 / (1 - t²))`. Written as a difference of exponents:
/// near the ends of large chunks both bumps are below the smallest float, and their quotient would be 0/0.
fn bump_share(mine: f64, theirs: f64) -> f64 {
    let exponent = |place: f64| -1.0 / ((1.0 - place) * (1.0 + place));
    1.0 / (1.0 + (exponent(theirs) - exponent(mine)).exp())
}
