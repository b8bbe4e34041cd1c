//! What a registry refuses, and how it says so.

use otaman::{
    Context, Descriptor, Flow, FlowEntry, FlowSchema, Operation, OperationEntry, Problems, Registry, Result,
    Source,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::registry::{at, operation};

#[track_caller]
pub(crate) fn refused(entries: impl IntoIterator<Item = OperationEntry>) -> Vec<String> {
    texts(
        &entries
            .into_iter()
            .fold(Registry::builder(), |builder, entry| builder.operation_entry(entry))
            .build()
            .unwrap_err(),
    )
}

fn texts(problems: &Problems) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn accepted(descriptor: Descriptor) -> bool {
    Registry::builder().operation_entry(operation(descriptor)).build().is_ok()
}

#[test]
fn names_are_anchored_and_bounded() {
    let longest: &'static str = "x".repeat(128).leak();
    let too_long: &'static str = "x".repeat(129).leak();
    for name in ["a.b", "BBox3D.from_coords", "copy-chunk", longest] {
        assert!(accepted(at(name, "1.0.0", 1)), "{name:?}");
    }
    for name in ["bad id/with spaces\n", "ok\n", "", too_long, "é", " a"] {
        let problems = refused([operation(at(name, "1.0.0", 7))]);
        assert_eq!(problems.len(), 1);
        let place = format!("operation {} at here.rs:7: ", name.escape_debug());
        assert!(
            problems[0].starts_with(&place) && problems[0].contains(&format!("{name:?}")),
            "{}",
            problems[0]
        );
        assert!(!problems[0].contains('\n'), "{}", problems[0]);
    }
}

#[test]
fn all_that_is_malformed_is_reported_at_once() {
    let bad = at("copy", "1.0", 7)
        .spec_versions("new")
        .worker_type("big gpu")
        .tags(&["fine", "not fine"])
        .semaphores(&["cuda", "a/b"])
        .requires(&["no-at-sign", "a b@1", "self@new"]);
    let problems = refused([operation(bad), operation(at("b/b", "1.0.0", 8))]);
    let expected = [
        "operation b/b at here.rs:8: name \"b/b\"",
        "operation copy at here.rs:7: version \"1.0\": unexpected end of input",
        "operation copy at here.rs:7: spec versions \"new\": ",
        "operation copy at here.rs:7: worker type: name \"big gpu\"",
        "operation copy at here.rs:7: tag: name \"not fine\"",
        "operation copy at here.rs:7: semaphore: name \"a/b\"",
        "operation copy at here.rs:7: requirement \"no-at-sign\" is malformed",
        "operation copy at here.rs:7: requirement \"a b@1\" is malformed",
        "operation copy at here.rs:7: requirement \"self@new\" is malformed",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem} is not {expected}");
    }
}

#[test]
fn duplicates_are_reported_with_both_places_whatever_the_order() {
    let entries = || [at("copy", "1.0.0", 9), at("copy", "1.0.0", 3), at("copy", "1.1.0", 4)].map(operation);
    let expected = "operation copy@1.0.0 is defined twice, at here.rs:3 and at here.rs:9; give one of them another \
                    name or version";
    assert_eq!(refused(entries()), [expected]);
    assert_eq!(refused(entries().into_iter().rev()), [expected]);
}

/// A flow by hand.
#[derive(Serialize, Deserialize, JsonSchema)]
struct HandFlow {}

impl FlowSchema for HandFlow {
    type Output = ();
    fn descriptor() -> Descriptor {
        at("hand", "1.0.0", 5).requires(&["nothing@1"])
    }
    async fn expand(self, _: Flow) -> Result<()> {
        Ok(())
    }
}

#[test]
fn one_name_for_an_operation_and_a_flow_is_refused_whatever_the_versions() {
    let clashing = operation(at("hand", "3.0.0", 1));
    let problems = Registry::builder().flow::<HandFlow>().operation_entry(clashing).build().unwrap_err();
    let expected = [
        "hand is the name of an operation, at here.rs:1, and of a flow, at here.rs:5; rename one of them",
        "flow hand at here.rs:5: requires nothing, but there is no such operation",
    ];
    assert_eq!(texts(&problems), expected);
    assert_eq!(problems.to_string(), expected.join("\n"));
    assert_eq!(FlowEntry::of::<HandFlow>().source(), Source { file: "here.rs", line: 5 });
}

/// Arguments without names.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Unnamed(u8, u8);

impl Operation for Unnamed {
    type Output = ();
    fn descriptor() -> Descriptor {
        at("unnamed", "1.0.0", 1)
    }
    async fn run(self, _: Context) -> Result<()> {
        Ok(())
    }
}

/// Arguments of several shapes.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Shapes {
    Number(u8),
    Text(String),
}

impl Operation for Shapes {
    type Output = ();
    fn descriptor() -> Descriptor {
        at("shapes", "1.0.0", 2)
    }
    async fn run(self, _: Context) -> Result<()> {
        Ok(())
    }
}

