//! Three whole numbers, along x, y and z.

use std::fmt;
use std::ops::{Add, Index, IndexMut, Mul, Neg, Sub};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Three whole numbers, along x, y and z: a place in voxels, a size, a step.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Vec3(pub [i64; 3]);

/// Names of the axes, by index.
pub(crate) const AXES: [char; 3] = ['x', 'y', 'z'];

impl Vec3 {
    /// No extent.
    pub const ZERO: Self = Self([0; 3]);
    /// One along each axis.
    pub const ONE: Self = Self([1; 3]);

    /// Of its three numbers.
    pub const fn new(x: i64, y: i64, z: i64) -> Self {
        Self([x, y, z])
    }

    /// The same number along each axis.
    pub const fn splat(number: i64) -> Self {
        Self([number; 3])
    }

    /// Each number changed by itself.
    #[must_use]
    pub fn map(self, change: impl FnMut(i64) -> i64) -> Self {
        Self(self.0.map(change))
    }

    /// Made axis by axis of this one and another.
    #[must_use]
    pub fn zip(self, other: Self, mut make: impl FnMut(i64, i64) -> i64) -> Self {
        Self(std::array::from_fn(|axis| make(self[axis], other[axis])))
    }

    /// The smaller number along each axis.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        self.zip(other, i64::min)
    }

    /// The larger number along each axis.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        self.zip(other, i64::max)
    }

    /// Whether something holds along each axis of this one and another.
    pub fn all(self, other: Self, mut holds: impl FnMut(i64, i64) -> bool) -> bool {
        (0..3).all(|axis| holds(self[axis], other[axis]))
    }

    /// The product of the three.
    pub fn volume(self) -> i64 {
        self.0.iter().product()
    }
}

impl Index<usize> for Vec3 {
    type Output = i64;
    fn index(&self, axis: usize) -> &i64 {
        &self.0[axis]
    }
}

impl IndexMut<usize> for Vec3 {
    fn index_mut(&mut self, axis: usize) -> &mut i64 {
        &mut self.0[axis]
    }
}

impl Add for Vec3 {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl Sub for Vec3 {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl Mul for Vec3 {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
}

impl Mul<i64> for Vec3 {
    type Output = Self;
    fn mul(self, factor: i64) -> Self {
        self.map(|number| number * factor)
    }
}

impl Neg for Vec3 {
    type Output = Self;
    fn neg(self) -> Self {
        self.map(|number| -number)
    }
}

impl fmt::Display for Vec3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}, {}]", self[0], self[1], self[2])
    }
}
