//! Specs that are accepted, and what becomes of them.

use std::num::NonZeroU32;

use otaman::spec::{FailurePolicy, Settings};
use serde_json::json;

use crate::fixtures::{catalog, parse, problems, root, variables};

#[test]
fn a_task_alone_is_a_spec() {
    let text = r#"{"@type": "resize", "path": "a.png", "width": 64, "fit": "inside", "tags": ["x"], "span": [1, 2]}"#;
    let spec = parse(text).unwrap();
    assert_eq!(spec.root.spec(), &serde_json::from_str::<serde_json::Value>(text).unwrap());
    assert_eq!((spec.text.as_str(), &*spec.source), (text, "spec.json"));
    assert_eq!(spec.settings, Settings::default());
    assert!(spec.notes.is_empty());
}

#[test]
fn a_byte_order_mark_and_a_schema_for_editors_are_ignored() {
    let spec = parse("\u{feff}{\"$schema\": \"otaman.json\", \"@type\": \"note\"}").unwrap();
    assert_eq!(spec.root.spec(), &json!({"@type": "note"}));
}

#[test]
fn targets_inherit_the_version_of_those_around_them() {
    let text = r#"{"@version": "0.4", "@type": "chain", "stages": [
        {"@type": "note", "data": [{"@type": "import"}]},
        {"@type": "import", "@version": "0.0.1"},
        {"@type": "chain", "@version": "1", "stages": [{"@type": "note"}]}
    ]}"#;
    assert_eq!(
        root(text),
        json!({"@version": "0.4.0", "@type": "chain", "stages": [
            {"@type": "note", "@version": "0.4.0", "data": [{"@type": "import", "@version": "0.4.0"}]},
            {"@type": "import", "@version": "0.0.1"},
            {"@type": "chain", "@version": "1.0.0", "stages": [{"@type": "note", "@version": "1.0.0"}]}
        ]})
    );
}

#[test]
fn the_version_of_an_entry_point_is_inherited_too() {
    let text = r#"{"@type": "mazepa.execute", "@version": "0.4", "target": {"@type": "import"}}"#;
    assert_eq!(root(text), json!({"@type": "import", "@version": "0.4.0"}));
}

#[test]
fn parameters_of_entry_points_become_settings() {
    let spec = parse(
        r#"{"@type": "mazepa.execute_locally", "target": {"@type": "note"}, "execution_id": "run-7",
            "raise_on_failed_task": false, "num_procs": 3, "show_progress": false, "task_queue": null}"#,
    );
    let settings = Settings {
        execution_id: Some("run-7".parse().unwrap()),
        on_failure: Some(FailurePolicy::Continue),
        workers: NonZeroU32::new(3),
        quiet: true,
    };
    let spec = spec.unwrap();
    assert_eq!((spec.settings, spec.notes.len()), (settings, 0));
    assert_eq!(spec.root.spec(), &json!({"@type": "note"}));
}

#[test]
fn what_has_no_effect_is_noted_with_the_reason() {
    let spec = parse(
        r#"{"@type": "mazepa.execute_locally", "target": {"@type": "note"},
 "max_batch_len": 1000, "batch_gap_sleep_sec": 0.5, "do_dryrun_estimation": true, "checkpoint_interval_sec": 150,
 "raise_on_failed_checkpoint": true, "write_progress_summary": true, "require_interrupt_confirm": false,
 "debug": true, "suppress_worker_logs": true, "resource_monitor_interval": 1.0, "queues_dir": "/tmp/q"}"#,
    );
    let notes: Vec<String> = spec.unwrap().notes.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!("notes", notes.join("\n"));
}

#[test]
fn retry_options_of_all_kinds_are_accepted() {
    root(
        r#"{"@type": "note", "@worker_type": "gpu", "@runtime_limit": "1h30m", "@key": "k", "@mode": "regular",
            "@retry": {"max_attempts": 1, "max_timeouts": 2, "max_out_of_memory": 3, "max_losses": 4,
            "initial_delay": "250ms", "multiplier": 1.5, "max_delay": "1m", "transient_exit_codes": [75, 111],
            "timeout_delay": "1s", "out_of_memory_delay": "2s", "on_out_of_memory": {"worker_type": "gpu-large"}}}"#,
    );
    root(r#"{"@type": "note", "@retry": {"transient_exit_codes": "all"}}"#);
}

