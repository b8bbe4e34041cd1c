//! Variables of a spec: `{"@var": "name", "default": 5}` and `${name}` in strings, replaced by
//! what the command line gives before anything is checked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value as Json};

use crate::spec::describe::{found, quoted};
use crate::spec::findings::{Finding, Findings};
use crate::spec::lexical::{MAX_BYTES, MAX_DEPTH};
use crate::spec::nearest::{listed, nearest};
use crate::spec::path::{Focus, Segment};

/// Why a text is not `name=value`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// There is no `=`.
    #[error("variable {0:?} has no value; write {0}=VALUE")]
    NoValue(String),
    /// The name has no form that a spec could refer to.
    #[error("variable name {0:?} must begin with a letter or _, and go on with letters, digits, _ . -")]
    Name(String),
}

/// Reads `name=value`. The value is JSON if it parses as JSON, else the text itself.
///
/// # Errors
/// If there is no `=`, or the name is not one that a spec can refer to.
pub fn parse_variable(argument: &str) -> Result<(String, Json), VariableError> {
    let (name, value) =
        argument.split_once('=').ok_or_else(|| VariableError::NoValue(argument.to_owned()))?;
    if !is_name(name) {
        return Err(VariableError::Name(name.to_owned()));
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Json::from(value));
    Ok((name.to_owned(), value))
}

/// Replaces the variables in a spec. Paths stay the same: one value takes another's place.
pub(crate) fn substitute(spec: &mut Json, variables: &BTreeMap<String, Json>, findings: &mut Findings) {
    let mut substitution = Substitution {
        variables,
        findings,
        used: BTreeSet::new(),
        missing: BTreeSet::new(),
        looked_up: BTreeSet::new(),
        inserted: 0,
        path: Vec::new(),
    };
    substitution.value(spec);
    let Substitution { used, missing, .. } = substitution;
    for name in variables.keys().filter(|name| !used.contains(*name)) {
        let suggestion = nearest(name, missing.iter().map(String::as_str));
        let advice = if suggestion.is_some() { "" } else { "; remove it" };
        let message = format!("variable {} is given but the spec does not use it{advice}", quoted(name));
        findings.add(Finding::new(&[], Focus::Value, message).suggest(suggestion));
    }
}

struct Substitution<'a> {
    variables: &'a BTreeMap<String, Json>,
    findings: &'a mut Findings,
    /// Names that the spec refers to.
    used: BTreeSet<String>,
    /// Those of them that have no value.
    missing: BTreeSet<String>,
    /// Those whose values stand in the value that is being made.
    looked_up: BTreeSet<String>,
    /// Bytes that were put in, roughly.
    inserted: usize,
    path: Vec<Segment>,
}

