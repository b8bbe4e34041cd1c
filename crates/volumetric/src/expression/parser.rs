//! From the text of a lambda to its tree, names resolved, within limits of length, depth and size.

use crate::expression::builtin::{Builtin, Signature};
use crate::expression::kind::{DATA_TYPES, Kind};
use crate::expression::lexer::{Lexer, Token};
use crate::expression::operator::{Binary, Comparison, Unary};
use crate::expression::scalar::Scalar;
use crate::expression::signature::{Written, arrange};
use crate::expression::syntax::{Node, Tree};
use crate::expression::{Error, Problem};

/// Most characters of an expression.
const MAX_LENGTH: usize = 10_000;
/// How deep parts may be nested; with it, half a megabyte of stack will do.
const MAX_DEPTH: usize = 64;
/// Most parts; bounds the work of a block.
const MAX_PARTS: usize = 2_000;

/// What `np.…` may stand before.
const MODULES: [&str; 4] = ["np", "numpy", "torch", "math"];
/// Python's own words, none of which can be a name.
const KEYWORDS: [&str; 16] = [
    "lambda", "if", "else", "and", "or", "not", "is", "in", "True", "False", "None", "for", "while", "def",
    "import", "yield",
];

/// How strongly operators bind.
const OR: u8 = 2;
const AND: u8 = 3;
const NOT: u8 = 4;
const COMPARISON: u8 = 5;
const UNARY: u8 = 12;

/// An input and its default.
#[derive(Debug, Clone)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) default: Option<Scalar>,
}

/// A lambda, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Lambda {
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Node,
}

