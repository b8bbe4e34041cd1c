//! Functions that are expressions with names: thresholds, masks, conversions, normalisation.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Number;

use crate::array::{Array, DataType, Shape};
use crate::expression::{Argument, Expression, Outcome};
use crate::function::{Arguments, ArrayFunction, Error, Output, Registration};
use crate::geometry::Vec3;

/// 1 (or `value`) where values lie between two bounds, 0 elsewhere.
#[derive(Debug, Deserialize, JsonSchema)]
struct Threshold {
    /// Values must be larger than this.
    above: Option<Number>,
    /// Values must be smaller than this.
    below: Option<Number>,
    /// What stands where they are.
    #[serde(default = "one")]
    value: Number,
    /// The type of the result.
    #[serde(default = "uint8")]
    data_type: DataType,
}

fn one() -> Number {
    1.into()
}

const fn uint8() -> DataType {
    DataType::Uint8
}

impl ArrayFunction for Threshold {
    fn check(&self) -> Result<(), Error> {
        if self.above.is_none() && self.below.is_none() {
            return Err(Error::Parameter {
                function: "threshold".into(),
                name: "above",
                value: "missing".into(),
                wanted: "given, or `below`",
            });
        }
        // Whether the value is one of the type.
        let sample = Array::zeros(DataType::Uint8, Shape::new(1, Vec3::ONE));
        evaluate(&self.text(), &[&sample]).map(|_| ())
    }

    fn call(&self, arguments: &Arguments<'_>) -> Result<Output, Error> {
        evaluate(&self.text(), &[arguments.array("src")?])
    }
}

impl Threshold {
    fn text(&self) -> String {
        let conditions = [(">", &self.above), ("<", &self.below)].into_iter();
        let conditions: Vec<String> = conditions
            .filter_map(|(sign, bound)| bound.as_ref().map(|bound| format!("(src {sign} {bound})")))
            .collect();
        format!("lambda src: ({}).astype(\"{}\") * {}", conditions.join(" & "), self.data_type, self.value)
    }
}

inventory::submit! { Registration::of::<Threshold>("threshold") }

/// Keeps what lies where another array is not 0.
#[derive(Debug, Deserialize, JsonSchema)]
struct Mask {
    /// What stands elsewhere.
    #[serde(default = "zero")]
    outside: Number,
    /// Keeps what lies where the other array is 0 instead.
    #[serde(default)]
    inverted: bool,
}

fn zero() -> Number {
    0.into()
}

impl ArrayFunction for Mask {
    fn inputs(&self) -> Vec<String> {
        vec!["src".into(), "mask".into()]
    }

    fn call(&self, arguments: &Arguments<'_>) -> Result<Output, Error> {
        let sign = if self.inverted { "==" } else { "!=" };
        let text = format!("lambda src, mask: where(mask {sign} 0, src, {})", self.outside);
        evaluate(&text, &[arguments.array("src")?, arguments.array("mask")?])
    }
}

inventory::submit! { Registration::of::<Mask>("mask") }

/// Converts to another type: fractions are rounded half to even, what is out of range becomes the nearest end, NaN
/// becomes 0. (`astype` of expressions cuts fractions off and wraps whole numbers, as NumPy does.)
#[derive(Debug, Deserialize, JsonSchema)]
struct Cast {
    /// The type of the result.
    data_type: DataType,
}

impl ArrayFunction for Cast {
    fn call(&self, arguments: &Arguments<'_>) -> Result<Output, Error> {
        let (source, to) = (arguments.array("src")?, self.data_type);
        let text = match (source.data_type().is_float(), range(to)) {
            (_, None) => format!("lambda src: src.astype(\"{to}\")"),
            (true, Some(_)) => format!("lambda src: round(src).astype(\"{to}\")"),
            (false, Some((least, most))) => {
                format!("lambda src: np.clip(src, {least}, {most}).astype(\"{to}\")")
            }
        };
        evaluate(&text, &[source])
    }
}

inventory::submit! { Registration::of::<Cast>("cast") }

/// The ends of a type of whole numbers.
fn range(data_type: DataType) -> Option<(i128, i128)> {
    fn ends<T: Into<i128>>(least: T, most: T) -> Option<(i128, i128)> {
        Some((least.into(), most.into()))
    }
    match data_type {
        DataType::Uint8 => ends(u8::MIN, u8::MAX),
        DataType::Uint16 => ends(u16::MIN, u16::MAX),
        DataType::Uint32 => ends(u32::MIN, u32::MAX),
        DataType::Uint64 => ends(u64::MIN, u64::MAX),
        DataType::Int8 => ends(i8::MIN, i8::MAX),
        DataType::Int16 => ends(i16::MIN, i16::MAX),
        DataType::Int32 => ends(i32::MIN, i32::MAX),
        DataType::Int64 => ends(i64::MIN, i64::MAX),
        DataType::Float32 | DataType::Float64 => None,
    }
}

