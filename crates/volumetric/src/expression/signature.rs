//! Arguments of a call in the order of the function's parameters.

use crate::expression::builtin::{Builtin, Signature};
use crate::expression::kind::{DATA_TYPES, Kind};
use crate::expression::scalar::Scalar;
use crate::expression::syntax::{Node, Tree};
use crate::expression::{Error, Problem};

/// One argument as written: the column and name of its keyword, if it has one, and its value.
pub(super) type Written = (Option<(usize, String)>, Node);

/// A call with its arguments put in order; those left out are `None`.
pub(super) fn arrange(
    signature: &Signature,
    name: &str,
    column: usize,
    written: Vec<Written>,
) -> Result<Tree, Error> {
    let function = || name.to_owned();
    let arity = |found| Problem::Arity { function: function(), wanted: signature.wanted(), found }.at(column);
    let found = written.len();
    if found < signature.least || (!signature.is_variadic && found > signature.parameters.len()) {
        return Err(arity(found));
    }
    let mut places: Vec<Option<Node>> = (0..signature.parameters.len().max(found)).map(|_| None).collect();
    for (index, (keyword, value)) in written.into_iter().enumerate() {
        let (column, place, shown) = match keyword {
            None => {
                (value.column, index, signature.parameters.get(index).map_or("", |names| names[0]).to_owned())
            }
            Some((column, keyword)) => {
                let place = signature.parameters.iter().position(|names| names.contains(&keyword.as_str()));
                let place = place.ok_or_else(|| {
                    let known = signature.parameters.iter().flat_map(|names| names.iter().copied());
                    let nearest = otaman::spec::nearest(&keyword, known).map(str::to_owned);
                    Problem::Keyword { function: function(), name: keyword.clone(), nearest }.at(column)
                })?;
                (column, place, keyword)
            }
        };
        if places[place].is_some() {
            return Err(Problem::KeywordTwice { function: function(), name: shown }.at(column));
        }
        places[place] = Some(value);
    }
    if places[..signature.least].iter().any(Option::is_none) {
        return Err(arity(found));
    }
    let none = || Node { column, depth: 1, tree: Tree::Scalar(Scalar::None) };
    let mut arguments: Vec<Node> = places.into_iter().map(|place| place.unwrap_or_else(none)).collect();
    if signature.builtin == Builtin::AsType {
        let argument = &mut arguments[1];
        if let Tree::Scalar(scalar) = &argument.tree {
            let kind = type_of(scalar).map_err(|problem| problem.at(argument.column))?;
            argument.tree = Tree::Scalar(Scalar::Type(kind));
        }
    }
    if signature.builtin == Builtin::Clip && arguments[1..].iter().all(is_none) {
        let wanted = "an array and at least one bound".into();
        return Err(Problem::Arity { function: function(), wanted, found }.at(column));
    }
    Ok(Tree::Call(signature.builtin, arguments))
}

fn is_none(node: &Node) -> bool {
    matches!(node.tree, Tree::Scalar(Scalar::None))
}

/// The type that a value names.
pub(super) fn type_of(scalar: &Scalar) -> Result<Kind, Problem> {
    match scalar {
        Scalar::Type(kind) => Ok(*kind),
        Scalar::Text(name) => Kind::named(name).ok_or_else(|| {
            let known = DATA_TYPES.into_iter().map(|data_type| data_type.name()).chain(["bool"]);
            let nearest = otaman::spec::nearest(name, known).map(str::to_owned);
            Problem::NoType { found: format!("{name:?}"), nearest }
        }),
        Scalar::Boolean(_) | Scalar::Integer(_) | Scalar::Float(_) | Scalar::None => {
            Err(Problem::NoType { found: scalar.describe(), nearest: None })
        }
    }
}
