//! What is known of the values of some voxels.

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value as Json, json};

use crate::array::{Array, DataType, Element, Elements, with_elements};
use crate::function::statistics::exact::Sum;
use crate::function::statistics::histogram::{Bins, Histogram, OtherBins};
use crate::geometry::{Bounds, Vec3};

/// What is known of the values of some voxels.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Summary {
    /// How many values there are, without those that are not finite.
    count: u64,
    /// How many are not finite.
    #[serde(default)]
    not_finite: u64,
    min: Option<Number>,
    max: Option<Number>,
    sum: Sum,
    sum_of_squares: Sum,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    histogram: Option<Histogram>,
}

impl Summary {
    pub(super) fn of(array: &Array, inside: Bounds, bins: Option<Bins>) -> Self {
        let mut summary = Self { histogram: bins.map(Histogram::new), ..Self::default() };
        let rows = Rows { array, inside };
        match array.elements() {
            Elements::Uint8(values) => summary.count_bytes(&rows, values, |index| index),
            Elements::Int8(values) => {
                #[expect(clippy::cast_possible_wrap, reason = "bytes are read as what they are")]
                let signed = |index: i128| i128::from(index as u8 as i8);
                summary.count_bytes(&rows, values, signed);
            }
            elements => with_elements!(elements, values => summary.count_values(&rows, values)),
        }
        summary
    }

    /// Values of a byte: how often each occurs says all.
    fn count_bytes<T: Element>(&mut self, rows: &Rows<'_>, values: &[T], value: impl Fn(i128) -> i128) {
        let mut counts = [0_u64; 256];
        rows.each(|start, length| {
            for byte in bytemuck::cast_slice::<T, u8>(&values[start..start + length]) {
                counts[usize::from(*byte)] += 1;
            }
        });
        for (index, times) in (0_i128..).zip(counts).filter(|(_, times)| *times > 0) {
            let value = value(index);
            self.count += times;
            self.sum.add_whole(value * i128::from(times));
            self.sum_of_squares.add_whole(value * value * i128::from(times));
            self.see(whole(value));
            if let Some(histogram) = &mut self.histogram {
                #[expect(clippy::cast_precision_loss, reason = "it is a byte")]
                histogram.count(value as f64, times);
            }
        }
    }

    fn count_values<T: Element>(&mut self, rows: &Rows<'_>, values: &[T]) {
        let (mut least, mut most): (Option<T>, Option<T>) = (None, None);
        rows.each(|start, length| {
            let row = &values[start..start + length];
            // A row's sum is a single float or whole number; only these are added exactly, which takes time.
            let (mut sum, mut squares, mut whole_sum, mut whole_squares) = (0.0, 0.0, 0_i128, 0_i128);
            for value in row {
                let float = value.to_f64();
                if T::DATA_TYPE.is_float() {
                    if !float.is_finite() {
                        self.not_finite += 1;
                        continue;
                    }
                    sum += float;
                    squares += float * float;
                } else {
                    let whole = exact(*value);
                    whole_sum += whole;
                    // The square of a value of 64 bits needs all 128; such ones are summed as floats.
                    if T::DATA_TYPE.size() < 8 {
                        whole_squares += whole * whole;
                    } else {
                        squares += float * float;
                    }
                }
                self.count += 1;
                least = Some(least.map_or(*value, |least| if *value < least { *value } else { least }));
                most = Some(most.map_or(*value, |most| if *value > most { *value } else { most }));
                if let Some(histogram) = &mut self.histogram {
                    histogram.count(float, 1);
                }
            }
            self.sum.add_whole(whole_sum);
            self.sum_of_squares.add_whole(whole_squares);
            // The sum of finite values may be beyond all floats.
            for (total, row) in [(&mut self.sum, sum), (&mut self.sum_of_squares, squares)] {
                total.add_float(row.clamp(f64::MIN, f64::MAX));
            }
        });
        for value in [least, most].into_iter().flatten() {
            self.see(if T::DATA_TYPE.is_float() {
                Number::from_f64(value.to_f64())
            } else {
                whole(exact(value))
            });
        }
    }

    /// Takes a value into account for the ends.
    fn see(&mut self, value: Option<Number>) {
        let Some(value) = value else { return };
        if self.min.as_ref().is_none_or(|min| less(&value, min)) {
            self.min = Some(value.clone());
        }
        if self.max.as_ref().is_none_or(|max| less(max, &value)) {
            self.max = Some(value);
        }
    }

