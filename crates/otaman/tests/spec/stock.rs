//! Specs of the stock operations and flows.

use std::collections::BTreeMap;

use otaman::Registry;
use otaman::spec::{self, Catalog};

fn answer(text: &str) -> String {
    let catalog = Catalog::new(&Registry::linked().unwrap());
    match spec::parse("spec.json", text, &BTreeMap::new(), &catalog) {
        Ok(spec) => format!("good: {}", spec.root.spec()),
        Err(problems) => problems.to_string(),
    }
}

const SPECS: &[(&str, &str)] = &[
    (
        "a map over a range",
        r#"{"@type": "map_flow", "over": {"range": [0, 3]}, "do": {"@type": "command", "argv": ["echo", "{item}"]},
 "reduce": {"@type": "echo", "value": "{values}"}}"#,
    ),
    (
        "stages",
        r#"{"@type": "mazepa.execute", "@version": "0.4", "target": {"@type": "mazepa.sequential_flow", "stages": [
  {"@type": "mazepa.concurrent_flow", "stages": [{"@type": "sleep", "duration": "10ms"}, {"@type": "echo", "value": 1}]},
  {"@type": "command", "argv": ["true"], "@worker_type": "gpu", "@retry": {"max_attempts": 2}}]}}"#,
    ),
    (
        "a misspelt operation in a stage",
        r#"{"@type": "mazepa.sequential_flow", "stages": [{"@type": "comand", "argv": ["a"]}]}"#,
    ),
    ("a flow without Mazepa's prefix", r#"{"@type": "sequential_flow", "stages": []}"#),
    ("a command as one string", r#"{"@type": "command", "argv": "echo 1"}"#),
    ("a bad duration", r#"{"@type": "sleep", "duration": 5}"#),
    (
        "a misspelt way to go over",
        r#"{"@type": "map_flow", "over": {"rnage": [0, 3]}, "do": {"@type": "echo", "value": 1}}"#,
    ),
    (
        "a bad item",
        r#"{"@type": "map_flow", "over": ["a", 5], "do": {"@type": "command", "argv": "{item}"}}"#,
    ),
];

#[test]
fn stock_specs_are_checked() {
    let answers: Vec<String> = SPECS
        .iter()
        .map(|(title, text)| {
            let spec: Vec<String> = text.lines().map(|line| format!("    {line}")).collect();
            format!("# {title}\n{}\n{}\n", spec.join("\n"), answer(text))
        })
        .collect();
    insta::assert_snapshot!("stock", answers.join("\n"));
}
