//! One JSON Schema of all specs, for editors.

use serde_json::{Map, Value as Json, json};

use crate::entry::{Info, Kind};
use crate::spec::catalog::Catalog;
use crate::spec::options;

/// The JSON Schema (2020-12) of all specs that a catalog accepts, for completion and checks in
/// editors. The checks of [`parse`](crate::spec::parse) are stricter.
pub fn schema(catalog: &Catalog) -> Json {
    let mut definitions = Map::new();
    let mut targets = Vec::new();
    for info in catalog.infos() {
        let name = format!("{}@{}", info.name, info.version);
        let definition = definition(info, &name, &mut definitions);
        definitions.insert(name.clone(), definition);
        targets.push(reference(&name));
    }
    let mut roots = targets.clone();
    for entry_point in &catalog.entry_points {
        let definition = typed(entry_point.name, "Executes its target.", &entry_point.schema, None, true);
        definitions.insert(entry_point.name.to_owned(), definition);
        roots.push(reference(entry_point.name));
    }
    let names: Vec<&str> = catalog.names().collect();
    definitions.insert("target".into(), json!({"type": "object", "required": ["@type"], "anyOf": targets}));
    definitions.insert(
        "template".into(),
        json!({
            "type": "object",
            "required": ["@type"],
            "properties": {"@type": {"enum": names}},
            "description": "A task or flow for each item; strings may contain {item} and {index}."
        }),
    );
    definitions.insert("variable".into(), variable());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Otaman spec",
        "type": "object",
        "required": ["@type"],
        "anyOf": roots,
        "$defs": definitions
    })
}

fn reference(name: &str) -> Json {
    json!({"$ref": format!("#/$defs/{name}")})
}

/// Where the value of a variable stands.
fn variable() -> Json {
    json!({
        "description": "A variable, given with --var name=value.",
        "anyOf": [
            {"type": "string", "pattern": "\\$\\{"},
            {
                "type": "object",
                "properties": {"@var": {"type": "string"}, "default": {}},
                "required": ["@var"],
                "additionalProperties": false
            }
        ]
    })
}

fn definition(info: &Info, prefix: &str, definitions: &mut Map<String, Json>) -> Json {
    let mut arguments = info.arguments.clone();
    if let Some(Json::Object(own)) = arguments.as_object_mut().and_then(|schema| schema.remove("$defs")) {
        for (name, mut definition) in own {
            rewrite(&mut definition, prefix);
            definitions.insert(format!("{prefix}:{name}"), definition);
        }
    }
    rewrite(&mut arguments, prefix);
    let options = (info.kind == Kind::Operation).then(options::schema);
    typed(info.name.as_str(), &info.description, &arguments, options.as_ref(), false)
}

/// The schema of an object with `@type`, from that of its arguments.
fn typed(name: &str, description: &str, arguments: &Json, options: Option<&Json>, root: bool) -> Json {
    let mut definition = arguments.clone();
    if root {
        rewrite(&mut definition, name);
    }
    let Json::Object(fields) = &mut definition else { return definition };
    for key in ["$schema", "title"] {
        fields.remove(key);
    }
    fields.insert("description".into(), description.into());
    let mut properties = Map::new();
    properties.insert("@type".into(), json!({"const": name}));
    properties.insert(
        "@version".into(),
        json!({"type": "string", "description": "Version, inherited by the targets inside."}),
    );
    properties.insert("@mode".into(), json!({"enum": ["regular", "partial"]}));
    let options = options.and_then(|options| options.get("properties")?.as_object()).into_iter().flatten();
    let arguments = fields.get("properties").and_then(Json::as_object).into_iter().flatten();
    for (key, schema) in options.chain(arguments) {
        properties.insert(key.clone(), json!({"anyOf": [schema, reference("variable")]}));
    }
    // Editors are told the schema by this key of the root.
    properties.insert("$schema".into(), json!({"type": "string"}));
    fields.insert("properties".into(), properties.into());
    let mut required = vec![Json::from("@type")];
    required.extend(fields.get("required").and_then(Json::as_array).into_iter().flatten().cloned());
    fields.insert("required".into(), required.into());
    definition
}

/// Points references to where definitions have moved, and marked places to their definitions.
fn rewrite(schema: &mut Json, prefix: &str) {
    match schema {
        Json::Array(items) => items.iter_mut().for_each(|item| rewrite(item, prefix)),
        Json::Object(fields) => {
            if let Some(name @ ("target" | "template")) = fields.get("x-otaman").and_then(Json::as_str) {
                let description = fields.get("description").cloned();
                *schema = reference(name);
                if let (Some(description), Json::Object(fields)) = (description, schema) {
                    fields.insert("description".into(), description);
                }
                return;
            }
            match fields.get("$ref").and_then(Json::as_str) {
                Some("#") => drop(fields.insert("$ref".into(), format!("#/$defs/{prefix}").into())),
                Some(reference) if reference.starts_with("#/$defs/") => {
                    let moved = reference.replacen("#/$defs/", &format!("#/$defs/{prefix}:"), 1);
                    fields.insert("$ref".into(), moved.into());
                }
                _ => {}
            }
            fields.values_mut().for_each(|value| rewrite(value, prefix));
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}
