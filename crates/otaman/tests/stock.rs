//! Stock operations and flows from the text of a spec to its value.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Arc;

use otaman::driver::Node;
use otaman::inline::{Run, Runner};
use otaman::spec::{self, Catalog};
use otaman::{Registry, Resolve, Value};
use serde_json::{Value as Json, json};

/// Runs a spec whose root is a flow.
async fn run(catalog: Catalog, spec: &Json) -> Run<Value> {
    let text = serde_json::to_string_pretty(spec).unwrap();
    let spec = spec::parse("spec.json", &text, &BTreeMap::new(), &catalog);
    let spec = spec.unwrap_or_else(|problems| panic!("{problems}"));
    let resolver = Arc::new(catalog);
    let Node::Flow(call) = resolver.resolve(&spec.root, &[]).unwrap() else { panic!("the root is a flow") };
    Runner::new(Registry::linked().unwrap()).with_resolver(resolver).run_call(call).await
}

async fn value(spec: Json) -> Json {
    run(catalog(), &spec).await.result.unwrap().to_json().unwrap()
}

fn catalog() -> Catalog {
    Catalog::new(&Registry::linked().unwrap())
}

fn refusal(spec: &Json) -> String {
    spec::parse("spec.json", spec.to_string(), &BTreeMap::new(), &catalog()).unwrap_err().to_string()
}

#[tokio::test]
async fn items_keep_their_types_and_appear_as_text_in_longer_strings() {
    let items = json!([1, "a b", null, {"name": "deep", "sizes": [7, 8]}]);
    let spec = json!({
        "@type": "map_flow",
        "over": items,
        "do": {"@type": "echo", "value": {"item": "{item}", "index": "{index}", "text": "#{index} {{item}}"}},
    });
    let value = value(spec).await;
    for (index, item) in items.as_array().unwrap().iter().enumerate() {
        assert_eq!((&value[index]["item"], &value[index]["index"]), (item, &json!(index)));
        assert_eq!(value[index]["text"].as_str().unwrap().find("{item}"), Some(3), "{value}");
    }
}

#[tokio::test]
async fn parts_of_items_can_be_named() {
    let spec = json!({
        "@type": "map_flow",
        "over": [{"name": "one", "sizes": [7, 8]}, {"name": "two", "sizes": [9, 10]}],
        "do": {"@type": "echo", "value": ["<{item.name}>", "{item.sizes.1}"]},
    });
    assert_eq!(value(spec).await, json!([["<one>", 8], ["<two>", 10]]));
}

#[tokio::test]
async fn a_command_per_line_of_standard_input_and_one_for_all() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "žluť\nplain").unwrap();
    let spec = json!({
        "@type": "map_flow",
        "over": {"lines": "-"},
        "do": {"@type": "command", "argv": ["printf", "%s/%s", "{item}", "{index}"]},
        "reduce": {"@type": "echo", "value": {"outputs": "{values}", "text": "{count} lines"}},
    });
    let run = run(catalog().with_standard_input(file.path().to_owned()), &spec).await;
    assert_eq!(run.operations(), ["command", "command", "echo"]);
    let value = run.result.unwrap().to_json().unwrap();
    assert_eq!(value["text"], "2 lines");
    assert_eq!(
        (&value["outputs"][0]["stdout"], &value["outputs"][1]["stdout"]),
        (&json!("žluť/0"), &json!("plain/1"))
    );
}

#[tokio::test]
async fn flows_may_be_mapped_and_staged_at_will() {
    let echo = |value: Json| json!({"@type": "echo", "value": value});
    let spec = json!({
        "@type": "mazepa.sequential_flow",
        "stages": [
            {"@type": "mazepa.concurrent_flow", "stages": [echo(json!(1)), echo(json!(2))]},
            {"@type": "map_flow", "over": {"range": [0, 2]}, "do": {
                "@type": "mazepa.sequential_flow", "stages": [echo(json!("{item}")), echo(json!("also {item}"))],
            }},
            {"@type": "map_flow", "over": [], "do": echo(json!("{item}"))},
        ],
    });
    assert_eq!(value(spec).await, json!([[1, 2], [[0, "also 0"], [1, "also 1"]], []]));
}

#[tokio::test]
async fn the_first_failure_is_the_flows() {
    let spec = json!({
        "@type": "map_flow",
        "over": ["true", "false"],
        "do": {"@type": "command", "argv": ["{item}"]},
    });
    let error = run(catalog(), &spec).await.result.unwrap_err();
    assert!(error.to_string().contains("command \"false\" exited with code 1"), "{error}");
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    let echo = json!({"@type": "echo", "value": 1});
    let map = |over: Json| json!({"@type": "map_flow", "over": over, "do": echo});
    for (spec, problem) in [
        (map(json!({"range": [0, 5, 0]})), "the step of a range must not be 0"),
        (map(json!({"range": [0, 1.5]})), "integer"),
        (map(json!({"lines": "/"})), "is a directory"),
        (map(json!({"lines": "-"})), "standard input"),
        (map(json!({"glob": "a***b"})), "is not a pattern"),
        (map(json!("a.txt")), "$.over"),
        (json!({"@type": "command", "argv": []}), "$.argv"),
        (json!({"@type": "command"}), "argv"),
        (json!({"@type": "sleep", "duration": "soon"}), "is not a duration"),
        (
            json!({"@type": "map_flow", "over": [1], "do": echo, "reduce": {"@type": "echo", "value": "{valeus}"}}),
            "{values}",
        ),
        (
            json!({"@type": "map_flow", "over": ["1s", "later"], "do": {"@type": "sleep", "duration": "{item}"}}),
            "with item 1, \"later\"",
        ),
    ] {
        let refusal = refusal(&spec);
        assert!(refusal.contains(problem), "{problem} in: {refusal}");
    }
}

/// An earlier stage may make the file, so it is looked for when the flow is reached.
#[tokio::test]
async fn a_missing_file_is_told_when_the_flow_is_reached() {
    for (over, problem) in [
        (json!({"lines": "/no/such/file"}), "cannot open \"/no/such/file\""),
        (json!({"glob": "/no/such/file.png"}), "has no wildcard"),
    ] {
        let spec = json!({"@type": "map_flow", "over": over, "do": {"@type": "echo", "value": "{item}"}});
        spec::parse("spec.json", spec.to_string(), &BTreeMap::new(), &catalog()).unwrap();
        let error = run(catalog(), &spec).await.result.unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[tokio::test]
async fn what_is_not_text_becomes_json_where_only_text_may_stand() {
    let spec = json!({
        "@type": "map_flow", "over": [1, true, "x"], "do": {"@type": "echo", "value": "{item}"},
        "reduce": {"@type": "command", "argv": ["cat"], "stdin": "{values}"},
    });
    assert_eq!(value(spec).await["stdout"], "[1,true,\"x\"]");
}
