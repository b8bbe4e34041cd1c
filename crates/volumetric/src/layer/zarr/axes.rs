//! The order of an array's axes, and copies between it and ours.

use std::fmt;
use std::str::FromStr;

use crate::geometry::Vec3;

/// What an axis of an array runs along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// Time.
    T,
    /// Channels.
    C,
    /// x, y or z by index.
    Space(usize),
}

/// The axes of an array, slowest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Axes(pub(super) Vec<Axis>);

impl FromStr for Axes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let axis = |letter: char| match letter.to_ascii_lowercase() {
            't' => Some(Axis::T),
            'c' => Some(Axis::C),
            'x' => Some(Axis::Space(0)),
            'y' => Some(Axis::Space(1)),
            'z' => Some(Axis::Space(2)),
            _ => None,
        };
        let axes: Option<Vec<Axis>> = text.chars().map(axis).collect();
        let axes = axes.ok_or_else(|| format!("{text:?} has others than t, c, z, y and x"))?;
        if axes.iter().enumerate().any(|(index, axis)| axes[..index].contains(axis)) {
            return Err(format!("{text:?} has an axis twice"));
        }
        if !axes.contains(&Axis::Space(0)) || !axes.contains(&Axis::Space(1)) {
            return Err(format!("{text:?} lacks x or y"));
        }
        Ok(Self(axes))
    }
}

impl fmt::Display for Axes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for axis in &self.0 {
            f.write_str(axis.name())?;
        }
        Ok(())
    }
}

impl Axis {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::T => "t",
            Self::C => "c",
            Self::Space(axis) => ["x", "y", "z"][axis],
        }
    }
}

impl Axes {
    /// What arrays of so many axes usually have.
    pub(super) fn usual(count: usize) -> Option<Self> {
        ["yx", "zyx", "czyx", "tczyx"].into_iter().find(|axes| axes.len() == count)?.parse().ok()
    }

    /// One number for each axis of the array.
    pub(super) fn spread<T>(&self, mut number: impl FnMut(Axis) -> T) -> Vec<T> {
        self.0.iter().map(|axis| number(*axis)).collect()
    }

    /// The number along one axis, or what stands for an axis that the array does not have.
    pub(super) fn pick<T: Copy>(&self, numbers: &[T], axis: Axis, otherwise: T) -> T {
        self.0.iter().position(|other| *other == axis).map_or(otherwise, |index| numbers[index])
    }

    /// The numbers along x, y and z.
    pub(super) fn pick_space<T: Copy>(&self, numbers: &[T], otherwise: T) -> [T; 3] {
        std::array::from_fn(|axis| self.pick(numbers, Axis::Space(axis), otherwise))
    }
}

/// How many bytes lie between neighbours along x, y, z and channels.
pub(super) type Steps = [usize; 4];

/// The steps of an array in C order.
pub(super) fn steps_of(axes: &Axes, shape: &[u64], width: usize) -> Steps {
    let mut step = width;
    let mut steps = vec![0; shape.len()];
    for (index, length) in shape.iter().enumerate().rev() {
        steps[index] = step;
        step *= usize::try_from(*length).unwrap_or(usize::MAX);
    }
    let [x, y, z] = axes.pick_space(&steps, 0);
    [x, y, z, axes.pick(&steps, Axis::C, 0)]
}

/// Our own steps.
pub(super) fn own_steps(size: Vec3, width: usize) -> Steps {
    let [x, y, z] = size.0.map(|length| usize::try_from(length).unwrap_or_default());
    [width, width * x, width * x * y, width * x * y * z]
}

/// Copies so many values along x, y, z and channels, from the first place of each on.
pub(super) fn copy(
    (from, from_steps): (&[u8], Steps),
    (to, to_steps): (&mut [u8], Steps),
    counts: [usize; 4],
    width: usize,
) {
    if counts.contains(&0) {
        return;
    }
    if from_steps == to_steps || (from_steps[0] == width && to_steps[0] == width) {
        // Rows are alike; as many of them as have no gap in between go in one run.
        let mut run = width;
        let mut outer = counts;
        for axis in 0..4 {
            if axis > 0 && (from_steps[axis] != run || to_steps[axis] != run) {
                break;
            }
            run *= counts[axis];
            outer[axis] = 1;
        }
        each(outer, from_steps, to_steps, |from_at, to_at| {
            to[to_at..to_at + run].copy_from_slice(&from[from_at..from_at + run]);
        });
        return;
    }
    let [x, ..] = counts;
    let mut rows = counts;
    rows[0] = 1;
    // A copy of a known number of bytes is one instruction.
    fn row<const WIDTH: usize>(from: &[u8], from_step: usize, to: &mut [u8], to_step: usize, count: usize) {
        for index in 0..count {
            let (from_at, to_at) = (index * from_step, index * to_step);
            let value: [u8; WIDTH] = from[from_at..from_at + WIDTH].try_into().expect("as many bytes");
            to[to_at..to_at + WIDTH].copy_from_slice(&value);
        }
    }
    each(rows, from_steps, to_steps, |from_at, to_at| {
        let (from, to) = (&from[from_at..], &mut to[to_at..]);
        match width {
            1 => row::<1>(from, from_steps[0], to, to_steps[0], x),
            2 => row::<2>(from, from_steps[0], to, to_steps[0], x),
            4 => row::<4>(from, from_steps[0], to, to_steps[0], x),
            _ => row::<8>(from, from_steps[0], to, to_steps[0], x),
        }
    });
}

fn each(counts: [usize; 4], from: Steps, to: Steps, mut run: impl FnMut(usize, usize)) {
    let place = |steps: Steps, at: [usize; 4]| (0..4).map(|axis| steps[axis] * at[axis]).sum();
    for c in 0..counts[3] {
        for z in 0..counts[2] {
            for y in 0..counts[1] {
                for x in 0..counts[0] {
                    run(place(from, [x, y, z, c]), place(to, [x, y, z, c]));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_read_and_refused_with_the_reason() {
        for text in ["zyx", "czyx", "tczyx", "xyzc", "yx"] {
            assert_eq!(text.parse::<Axes>().unwrap().to_string(), text);
        }
        for (text, reason) in [("zyxq", "others than"), ("zyxx", "twice"), ("czy", "lacks x or y")] {
            assert!(text.parse::<Axes>().unwrap_err().contains(reason));
        }
    }

    #[test]
    fn every_order_of_axes_comes_back() {
        let size = [3_usize, 4, 2, 5];
        for text in ["czyx", "xyzc", "zcxy", "tyczx"] {
            let axes: Axes = text.parse().unwrap();
            for width in [1, 2, 4, 8] {
                let shape = axes.spread(|axis| match axis {
                    Axis::T => 1_u64,
                    Axis::C => size[3] as u64,
                    Axis::Space(axis) => size[axis] as u64,
                });
                let length = size.iter().product::<usize>() * width;
                let values: Vec<u8> = (0..length).map(|byte| u8::try_from(byte % 251).unwrap()).collect();
                let (own, theirs) = (own_steps(Vec3::new(3, 4, 2), width), steps_of(&axes, &shape, width));
                let (mut block, mut back) = (vec![0; length], vec![0; length]);
                copy((&values, own), (&mut block, theirs), size, width);
                copy((&block, theirs), (&mut back, own), size, width);
                assert_eq!(values, back, "{text}");
                assert_eq!(block == values, text == "czyx", "{text}");
                // The last value along x of the first row is where the order says.
                assert_eq!(block[theirs[0] * 2..][..width], values[own[0] * 2..][..width]);
            }
        }
    }
}
