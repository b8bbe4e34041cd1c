//! From the text of a lambda to its tree, within limits of length, depth and size.

use crate::expression::lexer::{Lexer, Token};
use crate::expression::operator::{Binary, Comparison, Unary};
use crate::expression::scalar::Scalar;
use crate::expression::syntax::{Node, Tree};
use crate::expression::{Error, Problem};

/// Most characters of an expression.
const MAX_LENGTH: usize = 10_000;
/// How deep parts may be nested; with it, a megabyte of stack will do, even of a program built without optimisation.
const MAX_DEPTH: usize = 64;
/// Most parts; bounds the work of a block.
const MAX_PARTS: usize = 2_000;

/// Python's own words, none of which can be a name.
pub(super) const KEYWORDS: [&str; 16] = [
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

/// Where reading has come to.
pub(super) struct Parser<'t> {
    pub(super) lexer: Lexer<'t>,
    /// Where the next token begins.
    pub(super) column: usize,
    pub(super) token: Token,
    pub(super) parameters: Vec<Parameter>,
    depth: usize,
    parts: usize,
}

impl Parser<'_> {
    pub(super) fn advance(&mut self) -> Result<Token, Error> {
        let (column, token) = self.lexer.next()?;
        self.column = column;
        Ok(std::mem::replace(&mut self.token, token))
    }

    /// Takes a sign, if it is next.
    pub(super) fn sign(&mut self, sign: &str) -> Result<bool, Error> {
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
    pub(super) fn word(&mut self, word: &str) -> Result<bool, Error> {
        let is_next = self.is_word(word);
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    pub(super) fn expected(&self, wanted: &'static str) -> Error {
        Problem::Expected { wanted, found: self.token.describe() }.at(self.column)
    }

    pub(super) fn unsupported(&self, what: &'static str, instead: &'static str) -> Error {
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
    pub(super) fn expression(&mut self) -> Result<Node, Error> {
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

    /// A part, computed at once if nothing in it depends on inputs.
    pub(super) fn node(&mut self, column: usize, tree: Tree) -> Result<Node, Error> {
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
