//! What names in an expression stand for: inputs, functions with their arguments, types, constants.

use crate::expression::builtin::{Builtin, Signature};
use crate::expression::kind::{DATA_TYPES, Kind};
use crate::expression::lexer::Token;
use crate::expression::parser::{KEYWORDS, Parser};
use crate::expression::scalar::Scalar;
use crate::expression::signature::{Written, arrange};
use crate::expression::syntax::{Node, Tree};
use crate::expression::{Error, Problem};

/// What `np.…` may stand before.
const MODULES: [&str; 4] = ["np", "numpy", "torch", "math"];
impl Parser<'_> {
    /// What a name stands for.
    pub(super) fn named(&mut self, column: usize, name: String) -> Result<Node, Error> {
        if let Some(index) = self.parameters.iter().position(|parameter| parameter.name == name) {
            return self.node(column, Tree::Parameter(index));
        }
        let scalar = match name.as_str() {
            "True" => Some(Scalar::Boolean(true)),
            "False" => Some(Scalar::Boolean(false)),
            "None" => Some(Scalar::None),
            _ => None,
        };
        if let Some(scalar) = scalar {
            return self.node(column, Tree::Scalar(scalar));
        }
        if KEYWORDS.contains(&name.as_str()) {
            let found = Token::Name(name).describe();
            return Err(Problem::Expected { wanted: "a value", found }.at(column));
        }
        if MODULES.contains(&name.as_str()) && self.sign(".")? {
            let column = self.column;
            let Token::Name(member) = self.advance()? else {
                return Err(Problem::Expected { wanted: "a name", found: "a sign".into() }.at(column));
            };
            return self.global(column, member, Some(name));
        }
        self.global(column, name, None)
    }

    /// A function, type or constant.
    fn global(&mut self, column: usize, name: String, module: Option<String>) -> Result<Node, Error> {
        let shown = || module.as_ref().map_or_else(|| name.clone(), |module| format!("{module}.{name}"));
        let is_called = matches!(self.token, Token::Sign("("));
        // `torch.float` is not what `float` is in Python.
        let in_torch = if module.as_deref() == Some("torch") { Kind::of_method(&name) } else { None };
        if let Some(kind) = in_torch.or_else(|| Kind::named(&name)) {
            if !is_called {
                return self.node(column, Tree::Scalar(Scalar::Type(kind)));
            }
            let mut written = self.arguments()?;
            if written.len() != 1 || written[0].0.is_some() {
                let wanted = "1 argument".into();
                return Err(Problem::Arity { function: shown(), wanted, found: written.len() }.at(column));
            }
            let (_, value) = written.remove(0);
            let kind = self.node(column, Tree::Scalar(Scalar::Type(kind)))?;
            return self.node(column, Tree::Call(Builtin::AsType, vec![value, kind]));
        }
        if let Some(signature) = Signature::find(&name) {
            if !is_called {
                return Err(Problem::NotCalled(shown()).at(column));
            }
            let written = self.arguments()?;
            let tree = arrange(signature, &shown(), column, written)?;
            return self.node(column, tree);
        }
        let constant = match (module.is_some(), name.as_str()) {
            (true, "pi") => Some(std::f64::consts::PI),
            (true, "e") => Some(std::f64::consts::E),
            (true, "inf") => Some(f64::INFINITY),
            (true, "nan") => Some(f64::NAN),
            _ => None,
        };
        if let Some(constant) = constant {
            return self.node(column, Tree::Scalar(Scalar::Float(constant)));
        }
        let parameters = self.parameters.iter().map(|parameter| parameter.name.as_str());
        let types = DATA_TYPES.iter().map(|data_type| data_type.name());
        let functions: Vec<&str> = Signature::all_names(false).chain(types).collect();
        let nearest = match module.is_some() {
            true => otaman::spec::nearest(&name, functions),
            false => otaman::spec::nearest(&name, functions.into_iter().chain(parameters)),
        };
        Err(Problem::Unknown { name: shown(), nearest: nearest.map(str::to_owned) }.at(column))
    }

    /// `value.name(…)`.
    pub(super) fn method(&mut self, value: Node) -> Result<Node, Error> {
        self.advance()?;
        let column = self.column;
        let Token::Name(name) = self.advance()? else {
            return Err(
                Problem::Expected { wanted: "the name of a method", found: "a sign".into() }.at(column)
            );
        };
        let kind = Kind::of_method(&name);
        let signature = Signature::find(&name).filter(|signature| signature.is_method);
        if kind.is_none() && signature.is_none() {
            let of_types = ["float", "double", "byte", "short", "int", "long", "bool"];
            let nearest = otaman::spec::nearest(&name, Signature::all_names(true).chain(of_types));
            return Err(
                Problem::Unknown { name: format!(".{name}"), nearest: nearest.map(str::to_owned) }.at(column)
            );
        }
        if !matches!(self.token, Token::Sign("(")) {
            return Err(Problem::NotCalled(format!(".{name}")).at(column));
        }
        let mut written = self.arguments()?;
        let tree = match (kind, signature) {
            (Some(kind), _) if written.is_empty() => {
                let kind = self.node(column, Tree::Scalar(Scalar::Type(kind)))?;
                Tree::Call(Builtin::AsType, vec![value, kind])
            }
            (Some(_), _) => {
                let function = format!(".{name}");
                let wanted = "no arguments".into();
                return Err(Problem::Arity { function, wanted, found: written.len() }.at(column));
            }
            (None, Some(signature)) => {
                written.insert(0, (None, value));
                arrange(signature, &format!(".{name}"), column, written)?
            }
            (None, None) => return Err(self.expected("a method")),
        };
        self.node(column, tree)
    }

    /// What stands in the parentheses of a call.
    fn arguments(&mut self) -> Result<Vec<Written>, Error> {
        self.advance()?;
        let mut written: Vec<Written> = Vec::new();
        while !self.sign(")")? {
            let column = self.column;
            if matches!(self.token, Token::Sign("*" | "**")) {
                return Err(self.unsupported("* and ** in a call", "write out each argument"));
            }
            let is_name = matches!(self.token, Token::Name(_));
            let keyword = if is_name { self.keyword()? } else { None };
            if keyword.is_none() && written.last().is_some_and(|(keyword, _)| keyword.is_some()) {
                return Err(Problem::Unsupported {
                    what: "an argument without name",
                    instead: "those with names come last",
                }
                .at(column));
            }
            let value = self.expression()?;
            written.push((keyword, value));
            if !self.sign(",")? && !matches!(self.token, Token::Sign(")")) {
                return Err(self.expected("\",\" or \")\""));
            }
        }
        Ok(written)
    }

    /// `name=`, if that is next.
    fn keyword(&mut self) -> Result<Option<(usize, String)>, Error> {
        let Token::Name(name) = &self.token else { return Ok(None) };
        if !self.lexer.is_before_assignment() {
            return Ok(None);
        }
        let keyword = (self.column, name.clone());
        self.advance()?;
        self.advance()?;
        Ok(Some(keyword))
    }
}
