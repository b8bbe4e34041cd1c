//! `map_flow`, driven step by step.

use std::path::PathBuf;

use protocol::Value;
use serde_json::{Value as Json, json};

use super::MapFlow;
use crate::flow::FlowSchema;
use crate::stock::testing::{Driven, Echoing};

fn map_flow(arguments: Json) -> MapFlow {
    serde_json::from_value(arguments).unwrap()
}

/// A flow that echoes what it goes over.
fn over(over: impl Into<Json>) -> MapFlow {
    map_flow(json!({"over": over.into(), "do": {"@type": "echo", "value": "{item}"}}))
}

/// The items, as the children's values.
fn items(flow: MapFlow) -> Json {
    Driven::to_the_end(flow, Echoing::default()).value()
}

fn refusal(arguments: Json) -> String {
    serde_json::from_value::<MapFlow>(arguments).unwrap_err().to_string()
}

#[test]
fn a_range_goes_up_to_but_without_its_stop() {
    assert_eq!(items(over(json!({"range": [2, 5]}))), json!([2, 3, 4]));
    assert_eq!(items(over(json!({"range": [0, 10, 4]}))), json!([0, 4, 8]));
    assert_eq!(items(over(json!({"range": [3, 0, -1]}))), json!([3, 2, 1]));
    assert_eq!(items(over(json!({"range": [5, 2]}))), json!([]));
    let edge = items(over(json!({"range": [i64::MIN, i64::MAX, i64::MAX]})));
    assert_eq!(edge, json!([i64::MIN, -1, i64::MAX - 1]));
}

#[test]
fn malformed_ranges_are_refused() {
    let refused = |range: Json| refusal(json!({"over": {"range": range}, "do": {"@type": "echo"}}));
    assert!(refused(json!([0, 5, 0])).contains("must not be 0"));
    assert!(refused(json!([5])).contains("[start, stop]"));
    assert!(refused(json!([0, 1.5])).contains("floating point"));
    assert!(refused(json!([0, 1e19])).contains("expected i64"));
    assert!(refused(json!([0, u64::MAX])).contains("expected i64"));
}

#[test]
fn what_cannot_be_gone_over_is_refused_with_the_choices() {
    for wrong in [json!("file.txt"), json!(5), json!({"rang": [0, 1]}), json!({"glob": "a", "lines": "b"})] {
        let refusal = refusal(json!({"over": wrong, "do": {"@type": "echo"}}));
        assert!(refusal.contains("lines") || refusal.contains("single key"), "{refusal}");
    }
}

#[test]
fn a_list_may_stand_by_itself_and_means_the_same() {
    let bare = over(json!([1, "a", {"b": null}]));
    let keyed = over(json!({"list": [1, "a", {"b": null}]}));
    assert_eq!(bare.clone().into_flow_call().unwrap().id, keyed.into_flow_call().unwrap().id);
    assert_eq!(items(bare), json!([1, "a", {"b": null}]));
}

#[test]
fn an_empty_list_has_no_children_and_an_empty_value() {
    let driven = Driven::to_the_end(over(json!([])), Echoing::default());
    assert_eq!((driven.value(), driven.children), (json!([]), 0));
}

#[test]
fn a_million_items_come_in_small_steps() {
    let driven = Driven::to_the_end(over(json!({"range": [0, 1_000_000]})), Echoing::default());
    assert_eq!((driven.children, driven.largest_step), (1_000_000, 256));
    let values: Vec<u32> = serde_json::from_value(driven.value()).unwrap();
    assert!(values.into_iter().eq(0..1_000_000));
}

#[test]
fn lines_lose_their_ends_and_nothing_else() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    for (text, lines) in [
        ("", json!([])),
        ("a", json!(["a"])),
        ("a\n", json!(["a"])),
        (" a \r\n\nž\n", json!([" a ", "", "ž"])),
        ("a\n\n", json!(["a", ""])),
    ] {
        std::fs::write(path, text).unwrap();
        assert_eq!(items(over(json!({"lines": path}))), lines, "{text:?}");
    }
}

#[test]
fn a_line_that_is_not_utf8_or_endless_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    let flow = || over(json!({"lines": path}));
    std::fs::write(path, b"good\nb\xffd\n").unwrap();
    let error = Driven::to_the_end(flow(), Echoing::default()).result.unwrap_err();
    assert!(error.to_string().contains(&format!("line 2 of {path:?} is not UTF-8: byte 2")), "{error}");
    std::fs::write(path, vec![b'x'; 3 << 20]).unwrap();
    let error = Driven::to_the_end(flow(), Echoing::default()).result.unwrap_err();
    assert!(error.to_string().contains("line 1 of"), "{error}");
    std::fs::write(path, [vec![b'x'; 1 << 20], vec![b'\n']].concat()).unwrap();
    assert_eq!(items(flow()), json!(["x".repeat(1 << 20)]));
}

