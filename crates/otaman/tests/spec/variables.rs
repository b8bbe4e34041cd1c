//! Variables from the command line.

use otaman::spec::{self, VariableError, parse_variable};
use serde_json::{Value as Json, json};

use crate::fixtures::{catalog, variables};

#[track_caller]
fn data(text: &str, given: &[(&str, Json)]) -> Json {
    let text = format!("{{\"@type\": \"note\", \"data\": {text}}}");
    match spec::parse("spec.json", text, &variables(given), &catalog()) {
        Ok(spec) => spec.root.spec()["data"].clone(),
        Err(problems) => panic!("{problems}"),
    }
}

#[test]
fn a_whole_string_takes_the_type_of_the_variable() {
    let given = [("n", json!(5)), ("list", json!([1, {"a": null}]))];
    assert_eq!(data(r#"["${n}", "${list}", {"@var": "n"}]"#, &given), json!([5, [1, {"a": null}], 5]));
}

#[test]
fn inside_a_string_its_text_stands() {
    let given = [("n", json!(5)), ("flag", json!(true)), ("name", json!("a\"b"))];
    assert_eq!(data(r#""${n}-${flag}/${name}!""#, &given), json!("5-true/a\"b!"));
}

#[test]
fn two_dollars_are_one() {
    assert_eq!(data(r#"["$${HOME}", "a$${b}$", "$5", "$$"]"#, &[]), json!(["${HOME}", "a${b}$", "$5", "$$"]));
}

#[test]
fn defaults_stand_in_for_missing_variables_only() {
    let text = r#"[{"@var": "n", "default": 7}, {"@var": "m", "default": {"@var": "n", "default": "${k}"}}]"#;
    assert_eq!(data(text, &[("k", json!(1))]), json!([7, 1]));
    assert_eq!(data(text, &[("n", json!(2)), ("m", json!(3)), ("k", json!(4))]), json!([2, 3]));
    assert_eq!(data(text, &[("n", json!(2)), ("m", json!(3))]), json!([2, 3]));
}

#[test]
fn values_are_not_read_again() {
    assert_eq!(data(r#""${a}""#, &[("a", json!("${b}"))]), json!("${b}"));
}

#[test]
fn a_variable_can_be_a_target_and_is_checked_like_one() {
    let text = r#"{"@type": "chain", "@version": "0.4", "stages": "${stages}"}"#;
    let check = |stages: Json| spec::parse("spec.json", text, &variables(&[("stages", stages)]), &catalog());
    let spec = check(json!([{"@type": "note"}])).unwrap();
    assert_eq!(spec.root.spec()["stages"], json!([{"@type": "note", "@version": "0.4.0"}]));
    assert_eq!(
        check(json!([{"@type": "note"}, {"@type": "nope"}])).unwrap_err().to_string(),
        "spec.json:1:49: $.stages[1]: unknown operation or flow \"nope\" (the value comes from variable \"stages\"); \
         did you mean \"note\"?"
    );
}

#[test]
fn values_that_make_the_spec_too_deep_or_too_large_are_refused() {
    let deep = (0..70).fold(json!(1), |inner, _| json!([inner]));
    let problems = |text: &str, value| {
        let text = format!("{{\"@type\": \"note\", \"data\": {text}}}");
        spec::parse("s", text, &variables(&[("v", value)]), &catalog()).unwrap_err().to_string()
    };
    assert_eq!(
        problems("\"${v}\"", deep),
        "s:1:27: $.data: with variable \"v\" the spec nests deeper than 64"
    );
    let many = serde_json::to_string(&vec!["${v}"; 80]).unwrap();
    let large = problems(&many, json!("x".repeat(1 << 20)));
    assert!(large.contains("with its variables the spec is larger than 67108864 bytes"), "{large}");
}

#[test]
fn arguments_are_json_where_they_can_be() {
    for (text, name, value) in [
        ("a=5", "a", json!(5)),
        ("a=", "a", json!("")),
        ("a=x=y", "a", json!("x=y")),
        ("a.b-c=[1]", "a.b-c", json!([1])),
        ("a=\"5\"", "a", json!("5")),
        ("a=NaN", "a", json!("NaN")),
        ("a=1.2.3", "a", json!("1.2.3")),
    ] {
        assert_eq!(parse_variable(text), Ok((name.to_owned(), value)), "{text}");
    }
    assert_eq!(parse_variable("a"), Err(VariableError::NoValue("a".into())));
    assert_eq!(parse_variable("1a=5"), Err(VariableError::Name("1a".into())));
    assert_eq!(parse_variable("=5"), Err(VariableError::Name(String::new())));
}
