//! Whatever the text, the answer is a spec or problems with places in the text; never a panic.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::fixtures::{catalog, parse, variables};

const GOOD: &str = r#"{
  "@type": "mazepa.execute", "@version": "0.4", "execution_id": "run-1",
  "target": {"@type": "chain", "stages": [
    {"@type": "resize", "path": "é/${dir}.png", "width": {"@var": "w", "default": 5}, "fit": "inside", "@key": "k"},
    {"@type": "each", "items": [{"a": 1}, {"a": 2.5}, {"a": null}], "do": {"@type": "note", "data": ["{item.a}", "x{index}"]}},
    {"@type": "load", "from": {"url": {"url": "b", "timeout": 1e3}}, "draw": {"shape": "circle", "radius": 1},
     "@retry": {"max_attempts": 3, "transient_exit_codes": [75]}}
  ]}
}"#;

/// Parses, and checks that each problem has a place in the text and says something.
fn check(text: &str) -> Result<(), TestCaseError> {
    let given = variables(&[("dir", json!("d"))]);
    let Err(problems) = otaman::spec::parse("s", text, &given, &catalog()) else { return Ok(()) };
    prop_assert!(!problems.list().is_empty());
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').split('\n').collect();
    for problem in problems.list() {
        let line = lines.get(problem.line - 1);
        prop_assert!(line.is_some(), "{}", problem);
        let width = line.map_or(0, |line| line.chars().count());
        prop_assert!((1..=width + 1).contains(&problem.column), "{} in {:?}", problem, text);
        prop_assert!(problem.path.starts_with('$') && problem.message.len() > 10, "{}", problem);
    }
    Ok(())
}

fn json_value() -> impl Strategy<Value = Json> {
    let word = prop::sample::select(vec![
        "@type",
        "@version",
        "@mode",
        "@retry",
        "@key",
        "@var",
        "default",
        "note",
        "resize",
        "chain",
        "each",
        "import",
        "load",
        "stages",
        "items",
        "do",
        "data",
        "from",
        "target",
        "mazepa.execute",
        "{item}",
        "${x}",
        "${",
        "partial",
        "0.4",
        "",
        "é",
        "path",
        "width",
    ]);
    let leaf = prop_oneof![
        word.clone().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        let fields = prop::collection::vec((word.clone(), inner.clone()), 0..7);
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(Json::from),
            fields.prop_map(|fields| {
                fields
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            }),
        ]
    })
}

/// With 0 for each zero: `-0` is a whole number to us, as to Python, and a float to serde_json.
fn unsigned_zeros(value: &Json) -> Json {
    match value {
        Json::Number(number) if number.as_f64() == Some(0.0) => Json::from(0),
        Json::Array(items) => items.iter().map(unsigned_zeros).collect(),
        Json::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), unsigned_zeros(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => value.clone(),
    }
}

/// It was found by chance.
#[test]
fn a_whole_zero_may_have_a_sign() {
    let read = parse(r#"{"@type": "note", "data": [-0, -0.0]}"#).unwrap();
    assert_eq!(read.root.spec().get("data"), Some(&serde_json::json!([0, -0.0])));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn random_text_never_panics(text in "\\PC{0,60}|[\\[\\]{}:,\"a0.eE+\\\\/ \n-]{0,40}") {
        check(&text)?;
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = parse(bytes);
    }

    #[test]
    fn random_json_never_panics(spec in json_value()) {
        check(&serde_json::to_string_pretty(&spec).unwrap())?;
    }

    #[test]
    fn what_is_accepted_is_json_for_others_too(text in "[\\[\\]{}:,\"a0.eE+\\\\/ \n-]{0,12}") {
        let spec = format!("{{\"@type\": \"note\", \"data\": {text}}}");
        if let Ok(read) = parse(&spec) {
            let other: Json = serde_json::from_str(&spec).unwrap();
            let data = |spec: &Json| spec.get("data").map(unsigned_zeros);
            prop_assert_eq!(data(read.root.spec()), data(&other));
        }
    }

    #[test]
    fn mutations_of_a_good_spec_have_problems_with_places(
        at in 0..GOOD.len(), length in 0usize..12, other in prop_oneof!["[{}\\[\\]:,\"@a1$]{0,3}", "\\PC{0,3}"],
    ) {
        let start = (0..=at).rev().find(|at| GOOD.is_char_boundary(*at)).unwrap();
        let end = (at + length..=GOOD.len()).find(|at| GOOD.is_char_boundary(*at)).unwrap_or(GOOD.len());
        check(&format!("{}{other}{}", &GOOD[..start], &GOOD[end..]))?;
    }
}

#[test]
fn the_spec_that_is_mutated_is_good() {
    let given = variables(&[("dir", json!("d"))]);
    if let Err(problems) = otaman::spec::parse("s", GOOD, &given, &catalog()) {
        panic!("{problems}");
    }
}
