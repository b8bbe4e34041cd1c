//! JSON values and types as a message names them.

use serde_json::Value as Json;

/// Longest text of the user's that a message repeats, in characters.
const MAX_QUOTED: usize = 40;

/// What was found: `the string "abc"`, `a list`.
pub(crate) fn found(value: &Json) -> String {
    match value {
        Json::Null => "null".into(),
        Json::Bool(value) => value.to_string(),
        Json::Number(number) => format!("the number {number}"),
        Json::String(text) => format!("the string {}", quoted(text)),
        Json::Array(items) if items.is_empty() => "an empty list".into(),
        Json::Array(_) => "a list".into(),
        Json::Object(fields) => match fields.get("@type") {
            Some(Json::String(name)) => format!("an object of @type {}", quoted(name)),
            _ if fields.is_empty() => "an empty object".into(),
            _ => "an object".into(),
        },
    }
}

/// A text between quotes, cut when it is long.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => format!("{}…", Json::from(&text[..end]).to_string().trim_end_matches('"')) + "\"",
        None => Json::from(text).to_string(),
    }
}

/// What was expected, by its name in JSON Schema.
pub(crate) fn type_name(name: &str) -> &'static [&'static str] {
    match name {
        "array" => &["a list"],
        "boolean" => &["true", "false"],
        "integer" => &["an integer"],
        "number" => &["a number"],
        "object" => &["an object"],
        "string" => &["a string"],
        _ => &["null"],
    }
}

/// The first line of a description, without its full stop.
pub(crate) fn first_line(description: &str) -> &str {
    description.lines().next().unwrap_or("").trim().trim_end_matches('.')
}
