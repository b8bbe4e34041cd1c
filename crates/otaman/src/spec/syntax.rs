//! The JSON parser's complaints in words that say what to do.

use jsonc_parser::ParseStringErrorKind;
use jsonc_parser::errors::{ParseError, ParseErrorKind};

use crate::spec::findings::Finding;
use crate::spec::path::Focus;

/// Longest piece of the text that a message repeats.
const MAX_QUOTED: usize = 30;

pub(crate) fn explain(text: &str, error: &ParseError) -> Finding {
    use ParseErrorKind as Kind;
    let range = error.range();
    let found = found(text, range.start);
    let message = match error.kind() {
        Kind::CommentsNotAllowed | Kind::UnterminatedCommentBlock => {
            "comments are not JSON; remove this one".into()
        }
        Kind::TrailingCommasNotAllowed => "nothing follows this comma; remove it".into(),
        Kind::ExpectedComma if text[..range.start].ends_with('0') && next_is_digit(text, range.start) => {
            "a number must not begin with 0; remove it".into()
        }
        Kind::ExpectedComma => "a comma is missing here, between two values".into(),
        Kind::ExpectedColonAfterObjectKey => format!("expected a colon after the key, found {found}"),
        Kind::ExpectedStringObjectProperty => {
            format!("keys must stand between quotes: write \"{}\"", word(text, range.start))
        }
        Kind::SingleQuotedStringsNotAllowed => "single quotes are not JSON; write \" instead of '".into(),
        Kind::NonFiniteNumbersNotAllowed => {
            "infinity and NaN are not JSON; leave the argument out or write null".into()
        }
        Kind::HexadecimalNumbersNotAllowed => "hexadecimal numbers are not JSON; write it in decimal".into(),
        Kind::UnaryPlusNumbersNotAllowed => "a number must not begin with +; remove it".into(),
        Kind::BareDecimalPointNumbersNotAllowed => {
            "a decimal point needs a digit on both sides, as in 0.5 and 5.0".into()
        }
        Kind::ExpectedDigit
        | Kind::ExpectedDigitFollowingNegativeSign
        | Kind::ExpectedPlusMinusOrDigitInNumberLiteral => format!("expected a digit, found {found}"),
        Kind::UnexpectedWord => unquoted(word(text, range.start)),
        Kind::MultipleRootJsonValues => {
            format!("expected the end of the spec, found {found}; a spec is a single object")
        }
        Kind::UnterminatedArray => "this [ is never closed; is a ] missing?".into(),
        Kind::UnterminatedObject => "this { is never closed; is a } missing?".into(),
        Kind::ExpectedObjectValue => "the text ends where a value should stand; is the file cut off?".into(),
        Kind::UnexpectedCloseBrace | Kind::UnexpectedCloseBracket => {
            format!("unexpected {found}; is a value missing before it, or a bracket too many?")
        }
        Kind::UnexpectedColon => {
            "unexpected colon; members such as \"key\": value stand between { and }".into()
        }
        Kind::UnexpectedComma => "unexpected comma; is a value missing before it?".into(),
        Kind::UnexpectedTokenInObject if found == "]" => {
            "unexpected ]; is it one too many, or is a } missing before it?".into()
        }
        Kind::UnexpectedTokenInObject => format!("expected a key between quotes, found {found}"),
        Kind::UnexpectedToken => match word(text, range.start) {
            "" => format!("unexpected {found}"),
            word => unquoted(word),
        },
        Kind::String(kind) => escape(kind),
        Kind::NestingDepthExceeded => "objects and lists nest too deep here".into(),
    };
    Finding::new(&[], Focus::Byte(range.start), message)
}

fn unquoted(word: &str) -> String {
    match word {
        "True" | "False" | "TRUE" | "FALSE" => format!("{word} is not JSON; write {}", word.to_lowercase()),
        "None" | "nil" | "undefined" | "NULL" | "Null" => format!("{word} is not JSON; write null"),
        "NaN" | "Infinity" | "nan" | "inf" => {
            format!("{word} is not JSON, which has finite numbers only; leave the argument out or write null")
        }
        _ => format!("{word} is not a value; strings stand between quotes: \"{word}\""),
    }
}

fn escape(kind: &ParseStringErrorKind) -> String {
    use ParseStringErrorKind as Kind;
    match kind {
        Kind::InvalidEscape
        | Kind::InvalidEscapeInSingleQuoteString
        | Kind::InvalidEscapeInDoubleQuoteString
        | Kind::ExpectedTwoHexDigits => {
            "unknown escape; JSON has \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX, and a backslash itself is \\\\".into()
        }
        Kind::ExpectedFourHexDigits => "\\u needs four hexadecimal digits, as in \\u00e9".into(),
        Kind::InvalidUnicodeEscapeSequence(digits) => format!("\\u{digits} is not a character; is half of a pair missing?"),
        Kind::UnterminatedStringLiteral => "this string is never closed; close it with \"".into(),
    }
}

fn next_is_digit(text: &str, at: usize) -> bool {
    text[at..].starts_with(|next: char| next.is_ascii_digit())
}

/// The word that begins at this byte.
fn word(text: &str, start: usize) -> &str {
    let rest = text.get(start..).unwrap_or("");
    let end = rest.find(|character: char| !character.is_alphanumeric() && character != '_');
    let word = &rest[..end.unwrap_or(rest.len())];
    word.char_indices().nth(MAX_QUOTED).map_or(word, |(end, _)| &word[..end])
}

/// What stands at this byte, as a noun.
fn found(text: &str, start: usize) -> String {
    match (word(text, start), text.get(start..).and_then(|rest| rest.chars().next())) {
        (_, None) => "the end of the text".into(),
        ("", Some('"')) => "a string".into(),
        ("", Some(character)) => character.to_string(),
        (word, Some(_)) => word.to_owned(),
    }
}
