//! Checking a value against a JSON Schema, compiled once.

use jsonschema::Validator;
use serde_json::{Value as Json, json};

use crate::spec::guide::Guide;
use crate::spec::path::{Focus, Segment};
use crate::spec::wording::{Wording, waived};

/// Most complaints about one value.
const MAX_COMPLAINTS: usize = 200;

/// A compiled schema.
#[derive(Debug)]
pub(crate) struct Checker {
    schema: Json,
    /// Or why it is no schema.
    validator: Result<Validator, String>,
}

/// Something wrong with a value, at a place inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) path: Vec<Segment>,
    pub(crate) focus: Focus,
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
    /// The name of what is missing in the object at the path.
    pub(crate) missing: Option<String>,
}

/// How a value is to be looked at.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Leniency<'a> {
    /// Placeholders of these names may stand for anything.
    pub(crate) template: Option<&'a [String]>,
    /// Arguments may be missing; others will add them.
    pub(crate) partial: bool,
}

impl Checker {
    pub(crate) fn new(schema: &Json) -> Self {
        let mut tight = schema.clone();
        tighten(&mut tight);
        let validator = jsonschema::options().build(&tight).map_err(|error| error.to_string());
        Self { schema: tight, validator }
    }

    /// The schema, for walking down beside a value.
    pub(crate) fn guide(&self) -> Guide<'_> {
        Guide::new(&self.schema)
    }

    /// Everything that is wrong with a value. `subject` names whose it is: `operation "resize"`.
    pub(crate) fn check(&self, value: &Json, subject: &str, leniency: Leniency<'_>) -> Vec<Complaint> {
        let validator = match &self.validator {
            Ok(validator) => validator,
            Err(error) => {
                let message = format!("{subject} has a broken argument schema ({error}); tell its author");
                return vec![Complaint::new(Vec::new(), Focus::Value, message)];
            }
        };
        let wording = Wording { schema: &self.schema, value, subject, leniency };
        let errors = validator.iter_errors(value).take(MAX_COMPLAINTS);
        let errors = errors.filter(|error| !waived(error, leniency));
        let mut complaints: Vec<Complaint> = errors.flat_map(|error| wording.complain(&error)).collect();
        // A misspelt argument is missing too, but that is one mistake.
        let misspelt: Vec<_> = complaints.iter().filter_map(Complaint::misspelt).collect();
        complaints.retain(|complaint| {
            let missing = complaint.missing.as_ref();
            !missing.is_some_and(|name| misspelt.contains(&(complaint.path.clone(), name.clone())))
        });
        complaints
    }
}

impl Complaint {
    pub(crate) fn new(path: Vec<Segment>, focus: Focus, message: impl Into<String>) -> Self {
        Self { path, focus, message: message.into(), suggestion: None, missing: None }
    }

    /// The object and the name in it that was perhaps meant, if this is about an unknown name.
    fn misspelt(&self) -> Option<(Vec<Segment>, String)> {
        let (_, object) = self.path.split_last().filter(|_| self.focus == Focus::Key)?;
        Some((object.to_vec(), self.suggestion.clone()?))
    }
}

/// Adds the bounds of Rust's integers where a schema only names their format, which validators
/// take for a comment.
fn tighten(schema: &mut Json) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(tighten),
        Json::Object(fields) => {
            let bounds = match fields.get("format").and_then(Json::as_str) {
                Some("int8") => Some((json!(i8::MIN), json!(i8::MAX))),
                Some("int16") => Some((json!(i16::MIN), json!(i16::MAX))),
                Some("int32") => Some((json!(i32::MIN), json!(i32::MAX))),
                Some("int64" | "int") => Some((json!(i64::MIN), json!(i64::MAX))),
                Some("uint8") => Some((json!(0), json!(u8::MAX))),
                Some("uint16") => Some((json!(0), json!(u16::MAX))),
                Some("uint32") => Some((json!(0), json!(u32::MAX))),
                Some("uint64" | "uint") => Some((json!(0), json!(u64::MAX))),
                _ => None,
            };
            if let Some((least, most)) = bounds {
                fields.entry("minimum").or_insert(least);
                fields.entry("maximum").or_insert(most);
            }
            fields.values_mut().for_each(tighten);
        }
        _ => {}
    }
}
