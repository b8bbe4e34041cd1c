//! Rules that tell what a failure means, without servers.

use serde_json::{Value as Json, json};
use tests::{Coordinator, Worker};

/// A command that fails with this code until its third attempt.
fn fails_twice(code: u32) -> Json {
    let script = format!("[ $OTAMAN_ATTEMPT -ge 3 ] || exit {code}");
    json!({"@type": "command", "argv": ["sh", "-c", script], "@retry": {"initial_delay": "10ms"}})
}

#[test]
fn rules_are_listed_in_the_order_in_which_they_are_tried() {
    let coordinator = Coordinator::new();
    let file = coordinator.file("mine.json", r#"[{"exit_code": 9, "cause": "transient", "note": "ours"}]"#);
    let listed = Worker::new().run(&["rules", "--rules", &file, "--json"]).expect(0).json();
    let rules = listed.as_array().unwrap();
    assert_eq!(rules[0], json!({"from": file, "exit_code": 9, "cause": "transient", "note": "ours"}));
    assert!(rules.len() > 40 && rules[1..].iter().all(|rule| rule["from"] == "default"));
    let is_mazepas = |rule: &Json| rule["text"] == "Found no NVIDIA driver on your system";
    assert!(rules.iter().any(is_mazepas));
    let by_environment = Worker::new().with_env("OTAMAN_RULES", &file).run(&["rules"]).expect(0).stdout;
    let first = by_environment.lines().next().unwrap();
    let words: Vec<&str> = first.split_whitespace().collect();
    assert_eq!(words, ["transient", "exit", "code", "9", &file, "ours"]);
}

#[test]
fn a_bad_file_of_rules_is_refused_with_place_and_cure() {
    let coordinator = Coordinator::new();
    let file = coordinator.file("bad.json", "[\n {\"text\": \"a\", \"cause\": \"lost\"}\n]");
    for arguments in [&["rules", "--rules", &file][..], &["--rules", &file]] {
        let said = Worker::new().run(arguments).expect(2).stderr;
        assert!(said.contains(&file) && said.contains("[0].cause") && said.contains("line 2"), "{said}");
        assert!(said.contains("`transient`"), "{said}");
    }
    let missing = Worker::new().run(&["--rules", "/no/such.json"]).expect(2).stderr;
    assert!(missing.contains("cannot read the rules /no/such.json"), "{missing}");
}

#[test]
fn the_embedded_worker_goes_by_the_rules_that_the_environment_names() {
    let coordinator = Coordinator::new();
    let spec = coordinator.file("spec.json", &fails_twice(9).to_string());
    let run = ["execute", &spec, "--json", "--quiet"];
    assert_eq!(coordinator.run(&run).expect(1).json()["failures"][0]["cause"], "permanent");
    let rules = coordinator.file("rules.json", r#"[{"exit_code": 9, "cause": "transient"}]"#);
    let coordinator = coordinator.with_env("OTAMAN_RULES", rules);
    assert_eq!(coordinator.run(&run).expect(0).json()["tasks"]["retried"], 2);
    let bad = coordinator.file("bad.json", "{}");
    let refused = coordinator.with_env("OTAMAN_RULES", &bad).run(&run);
    assert!(refused.code != Some(0) && refused.stderr.contains(&bad), "{}", refused.stderr);
}