/// Reads a lambda.
pub(super) fn parse(text: &str) -> Result<Lambda, Error> {
    if text.len() > MAX_LENGTH {
        return Err(Problem::TooLong(MAX_LENGTH).at(1));
    }
    let mut parser = Parser {
        lexer: Lexer::new(text),
        column: 1,
        token: Token::End,
        parameters: Vec::new(),
        depth: 0,
        parts: 0,
    };
    parser.advance()?;
    if !parser.word("lambda")? {
        return Err(Problem::NotLambda.at(parser.column));
    }
    parser.header()?;
    let body = parser.expression()?;
    match parser.token {
        Token::End => Ok(Lambda { parameters: parser.parameters, body }),
        Token::Sign(",") => Err(parser.unsupported("a list of results", "a function gives one array")),
        Token::Name(ref name) if name == "for" => {
            Err(parser.unsupported("a loop", "all works on whole arrays"))
        }
        _ => Err(parser.expected("an operator or the end")),
    }
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    /// Where the next token begins.
    column: usize,
    token: Token,
    parameters: Vec<Parameter>,
    depth: usize,
    parts: usize,
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<Token, Error> {
        let (column, token) = self.lexer.next()?;
        self.column = column;
        Ok(std::mem::replace(&mut self.token, token))
    }

    /// Takes a sign, if it is next.
    fn sign(&mut self, sign: &str) -> Result<bool, Error> {
        let is_next = matches!(self.token, Token::Sign(next) if next == sign);
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(&self.token, Token::Name(next) if next == word)
    }

    /// Takes a word, if it is next.
    fn word(&mut self, word: &str) -> Result<bool, Error> {
        let is_next = self.is_word(word);
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    fn expected(&self, wanted: &'static str) -> Error {
        Problem::Expected { wanted, found: self.token.describe() }.at(self.column)
    }

    fn unsupported(&self, what: &'static str, instead: &'static str) -> Error {
        Problem::Unsupported { what, instead }.at(self.column)
    }

    /// The parameters, up to the colon.
    fn header(&mut self) -> Result<(), Error> {
        while !self.sign(":")? {
            let column = self.column;
            match self.token {
                Token::Sign("*") => return Err(self.unsupported("*args", "name each input")),
                Token::Sign("**") => return Err(self.unsupported("**kwargs", "name each input")),
                Token::Sign("/") => return Err(self.unsupported("/", "all inputs are given by name")),
                _ => {}
            }
            let Token::Name(name) = self.advance()? else {
                return Err(
                    Problem::Expected { wanted: "the name of an input", found: "a sign".into() }.at(column)
                );
            };
            if KEYWORDS.contains(&name.as_str()) {
                let found = Token::Name(name).describe();
                return Err(Problem::Expected { wanted: "the name of an input", found }.at(column));
            }
            if self.parameters.iter().any(|known| known.name == name) {
                return Err(Problem::Twice(name).at(column));
            }
            let default = match self.sign("=")? {
                false => None,
                true => match self.expression()?.tree {
                    Tree::Scalar(scalar) => Some(scalar),
                    _ => return Err(Problem::Default(name).at(column)),
                },
            };
            if default.is_none() && self.parameters.last().is_some_and(|last| last.default.is_some()) {
                return Err(Problem::DefaultOrder(name).at(column));
            }
            self.parameters.push(Parameter { name, default });
            if !self.sign(",")? && !matches!(self.token, Token::Sign(":")) {
                return Err(self.expected("\",\" or \":\""));
            }
        }
        Ok(())
    }

    /// Anything, `… if … else …` included.
    fn expression(&mut self) -> Result<Node, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Problem::TooDeep(MAX_DEPTH).at(self.column));
        }
        if self.is_word("lambda") {
            return Err(self.unsupported("another lambda", "write out what it does"));
        }
        let value = self.operators(OR)?;
        let column = self.column;
        let whole = if self.word("if")? {
            let condition = self.operators(OR)?;
            if !self.word("else")? {
                return Err(self.expected("\"else\""));
            }
            let otherwise = self.expression()?;
            self.node(column, Tree::If(Box::new([condition, value, otherwise])))?
        } else {
            value
        };
        self.depth -= 1;
        Ok(whole)
    }

    /// Operands and the operators between them that bind at least as strongly as `least`.
    fn operators(&mut self, least: u8) -> Result<Node, Error> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Problem::TooDeep(MAX_DEPTH).at(self.column));
        }
        let mut left = self.prefixed(least)?;
        loop {
            let column = self.column;
            let tree = match self.token {
                Token::Sign(sign) => match Binary::of(sign) {
                    Some((operator, strength)) if strength >= least => {
                        self.advance()?;
                        // The exponent may have a sign, and powers are taken from the right.
                        let power = operator == Binary::Power;
                        let right = self.operators(if power { UNARY } else { strength + 1 })?;
                        Tree::Binary(operator, Box::new([left, right]))
                    }
                    None if Comparison::of(sign).is_some() && COMPARISON >= least => self.comparison(left)?,
                    _ => break,
                },
                Token::Name(ref name) => match name.as_str() {
                    "and" if AND >= least => {
                        self.advance()?;
                        Tree::And(Box::new([left, self.operators(AND + 1)?]))
                    }
                    "or" if OR >= least => {
                        self.advance()?;
                        Tree::Or(Box::new([left, self.operators(OR + 1)?]))
                    }
                    "is" if COMPARISON >= least => {
                        self.advance()?;
                        let negated = self.word("not")?;
                        if !self.word("None")? {
                            return Err(self.expected("None: `is` compares with nothing else"));
                        }
                        Tree::IsNone(Box::new(left), negated)
                    }
                    "in" | "not" if COMPARISON >= least => {
                        return Err(
                            self.unsupported("`in`", "compare with each value, as in (a == 1) | (a == 2)")
                        );
                    }
                    _ => break,
                },
                Token::Integer(_) | Token::Float(_) | Token::Text(_) | Token::End => break,
            };
            left = self.node(column, tree)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn comparison(&mut self, first: Node) -> Result<Tree, Error> {
        let mut others = Vec::new();
        while let Token::Sign(sign) = self.token {
            let Some(comparison) = Comparison::of(sign) else { break };
            self.advance()?;
            others.push((comparison, self.operators(COMPARISON + 1)?));
        }
        Ok(Tree::Compare(Box::new(first), others))
    }

    /// An operand with what stands before and after it.
    fn prefixed(&mut self, least: u8) -> Result<Node, Error> {
        let column = self.column;
        let operator = match self.token {
            Token::Sign("-") => Some(Unary::Minus),
            Token::Sign("+") => Some(Unary::Plus),
            Token::Sign("~") => Some(Unary::Invert),
            Token::Name(ref name) if name == "not" && NOT >= least => {
                self.advance()?;
                let operand = self.operators(NOT)?;
                return self.node(column, Tree::Not(Box::new(operand)));
            }
            _ => None,
        };
        if let Some(operator) = operator {
            self.advance()?;
            let operand = self.operators(UNARY)?;
            return self.node(column, Tree::Unary(operator, Box::new(operand)));
        }
        let mut operand = self.operand()?;
        loop {
            let column = self.column;
            match self.token {
                Token::Sign(".") => operand = self.method(operand)?,
                Token::Sign("[") => {
                    return Err(self.unsupported("an index", "functions see whole chunks"));
                }
                Token::Sign("(") => return Err(Problem::NotFunction("this".into()).at(column)),
                _ => return Ok(operand),
            }
        }
    }

    fn operand(&mut self) -> Result<Node, Error> {
        let column = self.column;
        let tree = match self.advance()? {
            Token::Integer(number) => Tree::Scalar(Scalar::Integer(number)),
            Token::Float(number) => Tree::Scalar(Scalar::Float(number)),
            Token::Text(text) => Tree::Scalar(Scalar::Text(text)),
            Token::Sign("(") => {
                let inside = self.expression()?;
                if matches!(self.token, Token::Sign(",")) {
                    return Err(self.unsupported("a tuple", "a function gives one array"));
                }
                if !self.sign(")")? {
                    return Err(self.expected("\")\""));
                }
                return Ok(inside);
            }
            Token::Name(name) => return self.named(column, name),
            Token::Sign("[") => {
                return Err(Problem::Unsupported {
                    what: "a list",
                    instead: "there are arrays and plain values only",
                }
                .at(column));
            }
            other => {
                return Err(Problem::Expected { wanted: "a value", found: other.describe() }.at(column));
            }
        };
        self.node(column, tree)
    }

    /// What a name stands for.
    fn named(&mut self, column: usize, name: String) -> Result<Node, Error> {
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
    fn method(&mut self, value: Node) -> Result<Node, Error> {
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

    /// A part, computed at once if nothing in it depends on inputs.
    fn node(&mut self, column: usize, tree: Tree) -> Result<Node, Error> {
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(Problem::TooLarge(MAX_PARTS).at(column));
        }
        let depth = 1 + tree.children().into_iter().map(|child| child.depth).max().unwrap_or(0);
        if depth > MAX_DEPTH {
            return Err(Problem::TooDeep(MAX_DEPTH).at(column));
        }
        let folded = match &tree {
            Tree::Unary(operator, operand) => match &operand.tree {
                Tree::Scalar(operand) => Some(Scalar::unary(*operator, operand)),
                _ => None,
            },
            Tree::Binary(operator, operands) => match (&operands[0].tree, &operands[1].tree) {
                (Tree::Scalar(left), Tree::Scalar(right)) => Some(Scalar::binary(*operator, left, right)),
                _ => None,
            },
            _ => None,
        };
        match folded {
            Some(folded) => {
                let scalar = folded.map_err(|problem| problem.at(column))?;
                Ok(Node { column, depth: 1, tree: Tree::Scalar(scalar) })
            }
            None => Ok(Node { column, depth, tree }),
        }
    }
}
