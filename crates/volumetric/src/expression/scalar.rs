//! Plain values and arithmetic on them, as in Python.

use crate::expression::Problem;
use crate::expression::kind::Kind;
use crate::expression::operator::{Binary, Comparison, Unary};

/// A plain value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Boolean(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    Type(Kind),
    None,
}

/// A number that takes part in arithmetic.
#[derive(Debug, Clone, Copy)]
pub(super) enum Plain {
    Integer(i128),
    Float(f64),
}

#[expect(clippy::cast_precision_loss, reason = "as in Python, the nearest float")]
impl Plain {
    pub(super) fn float(self) -> f64 {
        match self {
            Self::Integer(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

impl Scalar {
    /// It, for messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Boolean(true) => "True".into(),
            Self::Boolean(false) => "False".into(),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => format!("{number:?}"),
            Self::Text(text) => format!("the text {text:?}"),
            Self::Type(kind) => format!("the type {}", kind.name()),
            Self::None => "None".into(),
        }
    }

    /// As a number; booleans are 0 and 1.
    pub(super) fn plain(&self) -> Option<Plain> {
        match self {
            Self::Boolean(boolean) => Some(Plain::Integer(i128::from(*boolean))),
            Self::Integer(number) => Some(Plain::Integer(*number)),
            Self::Float(number) => Some(Plain::Float(*number)),
            Self::Text(_) | Self::Type(_) | Self::None => None,
        }
    }

    /// Whether Python takes it for true.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Boolean(boolean) => *boolean,
            Self::Integer(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Type(_) => true,
            Self::None => false,
        }
    }

    pub(super) fn unary(operator: Unary, operand: &Self) -> Result<Self, Problem> {
        match (operator, operand.plain()) {
            (Unary::Plus, Some(Plain::Integer(number))) => Ok(Self::Integer(number)),
            (Unary::Minus, Some(Plain::Integer(number))) => {
                number.checked_neg().map(Self::Integer).ok_or(Problem::Overflow)
            }
            (Unary::Invert, Some(Plain::Integer(number))) => Ok(Self::Integer(!number)),
            (Unary::Plus, Some(Plain::Float(number))) => Ok(Self::Float(number)),
            (Unary::Minus, Some(Plain::Float(number))) => Ok(Self::Float(-number)),
            (Unary::Invert, Some(Plain::Float(_))) | (_, None) => Err(Problem::Operands {
                operation: operator.sign().into(),
                operands: operand.describe(),
                instead: "",
            }),
        }
    }

    pub(super) fn binary(operator: Binary, left: &Self, right: &Self) -> Result<Self, Problem> {
        if let (Self::Boolean(left), Self::Boolean(right)) = (left, right) {
            match operator {
                Binary::And => return Ok(Self::Boolean(left & right)),
                Binary::Or => return Ok(Self::Boolean(left | right)),
                Binary::Xor => return Ok(Self::Boolean(left ^ right)),
                _ => {}
            }
        }
        let refused = || Problem::Operands {
            operation: operator.sign().into(),
            operands: format!("{} and {}", left.describe(), right.describe()),
            instead: "",
        };
        match (left.plain(), right.plain()) {
            (Some(Plain::Integer(left)), Some(Plain::Integer(right))) => whole(operator, left, right),
            (Some(left), Some(right)) => {
                float(operator, left.float(), right.float()).unwrap_or_else(|| Err(refused()))
            }
            _ => Err(refused()),
        }
    }

    pub(super) fn compare(comparison: Comparison, left: &Self, right: &Self) -> Result<bool, Problem> {
        match (left.plain(), right.plain()) {
            (Some(Plain::Integer(left)), Some(Plain::Integer(right))) => Ok(comparison.holds(left, right)),
            (Some(left), Some(right)) => Ok(comparison.holds(left.float(), right.float())),
            _ => match comparison {
                Comparison::Equal => Ok(left == right),
                Comparison::NotEqual => Ok(left != right),
                _ => Err(Problem::Operands {
                    operation: comparison.sign().into(),
                    operands: format!("{} and {}", left.describe(), right.describe()),
                    instead: "",
                }),
            },
        }
    }
}

fn whole(operator: Binary, left: i128, right: i128) -> Result<Scalar, Problem> {
    let shift = || u32::try_from(right).ok().filter(|shift| *shift < 127).ok_or(Problem::Overflow);
    let result = match operator {
        Binary::Add => left.checked_add(right),
        Binary::Subtract => left.checked_sub(right),
        Binary::Multiply => left.checked_mul(right),
        Binary::Divide if right == 0 => return Err(Problem::DivisionByZero),
        #[expect(clippy::cast_precision_loss, reason = "as in Python, the nearest float")]
        Binary::Divide => return Ok(Scalar::Float(left as f64 / right as f64)),
        Binary::FloorDivide | Binary::Remainder if right == 0 => return Err(Problem::DivisionByZero),
        Binary::FloorDivide => {
            let down = i128::from(left.wrapping_rem(right) != 0 && (left < 0) != (right < 0));
            left.checked_div(right).map(|quotient| quotient - down)
        }
        Binary::Remainder => {
            let rest = left.wrapping_rem(right);
            Some(if rest != 0 && (rest < 0) != (right < 0) { rest + right } else { rest })
        }
        #[expect(clippy::cast_precision_loss, reason = "as in Python, the nearest float")]
        Binary::Power if right < 0 => {
            if left == 0 {
                return Err(Problem::DivisionByZero);
            }
            return Ok(Scalar::Float((left as f64).powf(right as f64)));
        }
        Binary::Power => match u32::try_from(right) {
            Ok(exponent) => left.checked_pow(exponent),
            Err(_) if left.unsigned_abs() < 2 => Some(if right % 2 == 0 { left * left } else { left }),
            Err(_) => None,
        },
        Binary::And => Some(left & right),
        Binary::Or => Some(left | right),
        Binary::Xor => Some(left ^ right),
        Binary::ShiftLeft => left.checked_mul(1_i128 << shift()?),
        Binary::ShiftRight => Some(left >> shift()?),
    };
    result.map(Scalar::Integer).ok_or(Problem::Overflow)
}

/// None for operators that fractions do not have.
fn float(operator: Binary, left: f64, right: f64) -> Option<Result<Scalar, Problem>> {
    use crate::expression::number::Number;
    if right == 0.0 && matches!(operator, Binary::Divide | Binary::FloorDivide | Binary::Remainder) {
        return Some(Err(Problem::DivisionByZero));
    }
    let result = match operator {
        Binary::Add => left + right,
        Binary::Subtract => left - right,
        Binary::Multiply => left * right,
        Binary::Divide => left / right,
        Binary::FloorDivide => left.floor_divide(right),
        Binary::Remainder => left.remainder(right),
        Binary::Power => left.powf(right),
        Binary::And | Binary::Or | Binary::Xor | Binary::ShiftLeft | Binary::ShiftRight => return None,
    };
    Some(Ok(Scalar::Float(result)))
}
