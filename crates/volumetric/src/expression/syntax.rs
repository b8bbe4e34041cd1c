//! An expression as a tree.

use crate::expression::builtin::Builtin;
use crate::expression::operator::{Binary, Comparison, Unary};
use crate::expression::scalar::Scalar;

/// A part of an expression.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Where it, or its operator, stands.
    pub(super) column: usize,
    /// How many parts lie below one another.
    pub(super) depth: usize,
    pub(super) tree: Tree,
}

/// What a part is.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    Scalar(Scalar),
    Parameter(usize),
    Unary(Unary, Box<Node>),
    Binary(Binary, Box<[Node; 2]>),
    Compare(Box<Node>, Vec<(Comparison, Node)>),
    /// Whether it is `None`, or is not.
    IsNone(Box<Node>, bool),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Not(Box<Node>),
    /// Condition, then, else.
    If(Box<[Node; 3]>),
    /// Arguments in the order of the function's parameters.
    Call(Builtin, Vec<Node>),
}

impl Tree {
    pub(super) fn children(&self) -> Vec<&Node> {
        match self {
            Self::Scalar(_) | Self::Parameter(_) => Vec::new(),
            Self::Unary(_, child) | Self::IsNone(child, _) | Self::Not(child) => vec![child],
            Self::Binary(_, children) | Self::And(children) | Self::Or(children) => children.iter().collect(),
            Self::If(children) => children.iter().collect(),
            Self::Compare(first, others) => {
                std::iter::once(&**first).chain(others.iter().map(|(_, other)| other)).collect()
            }
            Self::Call(_, arguments) => arguments.iter().collect(),
        }
    }
}
