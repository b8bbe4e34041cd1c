//! Operators on steps of one type.

use crate::expression::block::{Boxed, choose, map, zip};
use crate::expression::builtin::Builtin;
use crate::expression::number::{Fraction, Number, Whole};
use crate::expression::operator::{Binary, Comparison, Unary};
use crate::expression::typed::{Values, Wrapped, with_numbers};

/// Runs code with two steps of the same type of numbers; None for others.
macro_rules! with_both {
    ($left:expr, $right:expr; $($name:ident),*; ($l:ident, $r:ident) => $body:expr) => {
        match ($left, $right) {
            $((Values::$name($l), Values::$name($r)) => Some($body),)*
            _ => None,
        }
    };
}

/// Two steps of one type of numbers. None for other types, and operators that a type does not have.
pub(super) fn binary<'a>(operator: Binary, left: Values<'a>, right: Values<'a>) -> Option<Values<'a>> {
    if operator.is_bitwise() {
        return bitwise(operator, left, right);
    }
    fn numbers<'a, T: Number + Wrapped>(
        operator: Binary,
        left: Boxed<'a, T>,
        right: Boxed<'a, T>,
    ) -> Values<'a> {
        T::typed(match operator {
            Binary::Add => zip(left, right, T::plus),
            Binary::Subtract => zip(left, right, T::minus),
            Binary::Multiply => zip(left, right, T::times),
            Binary::Divide => zip(left, right, T::divide),
            Binary::FloorDivide => zip(left, right, T::floor_divide),
            Binary::Remainder => zip(left, right, T::remainder),
            Binary::Power => zip(left, right, T::power),
            Binary::And | Binary::Or | Binary::Xor | Binary::ShiftLeft | Binary::ShiftRight => {
                unreachable!("is no operator on bits")
            }
        })
    }
    with_both!(left, right;
        Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Float32, Float64;
        (left, right) => numbers(operator, left, right))
}

fn bitwise<'a>(operator: Binary, left: Values<'a>, right: Values<'a>) -> Option<Values<'a>> {
    fn whole<'a, T: Whole + Wrapped>(
        operator: Binary,
        left: Boxed<'a, T>,
        right: Boxed<'a, T>,
    ) -> Option<Values<'a>> {
        Some(T::typed(match operator {
            Binary::And => zip(left, right, T::and),
            Binary::Or => zip(left, right, T::or),
            Binary::Xor => zip(left, right, T::xor),
            Binary::ShiftLeft => zip(left, right, T::shift_left),
            Binary::ShiftRight => zip(left, right, T::shift_right),
            Binary::Add
            | Binary::Subtract
            | Binary::Multiply
            | Binary::Divide
            | Binary::FloorDivide
            | Binary::Remainder
            | Binary::Power => return None,
        }))
    }
    match (left, right) {
        (Values::Boolean(left), Values::Boolean(right)) => match operator {
            Binary::And => Some(bool::typed(zip(left, right, |left, right| left & right))),
            Binary::Or => Some(bool::typed(zip(left, right, |left, right| left | right))),
            Binary::Xor => Some(bool::typed(zip(left, right, |left: bool, right| left ^ right))),
            _ => None,
        },
        (left, right) => with_both!(left, right;
            Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64;
            (left, right) => whole(operator, left, right))
        .flatten(),
    }
}

