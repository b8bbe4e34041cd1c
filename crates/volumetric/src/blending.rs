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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Mode, pad, size of the padded chunk, whether start and stop are aligned, weights.
    type Recorded = (BlendMode, i64, i64, bool, bool, &'static [f64]);

    /// Recorded from Mazepa.
    const RECORDED: &[Recorded] = &[
        (
            BlendMode::Linear,
            1,
            8,
            false,
            false,
            &[0.3333333, 0.6666667, 1.0, 1.0, 1.0, 1.0, 0.6666667, 0.3333333],
        ),
        (BlendMode::Linear, 2, 8, false, false, &[0.2, 0.4, 0.6, 0.8, 0.8, 0.6, 0.4, 0.2]),
        (
            BlendMode::Linear,
            2,
            14,
            false,
            false,
            &[0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2],
        ),
        (
            BlendMode::Linear,
            3,
            12,
            false,
            false,
            &[
                0.1428571, 0.2857143, 0.4285714, 0.5714286, 0.7142857, 0.8571429, 0.8571429, 0.7142857,
                0.5714286, 0.4285714, 0.2857143, 0.1428571,
            ],
        ),
        (
            BlendMode::Linear,
            4,
            16,
            false,
            false,
            &[
                0.1111111, 0.2222222, 0.3333333, 0.4444444, 0.5555556, 0.6666667, 0.7777778, 0.8888889,
                0.8888889, 0.7777778, 0.6666667, 0.5555556, 0.4444444, 0.3333333, 0.2222222, 0.1111111,
            ],
        ),
        (
            BlendMode::Linear,
            4,
            20,
            false,
            false,
            &[
                0.1111111, 0.2222222, 0.3333333, 0.4444444, 0.5555556, 0.6666667, 0.7777778, 0.8888889, 1.0,
                1.0, 1.0, 1.0, 0.8888889, 0.7777778, 0.6666667, 0.5555556, 0.4444444, 0.3333333, 0.2222222,
                0.1111111,
            ],
        ),
        (
            BlendMode::Linear,
            8,
            50,
            false,
            false,
            &[
                0.0588235, 0.1176471, 0.1764706, 0.2352941, 0.2941177, 0.3529412, 0.4117647, 0.4705882,
                0.5294118, 0.5882353, 0.6470588, 0.7058824, 0.7647059, 0.8235294, 0.8823529, 0.9411765, 1.0,
                1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0,
                0.9411765, 0.8823529, 0.8235294, 0.7647059, 0.7058824, 0.6470588, 0.5882353, 0.5294118,
                0.4705882, 0.4117647, 0.3529412, 0.2941177, 0.2352941, 0.1764706, 0.1176471, 0.0588235,
            ],
        ),
        (
            BlendMode::Linear,
            2,
            12,
            true,
            false,
            &[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2],
        ),
        (BlendMode::Quadratic, 1, 4, false, false, &[0.2222222, 0.7777778, 0.7777778, 0.2222222]),
        (
            BlendMode::Quadratic,
            2,
            12,
            false,
            false,
            &[0.08, 0.32, 0.68, 0.92, 1.0, 1.0, 1.0, 1.0, 0.92, 0.68, 0.32, 0.08],
        ),
        (
            BlendMode::Quadratic,
            3,
            16,
            false,
            false,
            &[
                0.0408163, 0.1632653, 0.3673469, 0.6326531, 0.8367347, 0.9591837, 1.0, 1.0, 1.0, 1.0,
                0.9591837, 0.8367347, 0.6326531, 0.3673469, 0.1632653, 0.0408163,
            ],
        ),
        (
            BlendMode::Quadratic,
            3,
            20,
            false,
            false,
            &[
                0.0408163, 0.1632653, 0.3673469, 0.6326531, 0.8367347, 0.9591837, 1.0, 1.0, 1.0, 1.0, 1.0,
                1.0, 1.0, 1.0, 0.9591837, 0.8367347, 0.6326531, 0.3673469, 0.1632653, 0.0408163,
            ],
        ),
        (
            BlendMode::Quadratic,
            4,
            26,
            false,
            false,
            &[
                0.0246914, 0.0987654, 0.2222222, 0.3950617, 0.6049383, 0.7777778, 0.9012346, 0.9753087, 1.0,
                1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.9753087, 0.9012346, 0.7777778, 0.6049383,
                0.3950617, 0.2222222, 0.0987654, 0.0246914,
            ],
        ),
        (
            BlendMode::Quadratic,
            8,
            32,
            false,
            false,
            &[
                0.0069204, 0.0276817, 0.0622837, 0.1107266, 0.1730104, 0.2491349, 0.3391004, 0.4429066,
                0.5570934, 0.6608996, 0.750865, 0.8269896, 0.8892733, 0.9377162, 0.9723184, 0.9930796,
                0.9930796, 0.9723184, 0.9377162, 0.8892733, 0.8269896, 0.750865, 0.6608996, 0.5570934,
                0.4429066, 0.3391004, 0.2491349, 0.1730104, 0.1107266, 0.0622837, 0.0276817, 0.0069204,
            ],
        ),
        (
            BlendMode::Quadratic,
            8,
            36,
            false,
            false,
            &[
                0.0069204, 0.0276817, 0.0622837, 0.1107266, 0.1730104, 0.2491349, 0.3391004, 0.4429066,
                0.5570934, 0.6608996, 0.750865, 0.8269896, 0.8892733, 0.9377162, 0.9723184, 0.9930796, 1.0,
                1.0, 1.0, 1.0, 0.9930796, 0.9723184, 0.9377162, 0.8892733, 0.8269896, 0.750865, 0.6608996,
                0.5570934, 0.4429066, 0.3391004, 0.2491349, 0.1730104, 0.1107266, 0.0622837, 0.0276817,
                0.0069204,
            ],
        ),
        (
            BlendMode::Bump,
            1,
            8,
            false,
            false,
            &[0.2525947, 0.7474053, 1.0, 1.0, 1.0, 1.0, 0.7474053, 0.2525947],
        ),
        (
            BlendMode::Bump,
            2,
            8,
            false,
            false,
            &[0.1796457, 0.4203276, 0.5796724, 0.8203543, 0.8203543, 0.5796724, 0.4203276, 0.1796457],
        ),
        (
            BlendMode::Bump,
            2,
            14,
            false,
            false,
            &[
                0.0606854, 0.3541237, 0.6458763, 0.9393147, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.9393147,
                0.6458763, 0.3541237, 0.0606854,
            ],
        ),
        (
            BlendMode::Bump,
            3,
            12,
            false,
            false,
            &[
                0.0748215, 0.2964616, 0.4415874, 0.5584126, 0.7035384, 0.9251785, 0.9251785, 0.7035384,
                0.5584126, 0.4415874, 0.2964616, 0.0748215,
            ],
        ),
        (
            BlendMode::Bump,
            4,
            16,
            false,
            false,
            &[
                0.0289684, 0.2016215, 0.3485222, 0.4538179, 0.5461821, 0.6514778, 0.7983785, 0.9710316,
                0.9710316, 0.7983785, 0.6514778, 0.5461821, 0.4538179, 0.3485222, 0.2016215, 0.0289684,
            ],
        ),
        (
            BlendMode::Bump,
            4,
            20,
            false,
            false,
            &[
                0.0115164, 0.1447587, 0.3064717, 0.4394983, 0.5605018, 0.6935283, 0.8552414, 0.9884837, 1.0,
                1.0, 1.0, 1.0, 0.9884837, 0.8552414, 0.6935283, 0.5605018, 0.4394983, 0.3064717, 0.1447587,
                0.0115164,
            ],
        ),
        (
            BlendMode::Bump,
            8,
            50,
            false,
            false,
            &[
                7.2e-06, 0.0043595, 0.036958, 0.1050359, 0.1918939, 0.2828248, 0.3716311, 0.4575962,
                0.5424038, 0.6283689, 0.7171752, 0.8081061, 0.894964, 0.963042, 0.9956405, 0.9999928, 1.0,
                1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0,
                0.9999928, 0.9956405, 0.963042, 0.894964, 0.8081061, 0.7171752, 0.6283689, 0.5424038,
                0.4575962, 0.3716311, 0.2828248, 0.1918939, 0.1050359, 0.036958, 0.0043595, 7.2e-06,
            ],
        ),
        (
            BlendMode::Bump,
            2,
            12,
            true,
            false,
            &[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.9127132, 0.6253036, 0.3746964, 0.0872868],
        ),
    ];

    #[test]
    fn weights_are_those_recorded_from_mazepa() {
        for (mode, pad, size, start, stop, expected) in RECORDED {
            let found = weights(*mode, *pad, *size, *start, *stop);
            assert_eq!(found.len(), expected.len());
            for (index, (found, expected)) in found.iter().zip(*expected).enumerate() {
                let label = format!("{mode:?} {pad} {size} at {index}: {found}, not {expected}");
                assert!((found - expected).abs() < 1e-6, "{label}");
            }
        }
    }

    #[test]
    fn weights_of_axes_are_multiplied() {
        let axes = [
            weights(BlendMode::Quadratic, 1, 6, false, true),
            weights(BlendMode::Quadratic, 2, 8, false, false),
            weights(BlendMode::Quadratic, 1, 4, false, false),
        ];
        let at = |[x, y, z]: [usize; 3]| axes[0][x] * axes[1][y] * axes[2][z];
        for (place, expected) in
            [([0, 0, 0], 0.003_950_6), ([3, 4, 2], 0.715_555_6), ([5, 7, 3], 0.017_777_8)]
        {
            assert!((at(place) - expected).abs() < 1e-6, "{place:?}: {}", at(place));
        }
        let total: f64 = axes.iter().map(|axis| axis.iter().sum::<f64>()).product();
        assert!((total - 40.0).abs() < 1e-6, "{total}");
    }

    #[test]
    fn max_and_defer_weigh_nothing() {
        for mode in [BlendMode::Max, BlendMode::Defer] {
            assert_eq!(weights(mode, 2, 8, false, false), [1.0; 8]);
        }
    }

    #[test]
    fn names_are_those_of_specs() {
        for mode in
            [BlendMode::Linear, BlendMode::Quadratic, BlendMode::Bump, BlendMode::Max, BlendMode::Defer]
        {
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.name());
        }
    }

    proptest! {
        #[test]
        fn weights_of_neighbours_sum_to_one(
            mode in prop::sample::select(vec![BlendMode::Linear, BlendMode::Quadratic, BlendMode::Bump]),
            (pad, size) in (0..200_i64).prop_flat_map(|pad| (Just(pad), 2 * pad..2 * pad + 4000)),
        ) {
            // `size` is that of the chunk before padding; neighbours lie so far apart.
            let weights = weights(mode, pad, size + 2 * pad, false, false);
            prop_assert!(weights.iter().all(|weight| (0.0..=1.0).contains(weight)));
            let distance = usize::try_from(size).unwrap();
            for (first, second) in weights[distance..].iter().zip(&weights) {
                prop_assert!((first + second - 1.0).abs() < 1e-12, "{first} and {second}");
            }
            let mirrored: Vec<f64> = weights.iter().rev().copied().collect();
            prop_assert!(weights.iter().zip(mirrored).all(|(one, other)| (one - other).abs() < 1e-12));
        }
    }
}