#[test]
fn standard_input_is_what_the_coordinator_has_put_aside() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "one\ntwo\n").unwrap();
    let resolver = Echoing { standard_input: Some(file.path().to_owned()), ..Echoing::default() };
    assert_eq!(Driven::to_the_end(over(json!({"lines": "-"})), resolver).value(), json!(["one", "two"]));
    let problems = over(json!({"lines": "-"})).check(&Echoing::default());
    assert!(problems[0].1.to_string().contains("standard input"), "{problems:?}");
}

/// A directory with these files.
fn directory(files: &[&str]) -> (tempfile::TempDir, impl Fn(&str) -> String) {
    let directory = tempfile::tempdir().unwrap();
    let root: PathBuf = directory.path().to_owned();
    for file in files {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    (directory, move |file: &str| root.join(file).to_str().unwrap().to_owned())
}

#[test]
fn a_glob_finds_paths_in_order_and_no_hidden_ones() {
    let (_directory, at) = directory(&["b.png", "a.png", "c.txt", ".hidden.png", "deep/er/d.png"]);
    assert_eq!(items(over(json!({"glob": at("*.png")}))), json!([at("a.png"), at("b.png")]));
    assert_eq!(items(over(json!({"glob": at("**/d.png")}))), json!([at("deep/er/d.png")]));
    assert_eq!(items(over(json!({"glob": at("c.txt")}))), json!([at("c.txt")]));
}

#[test]
fn a_glob_without_matches_is_no_mistake() {
    let (_directory, at) = directory(&[]);
    let problems = |pattern: &str| over(json!({"glob": at(pattern)})).check(&Echoing::default());
    assert!(problems("*.png").is_empty());
    assert_eq!(items(over(json!({"glob": at("*.png")}))), json!([]));
    let problems = problems("a***b");
    assert_eq!((problems.len(), &*problems[0].0), (1, "/over/glob"));
    assert!(problems[0].1.to_string().contains("is not a pattern"), "{problems:?}");
}

#[test]
fn a_directory_is_no_file_of_lines_but_a_missing_file_may_still_come() {
    let (_directory, at) = directory(&["file"]);
    let problems = over(json!({"lines": at("")})).check(&Echoing::default());
    assert_eq!((problems.len(), &*problems[0].0), (1, "/over/lines"));
    assert!(problems[0].1.to_string().contains("is a directory"), "{problems:?}");
    for path in ["file", "missing"] {
        assert!(over(json!({"lines": at(path)})).check(&Echoing::default()).is_empty());
    }
}

#[test]
fn every_item_of_a_list_is_tried_beforehand_but_only_the_first_of_others() {
    let resolver = || Echoing { refused: Some(json!(3)), ..Echoing::default() };
    let problems = over(json!([1, 2, 3, 4, 3])).check(&resolver());
    let told: Vec<String> = problems.iter().map(|(place, error)| format!("{place} {error}")).collect();
    assert_eq!(told, ["/do with item 2, 3: refused", "/do with item 4, 3: refused"]);
    assert!(over(json!({"range": [0, 10]})).check(&resolver()).is_empty());
    assert_eq!(over(json!({"range": [3, 10]})).check(&resolver()).len(), 1);
    assert_eq!(over(vec![json!(3); 1000]).check(&resolver()).len(), 10, "not a thousand times the same");
}

#[test]
fn the_reduction_gets_all_values_after_all_are_done() {
    let flow = map_flow(json!({
        "over": {"range": [0, 300]},
        "do": {"@type": "echo", "value": "{index}"},
        "reduce": {"@type": "echo", "value": {"all": "{values}", "how_many": "{count}"}},
    }));
    let driven = Driven::to_the_end(flow, Echoing::default());
    let value = driven.value();
    assert_eq!((driven.children, &value["how_many"], &value["all"][299]), (301, &json!(300), &json!(299)));
}

#[test]
fn the_reduction_of_nothing_runs_too() {
    let flow = map_flow(json!({
        "over": [], "do": {"@type": "echo", "value": "{item}"}, "reduce": {"@type": "echo", "value": "{values}"}
    }));
    assert_eq!(items(flow), json!([]));
}

#[test]
fn the_value_decodes() {
    let value = Driven::to_the_end(over(json!([1, 2])), Echoing::default()).result.unwrap();
    assert_eq!(value, Value::encode(&[1, 2]).unwrap());
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_line() {
    let (_directory, at) = directory(&["marked"]);
    std::fs::write(at("marked"), "\u{feff}a\n\u{feff}b\n").unwrap();
    assert_eq!(items(over(json!({"lines": at("marked")}))), json!(["a", "\u{feff}b"]));
}
