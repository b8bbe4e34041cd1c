//! The text of a spec as JSON that knows where its parts stand.

use jsonc_parser::ast::{Object, Value as Node};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};
use serde_json::{Map, Value as Json};

use crate::spec::findings::{Finding, Findings};
use crate::spec::path::{Focus, Place, Segment};
use crate::spec::syntax;

/// A parsed text.
pub(crate) struct Document<'t> {
    text: &'t str,
    root: Option<Node<'t>>,
}

/// Nothing but what RFC 8259 calls JSON.
const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

impl<'t> Document<'t> {
    /// A text that could not be parsed; all places are bytes of it.
    pub(crate) fn unparsed(text: &'t str) -> Self {
        Self { text, root: None }
    }

    /// Parses a text that the lexical check has let through.
    pub(crate) fn parse(text: &'t str) -> Result<Self, Finding> {
        match parse_to_ast(text, &CollectOptions::default(), &STRICT) {
            Ok(parsed) => Ok(Self { text, root: parsed.value }),
            Err(error) => Err(syntax::explain(text, &error)),
        }
    }

    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    /// The JSON. Of a key that stands twice the first counts; that is a problem anyway.
    pub(crate) fn json(&self, findings: &mut Findings) -> Json {
        self.root.as_ref().map_or(Json::Null, |root| convert(root, &mut Vec::new(), findings))
    }

    /// The byte of a place; of its nearest container if the text does not have it.
    pub(crate) fn locate(&self, place: &Place) -> usize {
        if let Focus::Byte(byte) = place.focus {
            return byte;
        }
        let Some(mut node) = self.root.as_ref() else { return 0 };
        let mut key_start = None;
        for segment in &place.path {
            let next = match (segment, node) {
                (Segment::Key(key), Node::Object(object)) => member(object, key),
                (Segment::Index(index), Node::Array(array)) => {
                    array.elements.get(*index).map(|item| (None, item))
                }
                _ => None,
            };
            let Some((key, value)) = next else { return node.start() };
            (key_start, node) = (key, value);
        }
        match (place.focus, node) {
            (Focus::Key, _) => key_start.unwrap_or(node.start()),
            (Focus::Member(name), Node::Object(object)) => {
                member(object, name).map_or(node.start(), |(_, value)| value.start())
            }
            (Focus::Value | Focus::Member(_) | Focus::Byte(_), _) => node.start(),
        }
    }
}

/// Where the key of a member stands, and its value.
fn member<'n, 't>(object: &'n Object<'t>, key: &str) -> Option<(Option<usize>, &'n Node<'t>)> {
    let property = object.properties.iter().find(|property| property.name.as_str() == key)?;
    Some((Some(property.name.start()), &property.value))
}

fn convert(node: &Node<'_>, path: &mut Vec<Segment>, findings: &mut Findings) -> Json {
    match node {
        Node::NullKeyword(_) => Json::Null,
        Node::BooleanLit(literal) => literal.value.into(),
        Node::StringLit(literal) => literal.value.as_ref().into(),
        Node::NumberLit(literal) => number(literal.value).unwrap_or_else(|message| {
            findings.add(Finding::new(path, Focus::Byte(literal.range.start), message));
            Json::Null
        }),
        Node::Array(array) => {
            let items = array.elements.iter().enumerate().map(|(index, item)| {
                path.push(Segment::Index(index));
                let json = convert(item, path, findings);
                path.pop();
                json
            });
            items.collect()
        }
        Node::Object(object) => {
            let mut first_places = std::collections::HashMap::with_capacity(object.properties.len());
            let mut fields = Map::with_capacity(object.properties.len());
            for property in &object.properties {
                let (key, start) = (property.name.as_str(), property.name.start());
                path.push(key.into());
                if let Some(first) = first_places.get(key) {
                    let message = format!("key {} stands twice in this object; remove one", Json::from(key));
                    let finding = Finding::new(path, Focus::Byte(start), message);
                    findings.add(Finding { other: Some(*first), ..finding });
                } else {
                    first_places.insert(key, start);
                    fields.insert(key.to_owned(), convert(&property.value, path, findings));
                }
                path.pop();
            }
            Json::Object(fields)
        }
    }
}

/// A number without loss: an integer of at most 64 bits or a finite 64-bit float.
fn number(text: &str) -> Result<Json, String> {
    if !text.contains(['.', 'e', 'E']) {
        let integer = text.parse::<i64>().map(Json::from).or_else(|_| text.parse::<u64>().map(Json::from));
        return integer.map_err(|_| {
            format!("{text} does not fit into 64 bits; write it as a string, or with a decimal point if it may be rounded")
        });
    }
    let float = text.parse().ok().and_then(serde_json::Number::from_f64);
    float
        .map(Json::Number)
        .ok_or_else(|| format!("{text} is out of the range of 64-bit floats; write it as a string"))
}