/// Shifts and stretches values: by a mean and a standard deviation, or from one range to another. Computed in
/// `float64`; whole numbers are rounded half to even and cut at the ends of their type.
#[derive(Debug, Deserialize, JsonSchema)]
struct Normalise {
    /// What becomes 0.
    mean: Option<f64>,
    /// What becomes 1 away from 0.
    standard_deviation: Option<f64>,
    /// What becomes the ends of `to`.
    from: Option<[f64; 2]>,
    /// What the ends of `from` become; 0 and 1 by default.
    to: Option<[f64; 2]>,
    /// Cuts what lies beyond `from` at the ends of `to`.
    #[serde(default)]
    clip: bool,
    /// The type of the result.
    #[serde(default = "float32")]
    data_type: DataType,
}

const fn float32() -> DataType {
    DataType::Float32
}

impl Normalise {
    fn wrong(name: &'static str, value: impl std::fmt::Debug, wanted: &'static str) -> Result<(), Error> {
        Err(Error::Parameter { function: "normalise".into(), name, value: format!("{value:?}"), wanted })
    }
}

impl ArrayFunction for Normalise {
    fn check(&self) -> Result<(), Error> {
        let is_range = |[start, stop]: [f64; 2]| start < stop && (stop - start).is_finite();
        match (self.mean, self.standard_deviation, self.from, self.to) {
            (Some(mean), _, None, None) if !mean.is_finite() => Self::wrong("mean", mean, "finite"),
            (Some(_), Some(deviation), None, None) => {
                match deviation > 0.0 && deviation.is_finite() && !self.clip {
                    true => Ok(()),
                    false if self.clip => Self::wrong("clip", true, "given with `from` only"),
                    false => Self::wrong("standard_deviation", deviation, "above 0"),
                }
            }
            (None, None, Some(from), _) if !is_range(from) => Self::wrong("from", from, "two rising numbers"),
            (None, None, Some(_), Some([start, stop])) if !start.is_finite() || !stop.is_finite() => {
                Self::wrong("to", [start, stop], "two finite numbers")
            }
            (None, None, Some(_), _) => Ok(()),
            (mean, deviation, from, to) => Self::wrong(
                "from",
                (from, to, mean, deviation),
                "given, perhaps with `to`; or `mean` and `standard_deviation` instead",
            ),
        }
    }

    fn call(&self, arguments: &Arguments<'_>) -> Result<Output, Error> {
        let (from, to) = match (self.mean, self.standard_deviation, self.from) {
            (Some(mean), Some(deviation), _) => ([mean, mean + deviation], [0.0, 1.0]),
            (_, _, from) => (from.unwrap_or([0.0, 1.0]), self.to.unwrap_or([0.0, 1.0])),
        };
        // Of deviations, not of differences: (mean + deviation) - mean may be another number.
        let width = self.standard_deviation.unwrap_or(from[1] - from[0]);
        let data_type = self.data_type;
        let scaled = format!(
            "(src.astype(\"float64\") - ({:?})) / ({width:?}) * ({:?}) + ({:?})",
            from[0],
            to[1] - to[0],
            to[0]
        );
        let [least, most] = [to[0].min(to[1]), to[0].max(to[1])];
        let clipped = if self.clip { format!("np.clip({scaled}, {least:?}, {most:?})") } else { scaled };
        let text = match data_type.is_float() {
            true => format!("lambda src: ({clipped}).astype(\"{data_type}\")"),
            false => format!("lambda src: round({clipped}).astype(\"{data_type}\")"),
        };
        evaluate(&text, &[arguments.array("src")?])
    }
}

inventory::submit! { Registration::of::<Normalise>("normalise") }

fn evaluate(text: &str, arrays: &[&Array]) -> Result<Output, Error> {
    let arguments: Vec<_> = arrays.iter().map(|array| Some(Argument::Array(array))).collect();
    Ok(match Expression::parse(text)?.evaluate(&arguments)? {
        Outcome::Array(array) => Output::Array(array),
        Outcome::Integer(number) => Output::Integer(number),
        Outcome::Number(number) => Output::Number(number),
    })
}
