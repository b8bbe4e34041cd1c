//! Copies boxes of values from one row of bytes to another, in runs as long as they can be.

use crate::geometry::{Bounds, Vec3};

/// Bytes whose values are those of a box, x fastest, then y, z and the channels; the box may be anywhere.
#[derive(Clone, Copy)]
pub(crate) struct Placed<B> {
    pub(crate) bytes: B,
    pub(crate) bounds: Bounds,
}

/// Copies the values of a box that is in both others. A value has `width` bytes.
///
/// # Panics
/// If the box is not in both, or there are not as many bytes as the boxes and channels say.
pub(crate) fn copy_box(
    from: Placed<&[u8]>,
    to: Placed<&mut [u8]>,
    part: Bounds,
    channels: usize,
    width: usize,
) {
    if part.is_empty() || channels == 0 {
        return;
    }
    assert!(from.bounds.contains(&part) && to.bounds.contains(&part), "{part} is in both");
    let (from_steps, to_steps) = (steps(from.bounds, width), steps(to.bounds, width));
    assert_eq!(from.bytes.len(), from_steps[3] * channels, "as many bytes as {} has", from.bounds);
    assert_eq!(to.bytes.len(), to_steps[3] * channels, "as many bytes as {} has", to.bounds);
    let [x, y, z] = lengths(part.size());
    let mut counts = [x, y, z, channels];
    // Axes along which the box is as long as both others are run through without a gap.
    let mut run = width;
    let mut inner = 0;
    while inner < 4 {
        run *= counts[inner];
        counts[inner] = 1;
        inner += 1;
        if inner < 4 && (run != from_steps[inner] || run != to_steps[inner]) {
            break;
        }
    }
    let first = |bounds: Bounds, steps: [usize; 4]| {
        let [x, y, z] = lengths(part.start - bounds.start);
        x * steps[0] + y * steps[1] + z * steps[2]
    };
    let (from_first, to_first) = (first(from.bounds, from_steps), first(to.bounds, to_steps));
    for channel in 0..counts[3] {
        for z in 0..counts[2] {
            for y in 0..counts[1] {
                let place = |first: usize, steps: [usize; 4]| {
                    first + channel * steps[3] + z * steps[2] + y * steps[1]
                };
                let (source, target) = (place(from_first, from_steps), place(to_first, to_steps));
                to.bytes[target..target + run].copy_from_slice(&from.bytes[source..source + run]);
            }
        }
    }
}

/// How many bytes lie between neighbours along x, y, z and the channels.
fn steps(bounds: Bounds, width: usize) -> [usize; 4] {
    let [x, y, z] = lengths(bounds.size());
    [width, width * x, width * x * y, width * x * y * z]
}

#[expect(
    clippy::cast_sign_loss,
    clippy::cast_possible_truncation,
    reason = "sizes of what is in memory, and places in it"
)]
fn lengths(size: Vec3) -> [usize; 3] {
    size.0.map(|length| length as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxes() -> impl Strategy<Value = (Bounds, Bounds, Bounds)> {
        let length = || prop::array::uniform3(0_i64..3).prop_map(Vec3);
        let part = (prop::array::uniform3(-5_i64..5), prop::array::uniform3(1_i64..5));
        (part, length(), length(), length(), length()).prop_map(|((start, size), a, b, c, d)| {
            let part = Bounds::at(Vec3(start), Vec3(size));
            let around = |low: Vec3, high: Vec3| Bounds::new(part.start - low, part.stop + high);
            (around(a, b), around(c, d), part)
        })
    }

    proptest! {
        #[test]
        fn a_box_is_copied_and_nothing_else(
            (from, to, part) in boxes(), channels in 1_usize..4, width in prop::sample::select(vec![1_usize, 2, 8]),
        ) {
            let index = |bounds: Bounds, channel: i64, voxel: Vec3| {
                let (at, size) = (voxel - bounds.start, bounds.size());
                usize::try_from(at[0] + size[0] * (at[1] + size[1] * (at[2] + size[2] * channel))).unwrap()
            };
            let length = |bounds: Bounds| usize::try_from(bounds.volume()).unwrap() * channels * width;
            let source: Vec<u8> = (0..length(from)).map(|byte| u8::try_from(byte % 251).unwrap()).collect();
            let mut target = vec![255; length(to)];
            copy_box(
                Placed { bytes: &source, bounds: from }, Placed { bytes: &mut target, bounds: to }, part, channels, width,
            );
            for channel in 0..i64::try_from(channels).unwrap() {
                for x in to.start[0]..to.stop[0] {
                    for y in to.start[1]..to.stop[1] {
                        for z in to.start[2]..to.stop[2] {
                            let voxel = Vec3::new(x, y, z);
                            let got = &target[index(to, channel, voxel) * width..][..width];
                            if part.contains(&Bounds::at(voxel, Vec3::ONE)) {
                                prop_assert_eq!(got, &source[index(from, channel, voxel) * width..][..width]);
                            } else {
                                prop_assert!(got.iter().all(|byte| *byte == 255));
                            }
                        }
                    }
                }
            }
        }
    }
}
