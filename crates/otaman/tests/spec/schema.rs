//! The JSON Schema of specs, for editors.

use otaman::spec;
use serde_json::{Value as Json, json};

use crate::fixtures::catalog;

fn validator() -> jsonschema::Validator {
    jsonschema::options().build(&spec::schema(&catalog())).unwrap()
}

#[test]
fn it_accepts_what_the_builder_accepts() {
    let validator = validator();
    for good in [
        json!({"@type": "note"}),
        json!({"$schema": "x", "@type": "resize", "@version": "1.0", "@worker_type": "gpu", "path": "a", "width": 5}),
        json!({"@type": "resize", "path": "${a}", "width": {"@var": "w", "default": 5}}),
        json!({"@type": "chain", "stages": [{"@type": "chain", "stages": [{"@type": "load", "from": {"file": {"path": "a"}}}]}]}),
        json!({"@type": "each", "items": [1], "do": {"@type": "resize", "path": "{item}", "width": "{index}"}}),
        json!({"@type": "mazepa.execute", "target": {"@type": "note"}, "raise_on_failed_task": null, "checkpoint": null}),
    ] {
        let errors: Vec<String> = validator.iter_errors(&good).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{good}: {errors:?}");
    }
}

#[test]
fn it_refuses_what_the_builder_refuses() {
    let validator = validator();
    for bad in [
        json!([]),
        json!({"@type": "nope"}),
        json!({"@type": "note", "@priority": 1}),
        json!({"@type": "resize", "path": "a"}),
        json!({"@type": "resize", "path": "a", "width": 0}),
        json!({"@type": "chain", "@worker_type": "gpu", "stages": []}),
        json!({"@type": "chain", "stages": [{"@type": "note", "dat": 1}]}),
        json!({"@type": "chain", "stages": [{"@type": "mazepa.execute", "target": {"@type": "note"}}]}),
        json!({"@type": "load", "from": {"file": {"path": 5}}}),
        json!({"@type": "mazepa.execute", "target": {"@type": "nope"}}),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn references<'j>(json: &'j Json, found: &mut Vec<&'j str>) {
        match json {
            Json::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Json::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Json::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let schema = spec::schema(&catalog());
    let mut found = Vec::new();
    references(&schema, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        assert!(schema.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}
