//! Operators and functions on parts of an expression, plain values or arrays: into which type they are brought.

use crate::array::DataType;
use crate::expression::builtin::Builtin;
use crate::expression::kind::Kind;
use crate::expression::operator::{Binary, Comparison, Unary};
use crate::expression::scalar::{Plain, Scalar};
use crate::expression::typed::Values;
use crate::expression::{Problem, elementwise};

/// Steps that give an array.
pub(super) struct Lowered<'a> {
    pub(super) values: Values<'a>,
    pub(super) channels: usize,
}

/// What a part of an expression gives.
pub(super) enum Value<'a> {
    Scalar(Scalar),
    Array(Lowered<'a>),
}

impl Value<'_> {
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Scalar(scalar) => scalar.describe(),
            Self::Array(array) => format!("an array of {}", array.values.kind().name()),
        }
    }
}

/// Two operands of one type, ready to be computed with.
enum Pair<'a> {
    Scalars(Scalar, Scalar),
    Arrays { left: Values<'a>, right: Values<'a>, channels: usize },
}

const FLOAT64: Kind = Kind::Data(DataType::Float64);
const INT64: Kind = Kind::Data(DataType::Int64);

fn refused(operation: &str, operands: String) -> Problem {
    Problem::Operands { operation: operation.into(), operands, instead: "" }
}

/// How many channels two arrays have together.
fn joined(left: usize, right: usize) -> Result<usize, Problem> {
    match (left, right) {
        (1, other) | (other, 1) => Ok(other),
        (left, right) if left == right => Ok(left),
        (left, right) => {
            Err(Problem::Sizes { first: format!("{left} channels"), second: format!("{right} channels") })
        }
    }
}

/// Two operands in the type that they have in common, or at least in a type of floats.
fn pair<'a>(operation: &str, left: Value<'a>, right: Value<'a>, to_float: bool) -> Result<Pair<'a>, Problem> {
    let float = |kind: Kind| if to_float && !kind.is_float() { FLOAT64 } else { kind };
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => Ok(Pair::Scalars(left, right)),
        (Value::Array(left), Value::Array(right)) => {
            let (left_kind, right_kind) = (left.values.kind(), right.values.kind());
            let kind = left_kind
                .common(right_kind)
                .map(float)
                .ok_or(Problem::NoCommonType { left: left_kind.name(), right: right_kind.name() })?;
            let channels = joined(left.channels, right.channels)?;
            Ok(Pair::Arrays { left: left.values.cast(kind), right: right.values.cast(kind), channels })
        }
        (Value::Array(array), Value::Scalar(scalar)) => {
            let (array, constant, channels) = beside(operation, array, &scalar, float)?;
            Ok(Pair::Arrays { left: array, right: constant, channels })
        }
        (Value::Scalar(scalar), Value::Array(array)) => {
            let (array, constant, channels) = beside(operation, array, &scalar, float)?;
            Ok(Pair::Arrays { left: constant, right: array, channels })
        }
    }
}

/// An array and a plain value beside it, in one type.
fn beside<'a>(
    operation: &str,
    array: Lowered<'a>,
    scalar: &Scalar,
    float: impl Fn(Kind) -> Kind,
) -> Result<(Values<'a>, Values<'a>, usize), Problem> {
    let kind = array.values.kind();
    let plain = scalar.plain().ok_or_else(|| {
        refused(operation, format!("an array of {} and {}", kind.name(), scalar.describe()))
    })?;
    let kind = float(match plain {
        Plain::Integer(_) if kind == Kind::Boolean && !matches!(scalar, Scalar::Boolean(_)) => INT64,
        Plain::Float(_) if !kind.is_float() => FLOAT64,
        Plain::Integer(_) | Plain::Float(_) => kind,
    });
    let constant = Values::constant(kind, plain).ok_or_else(|| out_of_range(plain, kind))?;
    Ok((array.values.cast(kind), constant, array.channels))
}

fn out_of_range(plain: Plain, kind: Kind) -> Problem {
    match plain {
        Plain::Integer(number) => Problem::OutOfRange { number, data_type: kind.name() },
        Plain::Float(_) => Problem::Overflow,
    }
}

