//! Sums that lose nothing: of whole numbers as such, of floats as a list of floats that do not overlap.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A sum. Adding is exact, so that its order does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sum {
    whole: i128,
    /// Their sum is exact; each is less than half of the last digit of the next.
    parts: Vec<f64>,
}

impl Sum {
    pub(super) fn add_whole(&mut self, number: i128) {
        // 2^127 is far beyond what arrays in memory can sum up to, but not what a forged value can say.
        self.whole = self.whole.saturating_add(number);
    }

    /// Adds a finite float.
    pub(super) fn add_float(&mut self, number: f64) {
        let mut carried = number;
        let mut kept = 0;
        for index in 0..self.parts.len() {
            let (large, small) = match carried.abs() < self.parts[index].abs() {
                true => (self.parts[index], carried),
                false => (carried, self.parts[index]),
            };
            // The rounded sum and, exactly, what was rounded off (Shewchuk 1997).
            let sum = large + small;
            let rest = small - (sum - large);
            if rest != 0.0 {
                self.parts[kept] = rest;
                kept += 1;
            }
            carried = sum;
        }
        self.parts.truncate(kept);
        if carried != 0.0 {
            self.parts.push(carried);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.add_whole(other.whole);
        for part in &other.parts {
            self.add_float(*part);
        }
    }

    /// As a whole number, if only such ones were added.
    pub(super) fn whole(&self) -> Option<i128> {
        self.parts.is_empty().then_some(self.whole)
    }

    /// As the nearest float.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "the rest is added, too"
    )]
    pub(super) fn float(&self) -> f64 {
        let mut all = self.clone();
        let high = self.whole as f64;
        all.add_float(high);
        all.add_float(self.whole.saturating_sub(high as i128) as f64);
        // From the largest on, until something is rounded off.
        let mut parts = all.parts.into_iter().rev();
        let Some(mut total) = parts.next() else { return 0.0 };
        for part in &mut parts {
            let before = total;
            total = before + part;
            let rest = part - (total - before);
            if rest != 0.0 {
                // Just between two floats, the next part says which is nearer (as in Python's fsum).
                let doubled = rest * 2.0;
                let other = total + doubled;
                if parts.next().is_some_and(|next| (next < 0.0) == (rest < 0.0)) && other - total == doubled {
                    return other;
                }
                return total;
            }
        }
        total
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.whole)?;
        self.parts.iter().try_for_each(|part| write!(f, " {part:e}"))
    }
}

/// A text that is no sum.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no sum")]
pub(super) struct NoSum(String);

impl FromStr for Sum {
    type Err = NoSum;

    fn from_str(text: &str) -> Result<Self, NoSum> {
        let mut words = text.split(' ');
        let whole = words.next().and_then(|word| word.parse().ok()).ok_or_else(|| NoSum(text.into()))?;
        let mut sum = Self { whole, parts: Vec::new() };
        for word in words {
            let part: f64 = word.parse().map_err(|_| NoSum(text.into()))?;
            if !part.is_finite() {
                return Err(NoSum(text.into()));
            }
            sum.add_float(part);
        }
        Ok(sum)
    }
}

// As text: numbers of JSON may be rounded by whoever reads them.
impl Serialize for Sum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_is_rounded_off() {
        let mut sum = Sum::default();
        for number in [1e100, 1.0, -1e100, 1e-30, 0.1] {
            sum.add_float(number);
        }
        sum.add_whole(-1);
        assert_eq!(sum.float(), 0.1);
        // As text, too: what was taken away again is gone, and what was rounded off is there.
        let mut again: Sum = sum.to_string().parse().unwrap();
        again.add_float(-0.1);
        assert_eq!(again.float(), 1e-30);
    }

    proptest! {
        #[test]
        fn order_and_groups_do_not_matter(
            numbers in prop::collection::vec((-1e3..1e3_f64, -40..40_i32), 1..30),
            split in 0..30_usize,
        ) {
            let numbers: Vec<f64> = numbers.into_iter().map(|(number, power)| number * 2_f64.powi(power)).collect();
            let of = |numbers: &[f64]| {
                let mut sum = Sum::default();
                numbers.iter().for_each(|number| sum.add_float(*number));
                sum
            };
            let (left, right) = numbers.split_at(split.min(numbers.len()));
            let mut grouped = of(right);
            grouped.add(&of(left));
            let mut backwards = numbers.clone();
            backwards.reverse();
            prop_assert_eq!(of(&numbers).float(), grouped.float());
            prop_assert_eq!(of(&numbers).float(), of(&backwards).float());
        }
    }
}
