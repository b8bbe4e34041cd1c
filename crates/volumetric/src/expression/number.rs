//! Arithmetic on voxels: whole numbers wrap around, floats are IEEE.

use crate::array::Element;

/// A type of voxels that can be computed with.
pub(super) trait Number: Element {
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    /// Of whole numbers only where both are converted to floats before.
    fn divide(self, other: Self) -> Self;
    /// Rounded down.
    fn floor_divide(self, other: Self) -> Self;
    /// With the sign of the divisor.
    fn remainder(self, other: Self) -> Self;
    /// The exponent of a whole number is not negative.
    fn power(self, exponent: Self) -> Self;
    fn negated(self) -> Self;
    fn absolute(self) -> Self;
    /// The smaller, or NaN if one is.
    fn smaller(self, other: Self) -> Self;
    /// The larger, or NaN if one is.
    fn larger(self, other: Self) -> Self;
    fn is_nan(self) -> bool;
    /// The number, if it is of this type; the nearest of floats.
    fn of_integer(number: i128) -> Option<Self>;
    /// The nearest number; only meant for floats.
    fn of_float(number: f64) -> Self;
    /// Of whole numbers; floats lose their fractions.
    fn to_integer(self) -> i128;
    fn is_zero(self) -> bool {
        self == Self::default()
    }
}

/// A type of whole numbers.
pub(super) trait Whole: Number {
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn inverted(self) -> Self;
    /// By more bits than there are, all are gone.
    fn shift_left(self, bits: Self) -> Self;
    /// By more bits than there are, the sign alone is left.
    fn shift_right(self, bits: Self) -> Self;
}

/// A type of floats.
pub(super) trait Fraction: Number {
    fn square_root(self) -> Self;
    fn exponential(self) -> Self;
    fn logarithm(self) -> Self;
    fn down(self) -> Self;
    fn up(self) -> Self;
    /// Half to even.
    fn nearest(self) -> Self;
}

macro_rules! whole {
    ($($type:ty),*) => {$(
        #[allow(
            unused_comparisons,
            clippy::absurd_extreme_comparisons,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_lossless,
            clippy::cast_possible_wrap,
            reason = "one text for types with sign and without"
        )]
        impl Number for $type {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            #[inline(always)]
            fn divide(self, other: Self) -> Self {
                self.floor_divide(other)
            }
            #[inline(always)]
            fn floor_divide(self, other: Self) -> Self {
                if other == 0 {
                    return 0;
                }
                let down = self.wrapping_rem(other) != 0 && (self < 0) != (other < 0);
                self.wrapping_div(other).wrapping_sub(down as Self)
            }
            #[inline(always)]
            fn remainder(self, other: Self) -> Self {
                if other == 0 {
                    return 0;
                }
                let rest = self.wrapping_rem(other);
                if rest != 0 && (rest < 0) != (other < 0) { rest.wrapping_add(other) } else { rest }
            }
            #[inline(always)]
            fn power(self, exponent: Self) -> Self {
                let (mut base, mut exponent, mut result) = (self, exponent, 1 as Self);
                while exponent > 0 {
                    if exponent & 1 == 1 {
                        result = result.wrapping_mul(base);
                    }
                    base = base.wrapping_mul(base);
                    exponent >>= 1;
                }
                result
            }
            #[inline(always)]
            fn negated(self) -> Self {
                self.wrapping_neg()
            }
            #[inline(always)]
            fn absolute(self) -> Self {
                if self < 0 { self.wrapping_neg() } else { self }
            }
            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                self.min(other)
            }
            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                self.max(other)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                false
            }
            fn of_integer(number: i128) -> Option<Self> {
                number.try_into().ok()
            }
            fn of_float(number: f64) -> Self {
                number as Self
            }
            #[inline(always)]
            fn to_integer(self) -> i128 {
                self as i128
            }
        }

        #[allow(
            unused_comparisons,
            clippy::absurd_extreme_comparisons,
            clippy::cast_lossless,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "one text for types with sign and without"
        )]
        impl Whole for $type {
            #[inline(always)]
            fn and(self, other: Self) -> Self {
                self & other
            }
            #[inline(always)]
            fn or(self, other: Self) -> Self {
                self | other
            }
            #[inline(always)]
            fn xor(self, other: Self) -> Self {
                self ^ other
            }
            #[inline(always)]
            fn inverted(self) -> Self {
                !self
            }
            #[inline(always)]
            fn shift_left(self, bits: Self) -> Self {
                if bits >= 0 && (bits as u64) < u64::from(Self::BITS) { self << bits } else { 0 }
            }
            #[inline(always)]
            fn shift_right(self, bits: Self) -> Self {
                let most = (Self::BITS - 1) as Self;
                if bits >= 0 && bits <= most {
                    self >> bits
                } else if self < 0 {
                    Self::MAX.wrapping_add(1) >> most
                } else {
                    0
                }
            }
        }
    )*};
}

whole!(u8, u16, u32, u64, i8, i16, i32, i64);

macro_rules! float {
    ($($type:ty),*) => {$(
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::float_cmp,
            reason = "one text for both types; zeros are compared"
        )]
        impl Number for $type {
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self - other
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self * other
            }
            #[inline(always)]
            fn divide(self, other: Self) -> Self {
                self / other
            }
            // As CPython and NumPy do it: from the exact remainder.
            #[inline(always)]
            fn floor_divide(self, other: Self) -> Self {
                if other == 0.0 {
                    return self / other;
                }
                let quotient = (self - self.remainder(other)) / other;
                let down = quotient.floor();
                if quotient - down > 0.5 { down + 1.0 } else { down }
            }
            #[inline(always)]
            fn remainder(self, other: Self) -> Self {
                let rest = self % other;
                if rest != 0.0 && (rest < 0.0) != (other < 0.0) { rest + other } else { rest }
            }
            #[inline(always)]
            fn power(self, exponent: Self) -> Self {
                self.powf(exponent)
            }
            #[inline(always)]
            fn negated(self) -> Self {
                -self
            }
            #[inline(always)]
            fn absolute(self) -> Self {
                self.abs()
            }
            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                if self < other || self != self { self } else { other }
            }
            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                if self > other || self != self { self } else { other }
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                self != self
            }
            fn of_integer(number: i128) -> Option<Self> {
                Some(number as Self)
            }
            fn of_float(number: f64) -> Self {
                number as Self
            }
            fn to_integer(self) -> i128 {
                self as i128
            }
        }

        impl Fraction for $type {
            #[inline(always)]
            fn square_root(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn exponential(self) -> Self {
                self.exp()
            }
            #[inline(always)]
            fn logarithm(self) -> Self {
                self.ln()
            }
            #[inline(always)]
            fn down(self) -> Self {
                self.floor()
            }
            #[inline(always)]
            fn up(self) -> Self {
                self.ceil()
            }
            #[inline(always)]
            fn nearest(self) -> Self {
                self.round_ties_even()
            }
        }
    )*};
}

float!(f32, f64);
