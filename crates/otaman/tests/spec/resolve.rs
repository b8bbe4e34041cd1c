//! Tasks and flows made of targets.

use std::time::Duration;

use otaman::driver::Node;
use otaman::{Resolve, RetryPolicy, Target, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::fixtures::catalog;

#[track_caller]
fn task(spec: Json, variables: &[(&str, &Json)]) -> protocol::Task {
    match catalog().resolve(&Target::new(spec), variables) {
        Ok(Node::Task(task)) => (*task).clone(),
        other => panic!("not a task: {other:?}"),
    }
}

#[track_caller]
fn data(template: Json, item: &Json) -> Json {
    let arguments =
        task(json!({"@type": "note", "data": template}), &[("item", item), ("index", &json!(3))]).arguments;
    arguments.to_json().unwrap()["data"].clone()
}

#[test]
fn a_task_has_the_settings_of_its_operation_unless_the_spec_says_otherwise() {
    let plain = task(json!({"@type": "load", "from": {"file": {"path": "a"}}}), &[]);
    assert_eq!(plain.worker_type.as_str(), "io");
    assert_eq!((plain.runtime_limit, &plain.retry), (None, &None));
    assert_eq!(plain.semaphores, ["read".parse().unwrap()]);
    let none = task(json!({"@type": "load", "from": {"file": {"path": "a"}}, "@semaphores": []}), &[]);
    assert!(none.semaphores.is_empty());
    let set = task(
        json!({"@type": "load", "from": {"file": {"path": "a"}}, "@worker_type": "gpu", "@runtime_limit": "2m",
            "@semaphores": ["write", "cuda"], "@retry": {"max_attempts": 9, "max_delay": "7s", "transient_exit_codes": "all",
            "timeout_delay": "3s", "out_of_memory_delay": "4s", "on_out_of_memory": {"worker_type": "gpu-large"}}}),
        &[],
    );
    let retry = RetryPolicy {
        max_attempts: 9,
        max_delay: Duration::from_secs(7),
        transient_exit_codes: protocol::ExitCodes::All,
        timeout_delay: Some(Duration::from_secs(3)),
        out_of_memory_delay: Some(Duration::from_secs(4)),
        on_out_of_memory: Some(protocol::OnOutOfMemory { worker_type: "gpu-large".parse().unwrap() }),
        ..RetryPolicy::default()
    };
    assert_eq!((set.worker_type.as_str(), set.runtime_limit), ("gpu", Some(Duration::from_secs(120))));
    assert_eq!(set.retry.as_deref(), Some(&retry));
    assert_eq!(set.semaphores, ["write", "cuda"].map(|name| name.parse().unwrap()));
    assert_eq!(set.id, plain.id);
}

#[test]
fn the_id_is_that_of_the_same_call_made_otherwise() {
    let made = task(json!({"@type": "resize", "width": 5, "path": "a", "tags": []}), &[]);
    let arguments = Value::encode(&json!({"path": "a", "tags": [], "width": 5})).unwrap();
    let other = protocol::Task::new("resize".parse().unwrap(), "1.2.0".parse().unwrap(), arguments);
    assert_eq!(made.id, other.id);
    let keyed = task(json!({"@type": "note", "@key": "k-{item}"}), &[("item", &json!("x"))]);
    assert_eq!(keyed.id, protocol::TaskId::of_key("k-x"));
}

#[test]
fn the_version_selects_the_operation() {
    let version = |spec: Json| task(spec, &[]).version.to_string();
    assert_eq!(version(json!({"@type": "import"})), "1.5.0");
    assert_eq!(version(json!({"@type": "import", "@version": "0"})), "0.1.0");
    assert_eq!(version(json!({"@type": "import", "@version": "0.4"})), "1.0.0");
    assert_eq!(version(json!({"@type": "import", "@version": "1.5"})), "1.5.0");
}

#[test]
fn placeholders_are_filled_in_with_their_types() {
    let item = json!({"name": "é", "size": [4, 5.5], "none": null});
    assert_eq!(data(json!("{item.size}"), &item), json!([4, 5.5]));
    assert_eq!(data(json!("{item}"), &item), item);
    assert_eq!(data(json!("{item.name}-{index}: {item.size.1} {item.none}"), &item), json!("é-3: 5.5 null"));
    assert_eq!(
        data(json!({"b": "{index}", "a": ["{{item}", "{x}", "{"]}), &item),
        json!({"b": 3, "a": ["{item}", "{x}", "{"]})
    );
}

#[test]
fn a_number_is_text_where_only_a_string_may_stand() {
    let spec =
        json!({"@type": "resize", "path": "{index}", "width": "{index}", "tags": ["{index}", "{item}"]});
    let arguments = task(spec, &[("item", &json!(true)), ("index", &json!(3))]).arguments;
    assert_eq!(arguments.to_json().unwrap(), json!({"path": "3", "width": 3, "tags": ["3", "true"]}));
}

#[test]
fn without_variables_braces_are_text() {
    let arguments = task(json!({"@type": "note", "data": "{{item} {item}"}), &[]).arguments;
    assert_eq!(arguments.to_json().unwrap(), json!({"data": "{{item} {item}"}));
}

#[test]
fn a_part_that_an_item_lacks_is_an_error_that_names_it() {
    let target = Target::new(json!({"@type": "note", "data": "{item.size}"}));
    let error = catalog().resolve(&target, &[("item", &json!({"name": 1}))]).unwrap_err().to_string();
    assert_eq!(error, r#"{item.size} has nothing to stand for: there is no "size" in {"name":1}"#);
}

#[test]
fn flows_are_filled_in_but_templates_inside_them_are_not() {
    let catalog = catalog();
    let flow = |spec: Json, item: Json| match catalog.resolve(&Target::new(spec), &[("item", &item)]) {
        Ok(Node::Flow(flow)) => flow.id,
        other => panic!("not a flow: {other:?}"),
    };
    let plain = |spec: Json| match catalog.resolve(&Target::new(spec), &[]) {
        Ok(Node::Flow(flow)) => flow.id,
        other => panic!("not a flow: {other:?}"),
    };
    let inner = json!({"@type": "note", "data": "{item}"});
    let template = json!({"@type": "chain", "stages": [{"@type": "each", "items": "{item}", "do": inner}]});
    let filled = json!({"@type": "chain", "stages": [{"@type": "each", "items": [7], "do": inner}]});
    assert_eq!(flow(template, json!([7])), plain(filled));
}

#[test]
fn what_cannot_be_resolved_is_told() {
    let told = |spec: Json| catalog().resolve(&Target::new(spec), &[]).unwrap_err().to_string();
    for (spec, expected) in [
        (json!(5), "it is not an object"),
        (json!({"data": 1}), "it has no \"@type\""),
        (json!({"@type": "nope"}), "unknown operation or flow"),
        (json!({"@type": "note", "@tipe": 1}), "$.@tipe: unknown key"),
        (json!({"@type": "note", "@retry": {"max_losses": 0}}), "0 is too small"),
        (json!({"@type": "note", "@runtime_limit": "x"}), "not a duration"),
        (json!({"@type": "chain", "stages": 5}), "stages"),
    ] {
        let message = told(spec);
        assert!(message.contains(expected), "{message}");
    }
}

fn json_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Json::from),
        "\\PC{0,40}".prop_map(Json::from),
        "[{}a.]{0,12}".prop_map(Json::from),
        Just(json!("{item}")),
        Just(json!("x {item} {index}")),
    ];
    leaf.prop_recursive(3, 32, 6, |inner| {
        let fields = prop::collection::vec(("[a-z]{0,40}", inner.clone()), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Json::from),
            fields.prop_map(|fields| fields.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn molds_encode_what_filling_in_json_would(template in json_value(), item in json_value()) {
        let catalog = catalog();
        let spec = json!({"@type": "note", "data": template});
        let variables: &[(&str, &Json)] = &[("item", &item), ("index", &json!(3))];
        let node = catalog.prepare(&Target::new(spec)).unwrap()(variables);
        let Ok(Node::Task(task)) = node else { return Ok(()) };
        let filled = task.arguments.to_json().unwrap();
        prop_assert_eq!(&Value::encode(&filled).unwrap(), &task.arguments);
        if !template.to_string().contains('{') {
            prop_assert_eq!(&filled["data"], &template);
        }
    }
}