pub(super) fn unary(operator: Unary, operand: Value<'_>) -> Result<Value<'_>, Problem> {
    match operand {
        Value::Scalar(scalar) => Scalar::unary(operator, &scalar).map(Value::Scalar),
        Value::Array(Lowered { values, channels }) => {
            let kind = values.kind();
            elementwise::unary(operator, values)
                .map(|values| Value::Array(Lowered { values, channels }))
                .ok_or_else(|| refused(operator.sign(), format!("an array of {}", kind.name())))
        }
    }
}

pub(super) fn binary<'a>(operator: Binary, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>, Problem> {
    let described = format!("{} and {}", left.describe(), right.describe());
    let negative = matches!(&right, Value::Scalar(Scalar::Integer(exponent)) if *exponent < 0);
    let by_array = matches!(&right, Value::Array(_));
    let (left, right, channels) = match pair(operator.sign(), left, right, operator == Binary::Divide)? {
        Pair::Scalars(left, right) => return Scalar::binary(operator, &left, &right).map(Value::Scalar),
        Pair::Arrays { left, right, channels } => (left, right, channels),
    };
    let kind = left.kind();
    let signed = Kind::common(kind, Kind::Data(DataType::Int8)) == Some(kind);
    if operator == Binary::Power && !kind.is_float() && (negative || (by_array && signed)) {
        let instead = "whole numbers have no negative powers; convert with .astype(\"float64\")";
        return Err(Problem::Operands { operation: operator.sign().into(), operands: described, instead });
    }
    let instead = if kind == Kind::Boolean { "use & | ^, or convert with .astype(\"uint8\")" } else { "" };
    elementwise::binary(operator, left, right)
        .map(|values| Value::Array(Lowered { values, channels }))
        .ok_or_else(|| Problem::Operands { operation: operator.sign().into(), operands: described, instead })
}

pub(super) fn compare<'a>(
    comparison: Comparison,
    left: Value<'a>,
    right: Value<'a>,
) -> Result<Value<'a>, Problem> {
    let described = format!("{} and {}", left.describe(), right.describe());
    // Numbers are compared as they are, not in the type of the array: 300 is larger than any uint8.
    let value = match (left, right) {
        (Value::Array(array), Value::Scalar(scalar)) => return compare_plain(comparison, array, &scalar),
        (Value::Scalar(scalar), Value::Array(array)) => {
            return compare_plain(comparison.swapped(), array, &scalar);
        }
        (left, right) => pair(comparison.sign(), left, right, false)?,
    };
    let (left, right, channels) = match value {
        Pair::Scalars(left, right) => {
            return Scalar::compare(comparison, &left, &right)
                .map(|truth| Value::Scalar(Scalar::Boolean(truth)));
        }
        Pair::Arrays { left, right, channels } => (left, right, channels),
    };
    let number = if left.kind() == Kind::Boolean { Kind::Data(DataType::Uint8) } else { left.kind() };
    elementwise::compare(comparison, left.cast(number), right.cast(number))
        .map(|values| Value::Array(Lowered { values, channels }))
        .ok_or_else(|| refused(comparison.sign(), described))
}

fn compare_plain<'a>(
    comparison: Comparison,
    array: Lowered<'a>,
    scalar: &Scalar,
) -> Result<Value<'a>, Problem> {
    let Lowered { values, channels } = array;
    let kind = if values.kind() == Kind::Boolean { Kind::Data(DataType::Uint8) } else { values.kind() };
    let described = || format!("an array of {} and {}", kind.name(), scalar.describe());
    let mut plain = scalar.plain().ok_or_else(|| refused(comparison.sign(), described()))?;
    // A float without fraction is compared exactly, which matters for labels beyond 2^53.
    if let (Plain::Float(number), false) = (plain, kind.is_float())
        && number.fract() == 0.0
        && number.abs() < 1e30
    {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and fits")]
        let whole = number as i128;
        plain = Plain::Integer(whole);
    }
    let kind = match plain {
        Plain::Float(_) if !kind.is_float() => FLOAT64,
        Plain::Integer(_) | Plain::Float(_) => kind,
    };
    let result = match (Values::constant(kind, plain), plain) {
        (Some(constant), _) => elementwise::compare(comparison, values.cast(kind), constant),
        (None, Plain::Integer(number)) => {
            let truth = comparison.holds(0, number.signum());
            Values::constant(Kind::Boolean, Plain::Integer(i128::from(truth)))
        }
        (None, Plain::Float(_)) => None,
    };
    result
        .map(|values| Value::Array(Lowered { values, channels }))
        .ok_or_else(|| refused(comparison.sign(), described()))
}

pub(super) fn extreme<'a>(builtin: Builtin, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>, Problem> {
    let name = if builtin == Builtin::Min { "min" } else { "max" };
    let described = format!("{} and {}", left.describe(), right.describe());
    match pair(name, left, right, false)? {
        Pair::Scalars(left, right) => {
            let comparison = if builtin == Builtin::Min { Comparison::Less } else { Comparison::Greater };
            if left.plain().is_none() || right.plain().is_none() {
                return Err(refused(name, described));
            }
            Ok(Value::Scalar(if Scalar::compare(comparison, &right, &left)? { right } else { left }))
        }
        Pair::Arrays { left, right, channels } => elementwise::extreme(builtin, left, right)
            .map(|values| Value::Array(Lowered { values, channels }))
            .ok_or_else(|| refused(name, described)),
    }
}

/// Bounded on one side. A bound that the type never reaches is none.
pub(super) fn clip<'a>(value: Value<'a>, builtin: Builtin, bound: Value<'a>) -> Result<Value<'a>, Problem> {
    if let (Value::Array(array), Value::Scalar(Scalar::Integer(number))) = (&value, &bound) {
        let kind = array.values.kind();
        let fits = Values::constant(kind, Plain::Integer(*number)).is_some();
        let is_beyond = if builtin == Builtin::Max { *number < 0 } else { *number > 0 };
        if !fits && is_beyond {
            return Ok(value);
        }
    }
    match bound {
        Value::Scalar(Scalar::None) => Ok(value),
        bound => extreme(builtin, value, bound),
    }
}