#[test]
fn a_placeholder_satisfies_any_type_but_only_in_a_template() {
    root(
        r#"{"@type": "each", "items": [], "do": {"@type": "resize", "path": "{item}.png", "width": "{index}",
            "tags": "{item.tags}", "fit": "{item.fit}", "@key": "k-{item.name}"}}"#,
    );
    root(
        r#"{"@type": "each", "items": [], "do": {"@type": "load", "from": {"url": {"url": "a", "timeout": "{item}"}}}}"#,
    );
    root(r#"{"@type": "each", "items": [], "do": {"@type": "chain", "stages": "{item}"}}"#);
    let outside = problems(r#"{"@type": "resize", "path": "a", "width": "{index}"}"#);
    assert!(outside.contains("expected an integer, found the string \"{index}\""), "{outside}");
}

#[test]
fn templates_of_other_variables_name_them() {
    root(
        r#"{"@type": "each", "items": [], "do": {"@type": "note"},
            "then": {"@type": "resize", "path": "a", "width": "{values.0}", "@key": "once"}}"#,
    );
}

#[test]
fn other_braces_in_a_template_are_text() {
    root(
        r#"{"@type": "each", "items": [], "do": {"@type": "note", "data": ["{print $1}", "{{item}", "{}", "{HOME}", "{"]}}"#,
    );
}

#[test]
fn a_partial_may_lack_arguments_where_it_is_data() {
    root(r#"{"@type": "note", "data": {"@type": "resize", "@mode": "partial", "width": 5}}"#);
    let wrong =
        problems(r#"{"@type": "note", "data": {"@type": "resize", "@mode": "partial", "width": true}}"#);
    assert!(wrong.starts_with("spec.json:1:76: $.data.width: expected an integer, found true"), "{wrong}");
    let target = problems(r#"{"@type": "chain", "stages": [{"@type": "resize", "@mode": "partial"}]}"#);
    assert!(target.contains("\"width\" of operation \"resize\" is missing"), "{target}");
}

#[test]
fn operations_that_only_workers_have_are_checked_by_their_announced_schema() {
    let announced = catalog().infos().find(|info| info.name.as_str() == "resize").unwrap().clone();
    let elsewhere = otaman::Info { name: "shrink".parse().unwrap(), ..announced };
    let catalog = catalog().with_announced([elsewhere]);
    let check = |text: &str| otaman::spec::parse("s", text, &variables(&[]), &catalog);
    check(r#"{"@type": "shrink", "path": "a", "width": 1}"#).unwrap();
    let problems = check(r#"{"@type": "shrink", "path": "a"}"#).unwrap_err().to_string();
    assert!(problems.contains("argument \"width\" of operation \"shrink\" is missing"), "{problems}");
}

#[test]
fn what_is_announced_of_semaphores_may_be_missing_as_older_workers_have_it() {
    let of = |name: &str| catalog().infos().find(|info| info.name.as_str() == name).unwrap().clone();
    let announced = serde_json::to_value(of("load")).unwrap();
    assert_eq!(announced["semaphores"], json!(["read"]));
    let mut older = announced;
    older.as_object_mut().unwrap().remove("semaphores");
    assert!(serde_json::from_value::<otaman::Info>(older).unwrap().semaphores.is_empty());
    // What says nothing looks as it always did.
    assert!(serde_json::to_value(of("resize")).unwrap().get("semaphores").is_none());
}

#[test]
fn a_broken_announced_schema_is_told_and_not_fatal() {
    let info = catalog().infos().find(|info| info.name.as_str() == "note").unwrap().clone();
    let broken = otaman::Info {
        name: "broken".parse().unwrap(),
        arguments: json!({"type": 5, "properties": {"a": {"$ref": "http://example.org/s"}}}),
        ..info
    };
    let catalog = catalog().with_announced([broken]);
    let problems = otaman::spec::parse("s", r#"{"@type": "broken"}"#, &variables(&[]), &catalog)
        .unwrap_err()
        .to_string();
    assert!(problems.contains("operation \"broken\" has a broken argument schema"), "{problems}");
}
