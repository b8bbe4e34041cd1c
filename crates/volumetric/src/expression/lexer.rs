//! From characters to words, numbers and signs.

use crate::expression::{Error, Problem};

/// One piece of an expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    Name(String),
    Integer(i128),
    Float(f64),
    Text(String),
    Sign(&'static str),
    End,
}

impl Token {
    /// It, for messages.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Name(name) => format!("{name:?}"),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Text(text) => format!("the text {text:?}"),
            Self::Sign(sign) => format!("{sign:?}"),
            Self::End => "the end".into(),
        }
    }
}

/// Longer ones before those that they begin with.
const SIGNS: [&str; 29] = [
    "**", "//", "<<", ">>", "<=", ">=", "==", "!=", ":=", "->", "+", "-", "*", "/", "%", "<", ">", "=", "&",
    "|", "^", "~", "(", ")", "[", "]", ",", ":", ".",
];

/// Gives one token after the other.
pub(super) struct Lexer<'t> {
    rest: &'t str,
    column: usize,
}

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text, column: 1 }
    }

    /// The next token and the column where it begins.
    pub(super) fn next(&mut self) -> Result<(usize, Token), Error> {
        while self.rest.starts_with(char::is_whitespace) {
            self.take(1);
        }
        let column = self.column;
        let token = self.token().map_err(|problem| problem.at(column))?;
        Ok((column, token))
    }

    /// Whether what follows is a single equals sign.
    pub(super) fn is_before_assignment(&self) -> bool {
        let rest = self.rest.trim_start();
        rest.starts_with('=') && !rest.starts_with("==")
    }

    fn token(&mut self) -> Result<Token, Problem> {
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        if first.is_alphabetic() || first == '_' {
            let is_inside = |character: char| character.is_alphanumeric() || character == '_';
            return Ok(Token::Name(self.take_while(is_inside).to_owned()));
        }
        let second = self.rest.chars().nth(1);
        if first.is_ascii_digit() || (first == '.' && second.is_some_and(|digit| digit.is_ascii_digit())) {
            return self.number();
        }
        if first == '"' || first == '\'' {
            return self.text(first);
        }
        match SIGNS.into_iter().find(|sign| self.rest.starts_with(sign)) {
            Some(sign) => {
                self.take(sign.len());
                Ok(Token::Sign(sign))
            }
            None => Err(Problem::Character(first)),
        }
    }

    fn number(&mut self) -> Result<Token, Problem> {
        let mut before = ' ';
        let mut hexadecimal = false;
        let text = self.take_while(|character| {
            // The sign of an exponent belongs to the number.
            let exponent = matches!(character, '+' | '-') && matches!(before, 'e' | 'E') && !hexadecimal;
            hexadecimal |= matches!(character, 'x' | 'X');
            before = character;
            exponent || character.is_alphanumeric() || matches!(character, '.' | '_')
        });
        let malformed = || Problem::Number(text.chars().take(40).collect());
        if text.ends_with('_') || text.contains("__") {
            return Err(malformed());
        }
        let plain = text.replace('_', "");
        let lower = plain.to_ascii_lowercase();
        for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
            if let Some(digits) = lower.strip_prefix(prefix) {
                // A sign would be accepted by the standard library.
                let is_digits = digits.chars().all(|digit| digit.is_digit(radix));
                let number = i128::from_str_radix(digits, radix).ok().filter(|_| is_digits);
                return number.map(Token::Integer).ok_or_else(malformed);
            }
        }
        if lower.bytes().all(|byte| byte.is_ascii_digit()) {
            let is_octal =
                lower.len() > 1 && lower.starts_with('0') && lower.bytes().any(|digit| digit != b'0');
            let number = lower.parse().ok().filter(|_| !is_octal);
            return number.map(Token::Integer).ok_or_else(malformed);
        }
        if !lower.bytes().all(|byte| byte.is_ascii_digit() || b".e+-".contains(&byte)) {
            return Err(malformed());
        }
        lower.parse().map(Token::Float).map_err(|_| malformed())
    }

    fn text(&mut self, quote: char) -> Result<Token, Problem> {
        let inside = &self.rest[1..];
        let length = inside.find(quote).ok_or(Problem::UnclosedText)?;
        let text = inside[..length].to_owned();
        if text.contains('\\') {
            return Err(Problem::Character('\\'));
        }
        self.take(text.chars().count() + 2);
        Ok(Token::Text(text))
    }

    fn take_while(&mut self, mut belongs: impl FnMut(char) -> bool) -> &'t str {
        let length = self.rest.find(|character| !belongs(character)).unwrap_or(self.rest.len());
        let text = &self.rest[..length];
        self.take(text.chars().count());
        text
    }

    fn take(&mut self, characters: usize) {
        let length = self.rest.char_indices().nth(characters).map_or(self.rest.len(), |(length, _)| length);
        self.rest = &self.rest[length..];
        self.column += characters;
    }
}