/// A piece of a string.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'t> {
    Text(&'t str),
    Variable(&'t str),
    /// `${` without a name and `}` after it.
    Broken(&'t str),
}

impl Substitution<'_> {
    fn value(&mut self, value: &mut Json) {
        match value {
            Json::String(text) if text.contains("${") => {
                let text = std::mem::take(text);
                *value = self.replacement(|this| this.string(&text));
            }
            Json::Object(fields) if fields.contains_key("@var") => {
                let mut fields = std::mem::take(fields);
                *value = self.replacement(|this| this.object(&mut fields));
            }
            Json::Object(fields) => {
                for (key, value) in fields {
                    self.below(key.as_str().into(), value);
                }
            }
            Json::Array(items) => {
                for (index, value) in items.iter_mut().enumerate() {
                    self.below(Segment::Index(index), value);
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    /// What takes the place of the value here; null if that is not known.
    fn replacement(&mut self, make: impl FnOnce(&mut Self) -> Option<Json>) -> Json {
        let outer = std::mem::take(&mut self.looked_up);
        let replacement = make(self);
        let names = std::mem::replace(&mut self.looked_up, outer);
        if replacement.is_none() {
            self.findings.is_unknown(&self.path);
        } else if !names.is_empty() {
            let noun = if names.len() == 1 { "variable" } else { "variables" };
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            self.findings.comes_from(&self.path, format!("{noun} {}", listed(&names, "and")));
        }
        replacement.unwrap_or_default()
    }

    fn below(&mut self, segment: Segment, value: &mut Json) {
        self.path.push(segment);
        self.value(value);
        self.path.pop();
    }

    fn problem(&mut self, message: String) -> Option<Json> {
        self.findings.add(Finding::new(&self.path, Focus::Value, message));
        None
    }

    fn string(&mut self, text: &str) -> Option<Json> {
        let pieces = pieces(text);
        if let [Piece::Variable(name)] = pieces.as_slice() {
            return self.look_up(name, None);
        }
        // Also those after a mistake.
        self.used.extend(pieces.iter().filter_map(|piece| match piece {
            Piece::Variable(name) => Some((*name).to_owned()),
            Piece::Text(_) | Piece::Broken(_) => None,
        }));
        let mut replaced = String::with_capacity(text.len());
        for piece in pieces {
            match piece {
                Piece::Text(text) => replaced.push_str(text),
                Piece::Broken(text) => {
                    let advice = "write ${name} for a variable, or $${ for the characters ${";
                    return self.problem(format!("{} is not a variable; {advice}", quoted(text)));
                }
                Piece::Variable(name) => match self.look_up(name, None)? {
                    Json::String(text) => replaced.push_str(&text),
                    value @ (Json::Number(_) | Json::Bool(_)) => replaced.push_str(&value.to_string()),
                    other => {
                        let message = format!(
                            "variable {} is {}, which cannot stand inside a text; let ${{{name}}} be the whole string",
                            quoted(name),
                            found(&other)
                        );
                        return self.problem(message);
                    }
                },
            }
        }
        Some(replaced.into())
    }

    fn object(&mut self, fields: &mut Map<String, Json>) -> Option<Json> {
        for key in fields.keys().filter(|key| !matches!(key.as_str(), "@var" | "default")) {
            self.path.push(key.as_str().into());
            let message = format!("unknown key {} beside \"@var\"; there is \"default\"", quoted(key));
            self.findings.add(Finding::new(&self.path, Focus::Key, message));
            self.path.pop();
        }
        let Some(Json::String(name)) = fields.get("@var").filter(|name| name.as_str().is_some_and(is_name))
        else {
            let other = fields.get("@var").map(found).unwrap_or_default();
            self.path.push("@var".into());
            self.problem(format!("\"@var\" must be the name of a variable, found {other}"));
            self.path.pop();
            return None;
        };
        let name = name.clone();
        let mut default = fields.get_mut("default").map(Json::take);
        match &mut default {
            Some(default) if self.variables.contains_key(&name) => self.mention(default),
            Some(default) => self.below("default".into(), default),
            None => {}
        }
        self.look_up(&name, default)
    }

    /// The value of a variable, or its default.
    fn look_up(&mut self, name: &str, default: Option<Json>) -> Option<Json> {
        self.used.insert(name.to_owned());
        let Some(value) = self.variables.get(name) else {
            if default.is_none() && self.missing.insert(name.to_owned()) {
                let given = self.variables.keys().map(String::as_str);
                let suggestion = nearest(name, given).map(str::to_owned);
                let message = format!(
                    "variable {} has no value; give it one with --var {name}=VALUE, or write $${{{name}}} for the text itself",
                    quoted(name)
                );
                self.findings.add(Finding::new(&self.path, Focus::Value, message).suggest(suggestion));
            }
            return default;
        };
        let (bytes, depth) = size(value);
        self.inserted = self.inserted.saturating_add(bytes);
        if self.inserted > MAX_BYTES {
            let message = format!("with its variables the spec is larger than {MAX_BYTES} bytes");
            return self.problem(message);
        }
        if self.path.len() + depth > MAX_DEPTH {
            let message = format!("with variable {} the spec nests deeper than {MAX_DEPTH}", quoted(name));
            return self.problem(message);
        }
        self.looked_up.insert(name.to_owned());
        Some(value.clone())
    }

    /// Counts the variables in a default that is not needed as used.
    fn mention(&mut self, default: &Json) {
        match default {
            Json::String(text) => {
                for piece in pieces(text) {
                    if let Piece::Variable(name) = piece {
                        self.used.insert(name.to_owned());
                    }
                }
            }
            Json::Array(items) => items.iter().for_each(|item| self.mention(item)),
            Json::Object(fields) => {
                self.used.extend(fields.get("@var").and_then(Json::as_str).map(str::to_owned));
                fields.values().for_each(|value| self.mention(value));
            }
            Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }
}

/// Bytes and depth of a value, roughly.
fn size(value: &Json) -> (usize, usize) {
    let of = |values: &mut dyn Iterator<Item = &Json>| {
        let total = values.map(size).fold((0, 0), |(bytes, depth), one| (bytes + one.0, depth.max(one.1)));
        (total.0 + 2, total.1 + 1)
    };
    match value {
        Json::String(text) => (text.len() + 2, 0),
        Json::Array(items) => of(&mut items.iter()),
        Json::Object(fields) => of(&mut fields.values()),
        Json::Null | Json::Bool(_) | Json::Number(_) => (8, 0),
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        if rest[..start].ends_with('$') {
            pieces.push(Piece::Text(&rest[..start - 1]));
            pieces.push(Piece::Text("${"));
            rest = &rest[start + 2..];
            continue;
        }
        if start > 0 {
            pieces.push(Piece::Text(&rest[..start]));
        }
        rest = &rest[start..];
        let end = rest.find('}').map_or(rest.len(), |end| end + 1);
        let name = rest[2..end].strip_suffix('}').filter(|name| is_name(name));
        pieces.push(name.map_or(Piece::Broken(&rest[..end]), Piece::Variable));
        rest = &rest[end..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_dollars_escape() {
        assert_eq!(pieces("$${a}$"), [Piece::Text(""), Piece::Text("${"), Piece::Text("a}$")]);
        assert_eq!(pieces("x${a}${b"), [Piece::Text("x"), Piece::Variable("a"), Piece::Broken("${b")]);
        assert_eq!(pieces("${a-b.c}"), [Piece::Variable("a-b.c")]);
        assert_eq!(pieces("${HOME:-x}"), [Piece::Broken("${HOME:-x}")]);
    }
}