pub(super) fn choose<'a>(condition: Value<'a>, yes: Value<'a>, no: Value<'a>) -> Result<Value<'a>, Problem> {
    let condition = match condition {
        Value::Scalar(scalar) => return Ok(if scalar.truth() { yes } else { no }),
        Value::Array(array) => array,
    };
    let described = format!("{} and {}", yes.describe(), no.describe());
    let (yes, no, channels) = match pair("where", yes, no, false)? {
        Pair::Arrays { left, right, channels } => (left, right, joined(channels, condition.channels)?),
        Pair::Scalars(yes, no) => {
            let (Some(first), Some(second)) = (yes.plain(), no.plain()) else {
                return Err(refused("where", described));
            };
            let kind = match (first, second, &yes, &no) {
                (_, _, Scalar::Boolean(_), Scalar::Boolean(_)) => Kind::Boolean,
                (Plain::Integer(_), Plain::Integer(_), _, _) => INT64,
                _ => FLOAT64,
            };
            let made = |plain| Values::constant(kind, plain).ok_or_else(|| out_of_range(plain, kind));
            (made(first)?, made(second)?, condition.channels)
        }
    };
    elementwise::select(condition.values.truths(), yes, no)
        .map(|values| Value::Array(Lowered { values, channels }))
        .ok_or_else(|| refused("where", described))
}

pub(super) fn truths(value: Value<'_>) -> Result<Value<'_>, Problem> {
    convert(value, Kind::Boolean)
}

pub(super) fn convert(value: Value<'_>, kind: Kind) -> Result<Value<'_>, Problem> {
    let scalar = match value {
        Value::Array(Lowered { values, channels }) => {
            return Ok(Value::Array(Lowered { values: values.cast(kind), channels }));
        }
        Value::Scalar(scalar) => scalar,
    };
    let plain = scalar.plain().ok_or_else(|| refused("astype", scalar.describe()))?;
    Ok(Value::Scalar(match (kind, plain) {
        (Kind::Boolean, _) => Scalar::Boolean(scalar.truth()),
        (kind, plain) if kind.is_float() => Scalar::Float(plain.float()),
        (_, Plain::Integer(number)) => Scalar::Integer(number),
        #[expect(clippy::cast_possible_truncation, reason = "saturates; only finite numbers pass")]
        (_, Plain::Float(number)) if number.is_finite() => Scalar::Integer(number as i128),
        (_, Plain::Float(_)) => return Err(Problem::Overflow),
    }))
}

pub(super) fn of_one(builtin: Builtin, name: String, value: Value<'_>) -> Result<Value<'_>, Problem> {
    let described = value.describe();
    let Lowered { values, channels } = match value {
        Value::Array(array) => array,
        Value::Scalar(scalar) => {
            let plain = scalar.plain().ok_or_else(|| refused(&name, described))?;
            return of_plain(builtin, plain).map(Value::Scalar);
        }
    };
    let is_float = values.kind().is_float();
    let changed = match builtin {
        Builtin::Absolute => Some(elementwise::absolute(values)),
        Builtin::IsNan => Some(elementwise::is_nan(values)),
        Builtin::Round | Builtin::Floor | Builtin::Ceil if !is_float => Some(values),
        _ if !is_float => elementwise::fraction(builtin, values.cast(FLOAT64)),
        _ => elementwise::fraction(builtin, values),
    };
    changed.map(|values| Value::Array(Lowered { values, channels })).ok_or_else(|| refused(&name, described))
}

fn of_plain(builtin: Builtin, plain: Plain) -> Result<Scalar, Problem> {
    Ok(match (builtin, plain) {
        (Builtin::Absolute, Plain::Integer(number)) => {
            Scalar::Integer(number.checked_abs().ok_or(Problem::Overflow)?)
        }
        (Builtin::Round | Builtin::Floor | Builtin::Ceil, Plain::Integer(number)) => Scalar::Integer(number),
        (Builtin::Absolute, Plain::Float(number)) => Scalar::Float(number.abs()),
        (Builtin::Round, Plain::Float(number)) => Scalar::Float(number.round_ties_even()),
        (Builtin::Floor, Plain::Float(number)) => Scalar::Float(number.floor()),
        (Builtin::Ceil, Plain::Float(number)) => Scalar::Float(number.ceil()),
        (Builtin::SquareRoot, plain) => Scalar::Float(plain.float().sqrt()),
        (Builtin::Exponential, plain) => Scalar::Float(plain.float().exp()),
        (Builtin::Logarithm, plain) => Scalar::Float(plain.float().ln()),
        (Builtin::IsNan, plain) => Scalar::Boolean(plain.float().is_nan()),
        _ => return Err(refused(&format!("{builtin:?}").to_lowercase(), "a plain number".into())),
    })
}
