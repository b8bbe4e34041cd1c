//! From a tree and the types of its inputs to steps over blocks. What consists of plain values only is computed here.

use crate::expression::builtin::Builtin;
use crate::expression::combine::{self, Lowered, Value};
use crate::expression::operator::{Binary, Comparison, Unary};
use crate::expression::reduce::{Extent, reduce};
use crate::expression::scalar::Scalar;
use crate::expression::signature::type_of;
use crate::expression::syntax::{Node, Tree};
use crate::expression::{Error, Problem};

/// Lowers trees over inputs of so many voxels.
pub(super) struct Lowering<'a, I: Fn(usize) -> Value<'a>> {
    /// Makes the value of an input, as often as it is named.
    pub(super) input: I,
    pub(super) voxels: usize,
}

impl<'a, I: Fn(usize) -> Value<'a>> Lowering<'a, I> {
    /// What a part gives.
    pub(super) fn lower(&self, node: &Node) -> Result<Value<'a>, Error> {
        let column = node.column;
        match &node.tree {
            Tree::Scalar(scalar) => Ok(Value::Scalar(scalar.clone())),
            Tree::Parameter(index) => Ok((self.input)(*index)),
            Tree::Unary(operator, operand) => {
                combine::unary(*operator, self.lower(operand)?).map_err(|p| p.at(column))
            }
            Tree::Binary(operator, operands) => {
                let (left, right) = (self.lower(&operands[0])?, self.lower(&operands[1])?);
                combine::binary(*operator, left, right).map_err(|problem| problem.at(column))
            }
            Tree::Compare(first, others) => self.comparisons(column, first, others),
            Tree::IsNone(operand, negated) => {
                let is_none = matches!(self.lower(operand)?, Value::Scalar(Scalar::None));
                Ok(Value::Scalar(Scalar::Boolean(is_none != *negated)))
            }
            Tree::And(operands) => {
                let left =
                    self.scalar(&operands[0], "and", "use & between parentheses: (a > 1) & (b < 2)")?;
                if left.truth() { self.lower(&operands[1]) } else { Ok(Value::Scalar(left)) }
            }
            Tree::Or(operands) => {
                let left = self.scalar(&operands[0], "or", "use | between parentheses: (a > 1) | (b < 2)")?;
                if left.truth() { Ok(Value::Scalar(left)) } else { self.lower(&operands[1]) }
            }
            Tree::Not(operand) => {
                let operand = self.scalar(operand, "not", "use ~ before parentheses: ~(a > 1)")?;
                Ok(Value::Scalar(Scalar::Boolean(!operand.truth())))
            }
            Tree::If(parts) => {
                let condition = self.scalar(&parts[0], "if", "use where(condition, then, otherwise)")?;
                self.lower(if condition.truth() { &parts[1] } else { &parts[2] })
            }
            Tree::Call(builtin, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(self.lower(argument)?);
                }
                self.call(*builtin, values).map_err(|problem| problem.at(column))
            }
        }
    }

    fn scalar(&self, node: &Node, operation: &str, instead: &'static str) -> Result<Scalar, Error> {
        match self.lower(node)? {
            Value::Scalar(scalar) => Ok(scalar),
            array @ Value::Array(_) => {
                let operands = array.describe();
                Err(Problem::Operands { operation: operation.into(), operands, instead }.at(node.column))
            }
        }
    }

    fn comparisons(
        &self,
        column: usize,
        first: &Node,
        others: &[(Comparison, Node)],
    ) -> Result<Value<'a>, Error> {
        if let [(comparison, other)] = others {
            let (left, right) = (self.lower(first)?, self.lower(other)?);
            return combine::compare(*comparison, left, right).map_err(|problem| problem.at(column));
        }
        const INSTEAD: &str = "write (a < b) & (b < c); & binds tighter than <";
        let mut left = self.scalar(first, "a chain of comparisons", INSTEAD)?;
        for (comparison, other) in others {
            let right = self.scalar(other, "a chain of comparisons", INSTEAD)?;
            if !Scalar::compare(*comparison, &left, &right).map_err(|problem| problem.at(column))? {
                return Ok(Value::Scalar(Scalar::Boolean(false)));
            }
            left = right;
        }
        Ok(Value::Scalar(Scalar::Boolean(true)))
    }

    fn call(&self, builtin: Builtin, arguments: Vec<Value<'a>>) -> Result<Value<'a>, Problem> {
        let name = format!("{builtin:?}").to_lowercase();
        let mut arguments = arguments.into_iter();
        let Some(first) = arguments.next() else {
            return Err(Problem::Arity { function: name, wanted: "arguments".into(), found: 0 });
        };
        match builtin {
            Builtin::Where => {
                let (Some(yes), Some(no)) = (arguments.next(), arguments.next()) else {
                    return Err(Problem::Arity { function: name, wanted: "3 arguments".into(), found: 1 });
                };
                combine::choose(first, yes, no)
            }
            Builtin::Min | Builtin::Max => {
                if arguments.len() == 0 {
                    return self.reduced(builtin, first);
                }
                arguments.try_fold(first, |best, next| combine::extreme(builtin, best, next))
            }
            Builtin::LogicalAnd | Builtin::LogicalOr => {
                let operator = if builtin == Builtin::LogicalAnd { Binary::And } else { Binary::Or };
                let second = arguments.next().unwrap_or(Value::Scalar(Scalar::None));
                combine::binary(operator, combine::truths(first)?, combine::truths(second)?)
            }
            Builtin::LogicalNot => match combine::truths(first)? {
                Value::Scalar(scalar) => Ok(Value::Scalar(Scalar::Boolean(!scalar.truth()))),
                array @ Value::Array(_) => combine::unary(Unary::Invert, array),
            },
            Builtin::AsType => match arguments.next() {
                Some(Value::Scalar(scalar)) => combine::convert(first, type_of(&scalar)?),
                _ => Err(Problem::NoType { found: "an array".into(), nearest: None }),
            },
            Builtin::Clip => {
                let lower = arguments.next().unwrap_or(Value::Scalar(Scalar::None));
                let upper = arguments.next().unwrap_or(Value::Scalar(Scalar::None));
                combine::clip(combine::clip(first, Builtin::Max, lower)?, Builtin::Min, upper)
            }
            Builtin::Absolute
            | Builtin::Round
            | Builtin::Floor
            | Builtin::Ceil
            | Builtin::SquareRoot
            | Builtin::Exponential
            | Builtin::Logarithm
            | Builtin::IsNan => combine::of_one(builtin, name, first),
            Builtin::Sum | Builtin::Mean | Builtin::Any | Builtin::All => self.reduced(builtin, first),
        }
    }

    fn reduced(&self, builtin: Builtin, value: Value<'a>) -> Result<Value<'a>, Problem> {
        let word = match builtin {
            Builtin::Min => "the smallest value",
            Builtin::Max => "the largest value",
            _ => "a number",
        };
        match value {
            Value::Array(Lowered { values, channels }) => {
                let extent = Extent { channels, voxels: self.voxels };
                reduce(builtin, values, extent).map(Value::Scalar).ok_or(Problem::Empty(word))
            }
            Value::Scalar(scalar) => Err(Problem::Operands {
                operation: format!("{builtin:?}").to_lowercase(),
                operands: scalar.describe(),
                instead: "",
            }),
        }
    }
}