/// One step; None for operators that a type does not have.
pub(super) fn unary(operator: Unary, operand: Values<'_>) -> Option<Values<'_>> {
    fn negated<T: Number + Wrapped>(node: Boxed<'_, T>) -> Values<'_> {
        T::typed(map(node, T::negated))
    }
    fn inverted<T: Whole + Wrapped>(node: Boxed<'_, T>) -> Option<Values<'_>> {
        Some(T::typed(map(node, T::inverted)))
    }
    match operator {
        Unary::Plus => (!matches!(operand, Values::Boolean(_))).then_some(operand),
        Unary::Minus => with_numbers!(operand, node => Some(negated(node)), _boolean => None),
        Unary::Invert => match operand {
            Values::Boolean(node) => Some(bool::typed(map(node, |value: bool| !value))),
            Values::Uint8(node) => inverted(node),
            Values::Uint16(node) => inverted(node),
            Values::Uint32(node) => inverted(node),
            Values::Uint64(node) => inverted(node),
            Values::Int8(node) => inverted(node),
            Values::Int16(node) => inverted(node),
            Values::Int32(node) => inverted(node),
            Values::Int64(node) => inverted(node),
            Values::Float32(_) | Values::Float64(_) => None,
        },
    }
}

/// Whether it holds, of two steps of one type of numbers.
pub(super) fn compare<'a>(comparison: Comparison, left: Values<'a>, right: Values<'a>) -> Option<Values<'a>> {
    // One loop for each comparison: the compiler makes good ones only of those without a choice inside.
    fn numbers<'a, T: Number>(comparison: Comparison, left: Boxed<'a, T>, right: Boxed<'a, T>) -> Values<'a> {
        bool::typed(match comparison {
            Comparison::Less => zip(left, right, |left, right| left < right),
            Comparison::LessEqual => zip(left, right, |left, right| left <= right),
            Comparison::Equal => zip(left, right, |left, right| left == right),
            Comparison::NotEqual => zip(left, right, |left, right| left != right),
            Comparison::GreaterEqual => zip(left, right, |left, right| left >= right),
            Comparison::Greater => zip(left, right, |left, right| left > right),
        })
    }
    with_both!(left, right;
        Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Float32, Float64;
        (left, right) => numbers(comparison, left, right))
}

/// The smaller or larger of two steps of one type.
pub(super) fn extreme<'a>(builtin: Builtin, left: Values<'a>, right: Values<'a>) -> Option<Values<'a>> {
    fn numbers<'a, T: Number + Wrapped>(
        builtin: Builtin,
        left: Boxed<'a, T>,
        right: Boxed<'a, T>,
    ) -> Values<'a> {
        T::typed(if builtin == Builtin::Min {
            zip(left, right, T::smaller)
        } else {
            zip(left, right, T::larger)
        })
    }
    match (left, right) {
        (left @ Values::Boolean(_), right @ Values::Boolean(_)) => {
            bitwise(if builtin == Builtin::Min { Binary::And } else { Binary::Or }, left, right)
        }
        (left, right) => with_both!(left, right;
            Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Float32, Float64;
            (left, right) => numbers(builtin, left, right)),
    }
}

/// One of two steps of one type.
pub(super) fn select<'a>(condition: Boxed<'a, bool>, yes: Values<'a>, no: Values<'a>) -> Option<Values<'a>> {
    fn one<'a, T: Wrapped>(condition: Boxed<'a, bool>, yes: Boxed<'a, T>, no: Boxed<'a, T>) -> Values<'a> {
        T::typed(choose(condition, yes, no))
    }
    with_both!(yes, no;
        Boolean, Uint8, Uint16, Uint32, Uint64, Int8, Int16, Int32, Int64, Float32, Float64;
        (yes, no) => one(condition, yes, no))
}

/// The distance from 0.
pub(super) fn absolute(operand: Values<'_>) -> Values<'_> {
    fn number<T: Number + Wrapped>(node: Boxed<'_, T>) -> Values<'_> {
        T::typed(map(node, T::absolute))
    }
    with_numbers!(operand, node => number(node), boolean => Values::Boolean(boolean))
}

/// Where values are no numbers.
pub(super) fn is_nan(operand: Values<'_>) -> Values<'_> {
    with_numbers!(operand, node => bool::typed(map(node, Number::is_nan)), node => bool::typed(map(node, |_: bool| false)))
}

/// A function of fractions; whole numbers have to be converted before. None if they were not.
pub(super) fn fraction(builtin: Builtin, operand: Values<'_>) -> Option<Values<'_>> {
    fn float<T: Fraction + Wrapped>(builtin: Builtin, node: Boxed<'_, T>) -> Option<Values<'_>> {
        let changed = match builtin {
            Builtin::Round => map(node, T::nearest),
            Builtin::Floor => map(node, T::down),
            Builtin::Ceil => map(node, T::up),
            Builtin::SquareRoot => map(node, T::square_root),
            Builtin::Exponential => map(node, T::exponential),
            Builtin::Logarithm => map(node, T::logarithm),
            _ => return None,
        };
        Some(T::typed(changed))
    }
    match operand {
        Values::Float32(node) => float(builtin, node),
        Values::Float64(node) => float(builtin, node),
        _ => None,
    }
}
