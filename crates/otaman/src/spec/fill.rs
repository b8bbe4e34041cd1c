//! Arguments of a flow as JSON with holes, and versions handed down to the targets in them.

use semver::Version;
use serde_json::{Map, Value as Json};

use crate::error::Error;
use crate::spec::catalog::{Catalog, Entry};
use crate::spec::guide::{Guide, Mark};
use crate::spec::mold::{TextMold, text_of};
use crate::spec::path::Segment;
use crate::spec::placeholder::{Piece, Placeholder, pieces};

/// Whether strings are templates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filling {
    /// They stand for themselves.
    Verbatim,
    /// `{name}` stands for a variable.
    Placeholders,
}

impl Filling {
    /// Without variables strings stand for themselves.
    pub(crate) fn with(variables: &[(&str, &Json)]) -> Self {
        if variables.is_empty() { Self::Verbatim } else { Self::Placeholders }
    }
}

/// The arguments of a flow with holes.
pub(crate) struct Template {
    arguments: Json,
    holes: Vec<(Vec<Segment>, Hole)>,
}

enum Hole {
    Value { hole: Placeholder, as_text: bool },
    Text(TextMold),
}

impl Template {
    /// Templates inside these arguments are left alone: they belong to the inner flow.
    pub(crate) fn new(
        arguments: Map<String, Json>,
        entry: &Entry,
        catalog: &Catalog,
        filling: Filling,
    ) -> Self {
        let arguments = Json::Object(arguments);
        let mut search = Search { catalog, path: Vec::new(), holes: Vec::new() };
        if filling == Filling::Placeholders {
            search.parts(&arguments, &entry.checker().guide());
        }
        Self { holes: search.holes, arguments }
    }

    /// The arguments with these variables.
    pub(crate) fn fill(&self, variables: &[(&str, &Json)]) -> Result<Json, Error> {
        let mut arguments = self.arguments.clone();
        for (path, hole) in &self.holes {
            let filled = match hole {
                Hole::Text(text) => text.cast(variables)?.into(),
                Hole::Value { hole, as_text } => {
                    match hole.find(variables).transpose().map_err(Error::permanent)? {
                        Some(value) if *as_text => text_of(value),
                        Some(value) => value.clone(),
                        None => continue,
                    }
                }
            };
            let place = path.iter().try_fold(&mut arguments, |value, segment| match segment {
                Segment::Key(key) => value.get_mut(key),
                Segment::Index(index) => value.get_mut(index),
            });
            *place.expect("the path was found in these arguments") = filled;
        }
        Ok(arguments)
    }
}

struct Search<'c> {
    catalog: &'c Catalog,
    path: Vec<Segment>,
    holes: Vec<(Vec<Segment>, Hole)>,
}

impl Search<'_> {
    fn value(&mut self, value: &Json, guide: &Guide<'_>) {
        if guide.mark() == Some(Mark::Template) {
            return;
        }
        match value {
            Json::String(text) if text.contains('{') => {
                let hole = match pieces(text).as_slice() {
                    [Piece::Hole(hole)] => Hole::Value { hole: hole.clone(), as_text: guide.wants_text() },
                    _ => Hole::Text(TextMold::new(text, Filling::Placeholders)),
                };
                self.holes.push((self.path.clone(), hole));
            }
            Json::Object(fields) => {
                let name = fields.get("@type").and_then(Json::as_str);
                let version =
                    fields.get("@version").and_then(Json::as_str).and_then(|text| text.parse().ok());
                match name.and_then(|name| self.catalog.select(name, version.as_ref()).ok()) {
                    Some(entry) => self.parts(value, &entry.checker().guide()),
                    None => self.parts(value, guide),
                }
            }
            Json::Array(_) => self.parts(value, guide),
            Json::String(_) | Json::Null | Json::Bool(_) | Json::Number(_) => {}
        }
    }

    fn parts(&mut self, value: &Json, guide: &Guide<'_>) {
        let mut part = |segment: Segment, value: &Json| {
            let guide = guide.child(&segment);
            self.path.push(segment);
            self.value(value, &guide);
            self.path.pop();
        };
        match value {
            Json::Object(fields) => fields.iter().for_each(|(key, value)| part(key.as_str().into(), value)),
            Json::Array(items) => {
                items.iter().enumerate().for_each(|(index, item)| part(Segment::Index(index), item))
            }
            _ => {}
        }
    }
}

/// Gives a version to the targets inside a value that have none of their own.
pub(crate) fn inherit(value: &mut Json, version: &Version) {
    match value {
        Json::Array(items) => items.iter_mut().for_each(|item| inherit(item, version)),
        Json::Object(fields) => {
            if fields.contains_key("@version") {
                return;
            }
            if fields.contains_key("@type") {
                fields.insert("@version".into(), version.to_string().into());
            }
            fields
                .iter_mut()
                .filter(|(key, _)| !key.starts_with('@'))
                .for_each(|(_, value)| inherit(value, version));
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}
