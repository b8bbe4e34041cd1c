//! Ids of calls: the same for ever, and of what is computed alone.

use std::time::Duration;

use proptest::prelude::*;
use protocol::{FlowId, OperationName, RetryPolicy, Task, TaskId, Value};
use serde_json::{Value as Json, json};

/// Calls and the ids they must always have; checkpoints of every release depend on these. They were
/// computed by a second implementation of hash and encoding as well.
fn golden() -> [(&'static str, &'static str, Json, &'static str, &'static str); 5] {
    [
        (
            "echo",
            "1.0.0",
            json!(null),
            "task-cb6eb2b7ccf3188eb885bf033d91f0d0",
            "flow-875b11fa16c4a9e517f8e5eafd9a8340",
        ),
        (
            "resize",
            "1.2.0",
            json!({"path": "a.png", "width": 64}),
            "task-b76a69dd0fbefbb68782a4d101dc2215",
            "flow-170a6caa4f8452c5eb57f7db5e48793a",
        ),
        (
            "BBox3D.from_coords",
            "0.0.1",
            json!({}),
            "task-818efa91fd12fbbb1bcf72516c433d21",
            "flow-ff9aa76ead8fdf98957ed5ace14fcc9b",
        ),
        (
            "blend",
            "2.0.0-rc.1",
            json!({"name": "größe/名前 🦀", "空": ["é", ""]}),
            "task-7773c4efbb7a82e5485ef3942c9385e9",
            "flow-f50c78c502b057c3d85288f7ca0e16fc",
        ),
        (
            "scale",
            "1.0.0+build.7",
            json!({"by": 0.1, "to": [1.0, -0.0, 1e300, 5e-324], "n": -1}),
            "task-b33167e5c0ceb3c4e391aead02e741c4",
            "flow-a76cad7c49bb94ae9368c7cb52da1d83",
        ),
    ]
}

fn call(name: &str, version: &str, arguments: &Json) -> (TaskId, FlowId) {
    let (name, version) = (OperationName::new(name).unwrap(), version.parse().unwrap());
    let arguments = Value::encode(arguments).unwrap();
    (TaskId::of_call(&name, &version, &arguments), FlowId::of_call(&name, &version, &arguments))
}

#[test]
fn ids_of_calls_never_change() {
    let golden = golden();
    let ids = golden.each_ref().map(|(name, version, arguments, ..)| call(name, version, arguments));
    let expected = golden.map(|(.., task, flow)| (task.to_owned(), flow.to_owned()));
    assert_eq!(ids.map(|(task, flow)| (task.to_string(), flow.to_string())), expected);
}

#[test]
fn ids_of_keys_never_change() {
    assert_eq!(TaskId::of_key("größe").to_string(), "task-1956b92f4eec8c861aa6703a5fc23e47");
    assert_eq!(FlowId::of_key("größe").to_string(), "flow-f18da340c3ab890230ee677b44a8ca5c");
}

#[test]
fn an_integer_and_a_float_are_different_arguments() {
    assert_ne!(call("a", "1.0.0", &json!(1)), call("a", "1.0.0", &json!(1.0)));
}

fn json_tree() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Into::into),
        "\\PC{0,10}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            object(inner).prop_map(Into::into),
        ]
    })
}

fn object(value: impl Strategy<Value = Json>) -> impl Strategy<Value = serde_json::Map<String, Json>> {
    prop::collection::vec(("\\PC{0,5}", value), 0..5).prop_map(|entries| entries.into_iter().collect())
}

fn reversed(value: &Json) -> Json {
    match value {
        Json::Array(items) => items.iter().map(reversed).collect(),
        Json::Object(entries) => {
            entries.iter().rev().map(|(key, value)| (key.clone(), reversed(value))).collect()
        }
        other => other.clone(),
    }
}