    /// Takes in what is known of other voxels.
    pub(super) fn add(&mut self, other: &Self) -> Result<(), OtherBins> {
        match (&mut self.histogram, &other.histogram) {
            (None, Some(histogram)) if self.count == 0 && self.not_finite == 0 => {
                self.histogram = Some(histogram.clone());
            }
            (Some(mine), Some(other)) => mine.add(other)?,
            (None, None) => {}
            (None, Some(_)) | (Some(_), None) => return Err(OtherBins),
        }
        self.count = self.count.saturating_add(other.count);
        self.not_finite = self.not_finite.saturating_add(other.not_finite);
        self.sum.add(&other.sum);
        self.sum_of_squares.add(&other.sum_of_squares);
        self.see(other.min.clone());
        self.see(other.max.clone());
        Ok(())
    }

    /// With mean and deviation for those who read it.
    pub(super) fn to_json(&self) -> Json {
        let mut json = serde_json::to_value(self).expect("a summary is plain data");
        let (mut mean, mut deviation) = (None, None);
        if self.count > 0 {
            #[expect(clippy::cast_precision_loss, reason = "the nearest float is wanted")]
            let count = self.count as f64;
            let average = self.sum.float() / count;
            mean = Some(average);
            let variance = self.exact_variance().unwrap_or_else(|| {
                // Rounding may take the difference below 0 where all values are equal.
                (self.sum_of_squares.float() / count - average * average).max(0.0)
            });
            deviation = Some(variance.sqrt());
        }
        json["mean"] = json!(mean);
        json["standard_deviation"] = json!(deviation);
        json
    }
}

impl Summary {
    /// Of whole numbers, unless they are too large: where the mean is far from 0, nothing is left of a difference of
    /// rounded numbers.
    fn exact_variance(&self) -> Option<f64> {
        let (sum, squares) = (self.sum.whole()?, self.sum_of_squares.whole()?);
        let count = i128::from(self.count);
        let scaled = count.checked_mul(squares)?.checked_sub(sum.checked_mul(sum)?)?;
        #[expect(clippy::cast_precision_loss, reason = "the nearest float is wanted")]
        let variance = scaled as f64 / count as f64 / count as f64;
        Some(variance)
    }
}

fn whole(value: i128) -> Option<Number> {
    i64::try_from(value).map(Number::from).or_else(|_| u64::try_from(value).map(Number::from)).ok()
}

/// A whole number without loss; the type is known when this is compiled, so that little is left of it.
#[inline(always)]
fn exact<T: Element>(value: T) -> i128 {
    fn of<W: bytemuck::AnyBitPattern + Into<i128>>(bytes: &[u8]) -> i128 {
        bytemuck::pod_read_unaligned::<W>(bytes).into()
    }
    let bytes = bytemuck::bytes_of(&value);
    match T::DATA_TYPE {
        DataType::Uint8 => of::<u8>(bytes),
        DataType::Uint16 => of::<u16>(bytes),
        DataType::Uint32 => of::<u32>(bytes),
        DataType::Uint64 => of::<u64>(bytes),
        DataType::Int8 => of::<i8>(bytes),
        DataType::Int16 => of::<i16>(bytes),
        DataType::Int32 => of::<i32>(bytes),
        DataType::Int64 => of::<i64>(bytes),
        DataType::Float32 | DataType::Float64 => 0,
    }
}

fn less(left: &Number, right: &Number) -> bool {
    match (left.as_i128(), right.as_i128()) {
        (Some(left), Some(right)) => left < right,
        _ => left.as_f64() < right.as_f64(),
    }
}

/// Rows of voxels that are inside.
struct Rows<'a> {
    array: &'a Array,
    inside: Bounds,
}

impl Rows<'_> {
    /// Calls with where each begins and how long it is.
    fn each(&self, mut see: impl FnMut(usize, usize)) {
        let (start, size) = (self.inside.start, self.inside.size());
        let length = usize::try_from(size[0]).unwrap_or(0);
        for channel in 0..self.array.shape().channels {
            for z in 0..size[2] {
                for y in 0..size[1] {
                    see(self.array.index(channel, start + Vec3::new(0, y, z)), length);
                }
            }
        }
    }
}
