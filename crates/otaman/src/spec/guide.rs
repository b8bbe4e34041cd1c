//! Walking down an argument schema beside a value: which sub-schemas speak about a place, and what
//! the marks in them say about it.

use serde_json::Value as Json;

use crate::spec::path::Segment;

/// Most sub-schemas considered for one place; a schema that refers to itself would have no end.
const MAX_SCHEMAS: usize = 64;

/// What the keyword `x-otaman` of a schema says about the value there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A task or a flow.
    Target,
    /// A task or a flow once placeholders are filled in.
    Template,
    /// A value of a type with a tag of its own named `@type`; not for the spec builder.
    Value,
}

/// The sub-schemas that speak about one place of a value.
#[derive(Debug, Clone)]
pub(crate) struct Guide<'s> {
    root: &'s Json,
    schemas: Vec<&'s Json>,
}

impl<'s> Guide<'s> {
    /// For a value as a whole.
    pub(crate) fn new(root: &'s Json) -> Self {
        Self::of(root, vec![root])
    }

    /// For a place that no schema speaks about.
    pub(crate) fn none() -> Guide<'static> {
        Guide { root: &Json::Null, schemas: Vec::new() }
    }

    fn of(root: &'s Json, mut schemas: Vec<&'s Json>) -> Self {
        let mut next = 0;
        while let Some(&schema) = schemas.get(next) {
            next += 1;
            let reference = schema.get("$ref").and_then(Json::as_str).and_then(|name| refer(root, name));
            let alternatives =
                ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array());
            let conditional = ["then", "else"].into_iter().filter_map(|key| schema.get(key));
            for found in reference.into_iter().chain(alternatives.flatten()).chain(conditional) {
                if schemas.len() < MAX_SCHEMAS && !schemas.iter().any(|known| std::ptr::eq(*known, found)) {
                    schemas.push(found);
                }
            }
        }
        Self { root, schemas }
    }

    /// For a member or an item of the value here.
    pub(crate) fn child(&self, segment: &Segment) -> Self {
        let below = |schema: &&'s Json| -> Option<&'s Json> {
            match segment {
                Segment::Key(key) => {
                    let named = schema.get("properties").and_then(|properties| properties.get(key));
                    named.or_else(|| schema.get("additionalProperties"))
                }
                Segment::Index(index) => {
                    let fixed = schema.get("prefixItems").and_then(|items| items.get(index));
                    fixed.or_else(|| schema.get("items"))
                }
            }
        };
        let schemas: Vec<&Json> =
            self.schemas.iter().filter_map(below).filter(|schema| schema.is_object()).collect();
        if schemas.is_empty() { Self { root: self.root, schemas } } else { Self::of(self.root, schemas) }
    }

    /// What the value here is marked to be.
    pub(crate) fn mark(&self) -> Option<Mark> {
        self.schemas.iter().find_map(|schema| mark(schema))
    }

    /// Whether only strings may stand here, or null.
    pub(crate) fn wants_text(&self) -> bool {
        let types = |schema: &&Json| {
            schema.get("type").map(|types| match types {
                Json::Array(several) => several.iter().all(|one| one == "string" || one == "null"),
                one => one == "string" || one == "null",
            })
        };
        // Those without a type leave it to others to say one, or allow all.
        let delegates =
            |schema: &&Json| ["$ref", "allOf", "anyOf", "oneOf"].iter().any(|key| schema.get(key).is_some());
        let string = |schema: &&Json| schema.get("type").is_some_and(|types| names(types, "string"));
        self.schemas.iter().any(string)
            && self.schemas.iter().all(|schema| types(schema).unwrap_or_else(|| delegates(schema)))
    }

    /// Names of the placeholders that a template may have here.
    pub(crate) fn variables(&self) -> Vec<String> {
        let names = self.schemas.iter().find_map(|schema| schema.get("x-otaman-variables")?.as_array());
        names.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
    }

    /// Whether all that is said about numbers here is that they are integers.
    pub(crate) fn wants_integer(&self) -> bool {
        let types = || self.schemas.iter().filter_map(|schema| schema.get("type"));
        types().any(|types| names(types, "integer")) && !types().any(|types| names(types, "number"))
    }
}

/// The mark of one schema.
pub(crate) fn mark(schema: &Json) -> Option<Mark> {
    match schema.get("x-otaman")?.as_str()? {
        "target" => Some(Mark::Target),
        "template" => Some(Mark::Template),
        "value" => Some(Mark::Value),
        _ => None,
    }
}

fn names(types: &Json, name: &str) -> bool {
    match types {
        Json::String(one) => one == name,
        Json::Array(several) => several.iter().any(|one| one == name),
        _ => false,
    }
}

/// The sub-schema that a `$ref` leads to.
fn refer<'s>(root: &'s Json, reference: &str) -> Option<&'s Json> {
    root.pointer(reference.strip_prefix('#')?)
}

/// The schema that holds the keyword at this place of a schema, following `$ref`.
pub(crate) fn parent<'s>(root: &'s Json, keyword: &str) -> Option<&'s Json> {
    let mut schema = root;
    let mut parts: Vec<&str> = keyword.split('/').skip(1).collect();
    parts.pop();
    for part in parts {
        let part = part.replace("~1", "/").replace("~0", "~");
        schema = match schema {
            Json::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            _ if part == "$ref" => refer(root, schema.get("$ref")?.as_str()?)?,
            _ => schema.get(&part)?,
        };
    }
    Some(schema)
}