#[test]
fn arguments_that_are_no_object_are_refused() {
    let problems = refused([OperationEntry::of::<Unnamed>(), OperationEntry::of::<Shapes>()]);
    let rule = "arguments go by name, so their type must be a struct with named fields; its schema is of";
    assert_eq!(problems[0], format!("operation shapes at here.rs:2: {rule} no one type"));
    assert_eq!(problems[1], format!("operation unnamed at here.rs:1: {rule} type \"array\""));
}

#[test]
fn unknown_requirements_are_reported_with_what_may_be_meant() {
    let problems = refused([
        operation(at("main", "1.0.0", 1).requires(&["imprt@1", "hand@1", "something-else@*"])),
        operation(at("import", "1.0.0", 2)),
        operation(at("import", "1.2.0", 3)),
    ]);
    let begin = "operation main at here.rs:1: requires";
    assert_eq!(
        problems[0],
        format!("{begin} imprt, but there is no such operation; did you mean import (1.0.0, 1.2.0)?")
    );
    assert_eq!(problems[1], format!("{begin} hand, but there is no such operation"));
    assert_eq!(problems[2], format!("{begin} something-else, but there is no such operation"));
}

#[test]
fn a_flow_cannot_be_required() {
    let main = operation(at("main", "1.0.0", 1).requires(&["hand@1"]));
    let problems = Registry::builder().flow::<HandFlow>().operation_entry(main).build().unwrap_err();
    let expected = "operation main at here.rs:1: requires hand, but there is no such operation; it is a flow, and \
                    flows cannot be required";
    assert_eq!(texts(&problems)[0], expected);
}

#[test]
fn requirements_that_no_version_meets_are_reported_with_those_that_exist() {
    let import = |requirement: &'static [&'static str]| {
        let entries = [
            at("main", "1.0.0", 1).requires(requirement),
            at("import", "1.0.3", 2),
            at("import", "2.0.0-rc", 3),
        ];
        entries
            .into_iter()
            .fold(Registry::builder(), |builder, one| builder.operation_entry(operation(one)))
            .build()
    };
    for met in [
        "import@^1",
        "import@>=1",
        "import@1.0.x",
        "import@*",
        "import@=1.0.3",
        "import@>=1, <2",
        "import@~1.0",
    ] {
        assert!(import(vec![met].leak()).is_ok(), "{met}");
    }
    for unmet in ["import@^2", "import@1.1.x", "import@<1"] {
        let expected = format!(
            "operation main at here.rs:1: requires {unmet}, but of import there is only 1.0.3, 2.0.0-rc"
        );
        assert_eq!(texts(&import(vec![unmet].leak()).unwrap_err()), [expected]);
    }
}

#[test]
fn a_requirement_on_something_malformed_is_not_a_second_problem() {
    let problems =
        refused([operation(at("main", "1.0.0", 1).requires(&["bad@1"])), operation(at("bad", "1", 2))]);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].starts_with("operation bad"), "{}", problems[0]);
}

fn cycles(entries: &[(&'static str, &'static [&'static str])]) -> Vec<String> {
    let problems =
        refused(entries.iter().map(|(name, requires)| operation(at(name, "1.0.0", 1).requires(requires))));
    let path = |problem: &String| {
        let path = problem.strip_prefix("operations require each other: ").expect("nothing but cycles");
        path.strip_suffix("; drop one of these requirements").unwrap().to_owned()
    };
    problems.iter().map(path).collect()
}

#[test]
fn cycles_are_reported_once_each_with_their_path() {
    assert_eq!(cycles(&[("a", &["a@1"])]), ["a → a"]);
    assert_eq!(cycles(&[("a", &["b@1"]), ("b", &["a@1"])]), ["a → b → a"]);
    // Entered in the middle, from outside, twice.
    assert_eq!(
        cycles(&[("a", &["c@1"]), ("b", &["c@1"]), ("c", &["b@1", "d@*"]), ("d", &[])]),
        ["b → c → b"]
    );
    let two: &[(_, &'static [_])] = &[("x", &["y@1", "z@1"]), ("y", &["x@1"]), ("z", &["x@1"])];
    assert_eq!(cycles(two), ["x → y → x", "x → z → x"]);
}

#[test]
fn versions_tell_apart_what_is_and_what_is_no_cycle() {
    let old = || at("import", "1.0.0", 1).requires(&["export@1"]);
    let export = |requires| at("export", "1.0.0", 2).requires(requires);
    let built = |requires| {
        let entries = [old(), export(requires), at("import", "2.0.0", 3)].map(operation);
        entries.into_iter().fold(Registry::builder(), |builder, entry| builder.operation_entry(entry)).build()
    };
    assert!(built(&["import@2"]).is_ok());
    let problems = built(&["import@1"]).unwrap_err().to_string();
    assert!(problems.contains("export → import@1.0.0 → export"), "{problems}");
}
