//! Placeholders in templates: `{item}`, `{item.name}`, `{index}`; `{{` stands for a brace.

use serde_json::Value as Json;

/// A reference to a variable of the flow that fills the template in, or to a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placeholder {
    pub(crate) name: String,
    /// Names of fields and numbers of items to go down by.
    pub(crate) fields: Vec<String>,
}

/// A piece of a string in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Hole(Placeholder),
}

/// The pieces of a string. Braces around anything that is not a name are text.
pub(crate) fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        plain.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        if let Some(after) = rest.strip_prefix('{') {
            plain.push('{');
            rest = after;
        } else if let Some((placeholder, after)) = placeholder(rest) {
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Hole(placeholder));
            rest = after;
        } else {
            plain.push('{');
        }
    }
    plain.push_str(rest);
    if !plain.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    pieces
}

/// A placeholder without its opening brace, and what follows it.
fn placeholder(text: &str) -> Option<(Placeholder, &str)> {
    let (inside, after) = text.split_once('}')?;
    let mut parts = inside.split('.');
    let name = parts
        .next()
        .filter(|name| is_name(name) && !name.starts_with(|first: char| first.is_ascii_digit()))?;
    let fields: Vec<String> = parts.map(str::to_owned).collect();
    fields.iter().all(|field| is_name(field)).then(|| (Placeholder { name: name.to_owned(), fields }, after))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl Placeholder {
    /// As it stands in a template.
    pub(crate) fn as_text(&self) -> String {
        let fields: String = self.fields.iter().map(|field| format!(".{field}")).collect();
        format!("{{{}{fields}}}", self.name)
    }

    /// What it stands for; `None` if it is of none of these variables.
    pub(crate) fn find<'v>(&self, variables: &[(&str, &'v Json)]) -> Option<Result<&'v Json, String>> {
        let (_, value) = variables.iter().find(|(name, _)| *name == self.name)?;
        let mut value: &'v Json = value;
        for field in &self.fields {
            let next = match value {
                Json::Array(items) => field.parse::<usize>().ok().and_then(|index| items.get(index)),
                other => other.get(field),
            };
            match next {
                Some(next) => value = next,
                None => {
                    return Some(Err(format!(
                        "{} has nothing to stand for: there is no {field:?} in {value}",
                        self.as_text()
                    )));
                }
            }
        }
        Some(Ok(value))
    }
}

/// Whether the whole string is one placeholder of these names, which may become any value.
pub(crate) fn is_whole(text: &str, names: &[String]) -> bool {
    text.starts_with('{')
        && matches!(pieces(text).as_slice(), [Piece::Hole(hole)] if names.contains(&hole.name))
}

/// Whether there is a placeholder of these names in the string.
pub(crate) fn has_any(text: &str, names: &[String]) -> bool {
    let known = |piece: &Piece| matches!(piece, Piece::Hole(hole) if names.contains(&hole.name));
    text.contains('{') && pieces(text).iter().any(known)
}

/// Whether there is a placeholder of these names anywhere in a value.
pub(crate) fn inside(value: &Json, names: &[String]) -> bool {
    match value {
        Json::String(text) => has_any(text, names),
        Json::Array(items) => items.iter().any(|item| inside(item, names)),
        Json::Object(fields) => fields.values().any(|value| inside(value, names)),
        Json::Null | Json::Bool(_) | Json::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_between_braces_are_placeholders() {
        let names = ["item".to_owned(), "index".to_owned()];
        for text in ["{item}", "{item.size.0}", "{index}"] {
            assert!(is_whole(text, &names), "{text}");
        }
        for text in
            ["{{item}", "{print $1}", "{}", "{a b}", "{1}", "{item.}", "{item", "a}b", "{a{b", "{HOME}"]
        {
            assert!(!has_any(text, &names), "{text}");
        }
        let text = |text: &str| Piece::Text(text.to_owned());
        let item = Piece::Hole(Placeholder { name: "item".into(), fields: vec![] });
        assert_eq!(pieces("a{{b} {item}{item}-"), [text("a{b} "), item.clone(), item, text("-")]);
        assert_eq!(pieces(""), [text("")]);
    }
}
