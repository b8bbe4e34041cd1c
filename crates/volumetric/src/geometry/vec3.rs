//! Three whole numbers, along x, y and z.

use std::fmt;
use std::ops::{Add, Index, IndexMut, Mul, Neg, Sub};

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// Three whole numbers, along x, y and z: a place in voxels, a size, a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Vec3(pub [i64; 3]);

/// Most voxels along an axis that a spec or a file may speak of; sums and differences of such numbers are exact.
const MOST: i64 = 1 << 48;

impl<'de> Deserialize<'de> for Vec3 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let numbers = <[i64; 3]>::deserialize(deserializer)?;
        match numbers.iter().find(|number| number.unsigned_abs() > MOST.unsigned_abs()) {
            Some(number) => Err(D::Error::custom(format!(
                "{number} voxels are beyond all measure; at most {MOST} can be counted"
            ))),
            None => Ok(Self(numbers)),
        }
    }
}

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

    /// The product of the three, as far as numbers go.
    pub fn volume(self) -> i64 {
        self.0.iter().fold(1, |product, number| product.saturating_mul(*number))
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
        self.zip(other, i64::saturating_add)
    }
}

impl Sub for Vec3 {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.zip(other, i64::saturating_sub)
    }
}

impl Mul for Vec3 {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        self.zip(other, i64::saturating_mul)
    }
}

impl Mul<i64> for Vec3 {
    type Output = Self;
    fn mul(self, factor: i64) -> Self {
        self.map(|number| number.saturating_mul(factor))
    }
}

impl Neg for Vec3 {
    type Output = Self;
    fn neg(self) -> Self {
        self.map(i64::saturating_neg)
    }
}

impl fmt::Display for Vec3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}, {}]", self[0], self[1], self[2])
    }
}
