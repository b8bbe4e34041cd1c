//! A JSON-Schema validator's errors in words that say what was expected, what was found, and what
//! to do.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value as Json;

use crate::spec::alternatives;
use crate::spec::checker::{Complaint, Leniency};
use crate::spec::describe::{first_line, found, quoted, type_name};
use crate::spec::guide::{Mark, mark, parent};
use crate::spec::nearest::{listed, nearest};
use crate::spec::path::{Focus, Segment, from_pointer};
use crate::spec::placeholder;

/// What the wording of an error depends on besides the error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wording<'a> {
    pub(crate) schema: &'a Json,
    pub(crate) value: &'a Json,
    /// Whose value it is: `operation "resize"`.
    pub(crate) subject: &'a str,
    pub(crate) leniency: Leniency<'a>,
}

/// Whether an error does not count: a placeholder may become anything, a partial may be completed.
pub(crate) fn waived(error: &ValidationError<'_>, leniency: Leniency<'_>) -> bool {
    if leniency.partial && error.instance_path().is_empty() && matches!(error.kind(), Kind::Required { .. }) {
        return true;
    }
    let Some(names) = leniency.template else { return false };
    match (error.kind(), error.instance().as_ref()) {
        (_, Json::String(text)) if placeholder::is_whole(text, names) => true,
        (
            Kind::Pattern { .. }
            | Kind::Format { .. }
            | Kind::MinLength { .. }
            | Kind::MaxLength { .. }
            | Kind::Enum { .. }
            | Kind::Constant { .. },
            Json::String(text),
        ) => placeholder::has_any(text, names),
        (Kind::AnyOf { context } | Kind::OneOfNotValid { context }, _) => {
            context.iter().any(|branch| branch.iter().all(|error| waived(error, leniency)))
        }
        (Kind::OneOfMultipleValid { .. } | Kind::Not { .. } | Kind::Contains | Kind::UniqueItems, value) => {
            placeholder::inside(value, names)
        }
        _ => false,
    }
}

impl Wording<'_> {
    /// The complaints that an error comes to.
    pub(crate) fn complain(&self, error: &ValidationError<'_>) -> Vec<Complaint> {
        let path = from_pointer(error.instance_path().as_str(), self.value);
        let schema = parent(self.schema, error.schema_path().as_str()).unwrap_or(&Json::Null);
        let instance: &Json = error.instance();
        let message = match error.kind() {
            Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
                return unexpected.iter().map(|key| self.unknown(&path, key, schema)).collect();
            }
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                return alternatives::complain(self, &path, instance, context);
            }
            Kind::Required { property } => {
                return vec![self.missing(path, property.as_str().unwrap_or(""), schema)];
            }
            Kind::Enum { options } => {
                return vec![choice(path, instance, options.as_array().map_or(&[], Vec::as_slice), &[])];
            }
            Kind::Constant { expected_value } => {
                return vec![choice(path, instance, std::slice::from_ref(expected_value), &[])];
            }
            Kind::Type { .. } if is_target(schema) => expected_target(instance),
            Kind::Type { kind } => match noun_phrase(schema) {
                Some(noun) => format!("expected {noun}, found {}", found(instance)),
                None => expected(&types(kind), instance),
            },
            // Of a schema that allows no arguments at all.
            Kind::FalseSchema if error.schema_path().as_str().ends_with("/additionalProperties") => {
                let object = self.value.pointer(error.instance_path().as_str()).and_then(Json::as_object);
                let keys = object.into_iter().flat_map(|fields| fields.keys());
                return keys.map(|key| self.unknown(&path, key, schema)).collect();
            }
            kind => bound(kind, instance)
                .unwrap_or_else(|| format!("does not fit the schema: {}", error.masked())),
        };
        vec![Complaint::new(path, Focus::Value, message)]
    }

    fn noun(&self, path: &[Segment]) -> &'static str {
        if path.is_empty() { "argument" } else { "field" }
    }

    fn unknown(&self, path: &[Segment], key: &str, schema: &Json) -> Complaint {
        let noun = self.noun(path);
        let known: Vec<&str> = match schema.get("properties") {
            Some(Json::Object(properties)) => properties.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let suggestion = nearest(key, known.iter().copied()).map(str::to_owned);
        let known = match (&suggestion, known.is_empty()) {
            (Some(_), _) => String::new(),
            (None, true) => "; there are none".into(),
            (None, false) => format!("; there are {}", listed(&known, "and")),
        };
        let of = if path.is_empty() { format!(" of {}", self.subject) } else { String::new() };
        let message = format!("unknown {noun} {}{of}{known}", quoted(key));
        let path = path.iter().cloned().chain([Segment::Key(key.to_owned())]).collect();
        Complaint { suggestion, ..Complaint::new(path, Focus::Key, message) }
    }

    fn missing(&self, path: Vec<Segment>, name: &str, schema: &Json) -> Complaint {
        if name == "@type" && is_target(schema) {
            return Complaint::new(
                path,
                Focus::Value,
                expected_target(&Json::Object(serde_json::Map::new())),
            );
        }
        let described =
            schema.get("properties").and_then(|properties| properties.get(name)?.get("description"));
        let meaning = match described.and_then(Json::as_str).map(first_line) {
            None | Some("") => String::new(),
            Some(line) => format!(" ({line})"),
        };
        let noun = self.noun(&path);
        let of = if path.is_empty() { format!(" of {}", self.subject) } else { String::new() };
        let message = format!("{noun} {}{of} is missing{meaning}; add it", quoted(name));
        Complaint { missing: Some(name.to_owned()), ..Complaint::new(path, Focus::Value, message) }
    }
}