fn task(name: &str, version: &str, arguments: &Json) -> Task {
    let arguments = Value::encode(arguments).unwrap();
    Task::new(OperationName::new(name).unwrap(), version.parse().unwrap(), arguments)
}

proptest! {
    #[test]
    fn the_order_of_keys_does_not_matter(arguments in object(json_tree())) {
        let arguments = Json::Object(arguments);
        prop_assert_eq!(call("a", "1.0.0", &arguments), call("a", "1.0.0", &reversed(&arguments)));
    }

    #[test]
    fn where_and_how_a_task_runs_does_not_matter(
        arguments in object(json_tree()), worker_type in "[a-z]{1,8}", limit in any::<u32>(), attempts in any::<u32>(),
    ) {
        let plain = task("a", "1.0.0", &Json::Object(arguments.clone()));
        let mut other = task("a", "1.0.0", &Json::Object(arguments)).on(worker_type.parse().unwrap());
        other.runtime_limit = Some(Duration::from_millis(limit.into()));
        other.memory_limit = Some(limit.into());
        other.isolation = protocol::Isolation::Process;
        other.retry = Some(Box::new(RetryPolicy { max_attempts: attempts, ..RetryPolicy::default() }));
        other.semaphores = vec!["cuda".parse().unwrap()];
        prop_assert_eq!(plain.id, other.id);
        let again = TaskId::of_call(&other.operation, &other.version, &other.arguments);
        prop_assert_eq!(again, plain.id);
    }

    #[test]
    fn every_argument_matters(arguments in object(json_tree()), key in "\\PC{0,5}", value in json_tree()) {
        let mut changed = arguments.clone();
        let before = changed.insert(key.clone(), value.clone());
        prop_assume!(before.as_ref() != Some(&value));
        let ids = |arguments| call("a", "1.0.0", &Json::Object(arguments));
        let (original, changed_ids) = (ids(arguments.clone()), ids(changed.clone()));
        prop_assert_ne!(original.0, changed_ids.0);
        prop_assert_ne!(original.1, changed_ids.1);
        changed.shift_remove(&key);
        let mut without = arguments;
        without.shift_remove(&key);
        prop_assert_eq!(ids(changed), ids(without));
    }

    #[test]
    fn name_and_version_matter(name in "[a-z]{1,6}", other in "[a-z]{1,6}", major in 0u64..9, minor in 0u64..9) {
        let arguments = json!({"x": 1});
        let version = format!("1.{major}.{minor}");
        let id = call(&name, &version, &arguments);
        if name != other {
            prop_assert_ne!(call(&other, &version, &arguments), id);
        }
        prop_assert_ne!(call(&name, &format!("2.{major}.{minor}"), &arguments), id);
        prop_assert_ne!(call(&name, &format!("{version}-rc.1"), &arguments), id);
        // Lengths are part of what is hashed, so nothing can move from one field to the next.
        prop_assert_ne!(call(&format!("{name}1"), &version, &arguments), call(&name, &format!("1{version}"), &arguments));
    }

    #[test]
    fn an_explicit_key_decides_alone(key in "\\PC{0,20}", arguments in json_tree()) {
        let keyed = task("a", "1.0.0", &arguments).with_key(&key);
        prop_assert_eq!(keyed.id, task("b", "2.0.0", &Json::Null).with_key(&key).id);
        prop_assert_ne!(keyed.id, task("a", "1.0.0", &arguments).id);
    }

    #[test]
    fn ids_survive_their_text(number in any::<u128>()) {
        let (task, flow) = (TaskId::from_u128(number), FlowId::from_u128(number));
        prop_assert_eq!(task.to_string().parse::<TaskId>().unwrap(), task);
        prop_assert_eq!(flow.to_string().parse::<FlowId>().unwrap(), flow);
        prop_assert!(task.to_string().parse::<FlowId>().is_err());
        prop_assert!(task.to_string().to_uppercase().parse::<TaskId>().is_err());
    }
}