fn is_target(schema: &Json) -> bool {
    matches!(mark(schema), Some(Mark::Target | Mark::Template))
}

fn expected_target(instance: &Json) -> String {
    let but = match instance {
        Json::Object(_) => "this object has no \"@type\"".to_owned(),
        other => format!("found {}", found(other)),
    };
    format!("expected a task or a flow, an object with \"@type\"; {but}")
}

/// A type's description that says what its values are: `a duration such as 30s`.
fn noun_phrase(schema: &Json) -> Option<&str> {
    let description = schema.get("description")?.as_str().map(first_line)?;
    let noun = description.split(": ").next()?;
    (noun.starts_with("a ") || noun.starts_with("an ")).then_some(noun)
}

/// The names of the types that a schema allows.
pub(crate) fn types(kind: &TypeKind) -> Vec<&'static str> {
    match kind {
        TypeKind::Single(one) => vec![one.as_str()],
        TypeKind::Multiple(several) => several.iter().map(|one| one.as_str()).collect(),
    }
}

/// Expected one of these types, found this value.
pub(crate) fn expected(types: &[&str], instance: &Json) -> String {
    let advice = match (types, instance) {
        (["array"], Json::String(_) | Json::Number(_) | Json::Bool(_)) => "; put it between [ and ]",
        (["string"], Json::Number(_) | Json::Bool(_)) => "; put it between quotes",
        ([kind], Json::String(text)) if would_be(kind, text) => "; leave out the quotes",
        (_, Json::Null) => "; write a value, or leave it out if it may be missing",
        (_, Json::Object(fields)) if fields.contains_key("@type") && !types.contains(&"object") => {
            "; a task's result cannot be an argument here"
        }
        _ => "",
    };
    format!("expected {}, found {}{advice}", listed(&type_names(types), "or"), found(instance))
}

/// Types as a list of nouns, `null` last.
pub(crate) fn type_names(types: &[&str]) -> Vec<&'static str> {
    let mut names: Vec<&str> = types.iter().flat_map(|name| type_name(name)).copied().collect();
    names.sort_by_key(|name| *name == "null");
    names
}

fn would_be(kind: &str, text: &str) -> bool {
    match kind {
        "integer" => text.parse::<i64>().is_ok(),
        "number" => text.parse::<f64>().is_ok_and(f64::is_finite),
        "boolean" => matches!(text, "true" | "false"),
        _ => false,
    }
}

/// Expected one of these values, or something of these types.
pub(crate) fn choice(path: Vec<Segment>, instance: &Json, options: &[Json], types: &[&str]) -> Complaint {
    let shown = options.iter().map(Json::to_string).chain(type_names(types).into_iter().map(str::to_owned));
    let shown: Vec<String> = shown.collect();
    let names = options.iter().filter_map(Json::as_str);
    let suggestion = instance.as_str().and_then(|text| nearest(text, names)).map(str::to_owned);
    let message = format!("expected {}, found {}", listed(&shown, "or"), found(instance));
    Complaint { suggestion, ..Complaint::new(path, Focus::Value, message) }
}

/// A value of the right type that is out of its bounds.
fn bound(kind: &Kind, instance: &Json) -> Option<String> {
    let length = match instance {
        Json::String(text) => text.chars().count(),
        Json::Array(items) => items.len(),
        Json::Object(fields) => fields.len(),
        _ => 0,
    };
    Some(match kind {
        Kind::Minimum { limit } => format!("{instance} is too small; the least is {limit}"),
        Kind::Maximum { limit } => format!("{instance} is too large; the most is {limit}"),
        Kind::ExclusiveMinimum { limit } => {
            format!("{instance} is too small; it must be greater than {limit}")
        }
        Kind::ExclusiveMaximum { limit } => format!("{instance} is too large; it must be less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("{instance} is not a multiple of {multiple_of}"),
        Kind::MinLength { limit: 1 } => "the string is empty; write something".into(),
        Kind::MinLength { limit } => format!("the string has {length} characters; the least is {limit}"),
        Kind::MaxLength { limit } => format!("the string has {length} characters; the most is {limit}"),
        Kind::MinItems { limit: 1 } => "the list is empty; put in at least one item".into(),
        Kind::MinItems { limit } => format!("the list has {length} items; the least is {limit}"),
        Kind::MaxItems { limit } => format!("the list has {length} items; the most is {limit}"),
        Kind::AdditionalItems { limit } => format!("the list has {length} items; the most is {limit}"),
        Kind::MinProperties { limit } => format!("the object has {length} fields; the least is {limit}"),
        Kind::MaxProperties { limit } => format!("the object has {length} fields; the most is {limit}"),
        Kind::UniqueItems => "an item stands twice in this list; remove one".into(),
        Kind::Pattern { pattern } => format!("{} does not match the pattern {pattern}", found(instance)),
        Kind::Format { format } => format!("{} is not of the format {format}", found(instance)),
        Kind::FalseSchema => "nothing may stand here; remove it".into(),
        Kind::Contains => "the list lacks an item that it must contain".into(),
        Kind::OneOfMultipleValid { .. } => {
            format!("{} fits several of the allowed forms; it must fit one", found(instance))
        }
        _ => return None,
    })
}
