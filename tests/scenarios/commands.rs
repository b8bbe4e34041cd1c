//! The commands, their output and their exit codes.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use serde_json::{Value as Json, json};
use tests::{Coordinator, until};

fn execute(coordinator: &Coordinator, spec: &Json, more: &[&str], code: i32) -> Json {
    let spec = coordinator.file("spec.json", &spec.to_string());
    let arguments = [&["execute", &spec, "--json"], more].concat();
    coordinator.run(&arguments).expect(code).json()
}

fn shell(script: &str) -> Json {
    json!({"@type": "command", "argv": ["sh", "-c", script]})
}

#[test]
fn a_spec_of_mazepa_runs_and_its_result_is_printed() {
    let coordinator = Coordinator::new();
    let spec = json!({"@type": "mazepa.execute", "target": {"@type": "mazepa.sequential_flow", "stages": [
        {"@type": "map_flow", "over": {"range": [0, 100]},
         "do": {"@type": "command", "argv": ["sh", "-c", "echo {item}"], "@worker_type": "cpu"}},
        {"@type": "command", "argv": ["true"], "@runtime_limit": "10s", "@retry": {"max_attempts": 3}}]}});
    let document = execute(&coordinator, &spec, &["--id", "contract"], 0);
    assert_eq!(document["execution_id"], "contract");
    assert_eq!(document["status"], "succeeded");
    assert!(document["elapsed_s"].as_f64().unwrap() > 0.0);
    let tasks = json!({"expanded": 101, "succeeded": 101, "failed": 0, "cancelled": 0, "skipped": 0, "retried": 0, "reused": 0});
    assert_eq!(document["tasks"], tasks);
    assert_eq!(document["failures"], json!([]));
    assert_eq!(document["result"][0].as_array().unwrap().len(), 100);
    assert_eq!(document["result"][0][42], json!({"exit_code": 0, "stdout": "42\n", "stderr": ""}));
    assert_eq!(document["result"][1], json!({"exit_code": 0, "stdout": "", "stderr": ""}));
}

#[test]
fn the_first_dead_task_stops_the_execution_and_its_evidence_is_kept() {
    let coordinator = Coordinator::new();
    let spec = json!({"@type": "mazepa.sequential_flow", "stages": [shell("echo out; echo reason >&2; exit 3"), shell("true")]});
    let document = execute(&coordinator, &spec, &["--id", "dead"], 1);
    assert_eq!(document["status"], "failed");
    assert_eq!(document["result"], Json::Null);
    assert_eq!(document["tasks"]["expanded"], 1);
    let shown = coordinator.run(&["executions", "show", "dead", "--json"]).expect(0).json();
    for failure in [&document["failures"][0], &shown["failures"][0]] {
        assert_eq!(failure["operation"], "command");
        assert_eq!(failure["cause"], "permanent");
        assert_eq!(failure["exit_code"], 3);
        assert!(failure["tail"].as_str().unwrap().contains("reason"), "{failure}");
        assert_eq!(failure["arguments"]["argv"][0], "sh");
    }
    let text = coordinator.run(&["executions", "show", "dead"]).expect(0).stdout;
    assert!(text.contains("exited with code 3") && text.contains("| reason"), "{text}");
}

#[test]
fn going_on_after_a_failure_skips_only_what_depends_on_it() {
    let coordinator = Coordinator::new();
    let branch = |script: &str, after: &str| json!({"@type": "mazepa.sequential_flow", "stages": [shell(script), shell(after)]});
    let spec = json!({"@type": "mazepa.concurrent_flow", "stages": [branch("exit 1", "echo never"), branch("true", "echo done")]});
    let document = execute(&coordinator, &spec, &["--on-failure", "continue"], 1);
    let tasks = &document["tasks"];
    assert_eq!((&tasks["succeeded"], &tasks["failed"], &tasks["skipped"]), (&json!(2), &json!(1), &json!(1)));
}

#[test]
fn exit_code_75_is_tried_again_and_others_only_when_told() {
    let coordinator = Coordinator::new();
    let counted = |code: u32, retry: Json| {
        let count = coordinator.directory().join(format!("count-{code}"));
        let script = format!("echo >> '{0}'; [ $(wc -l < '{0}') -ge 3 ] || exit {code}", count.display());
        json!({"@type": "command", "argv": ["sh", "-c", script], "@retry": retry})
    };
    let document = execute(&coordinator, &counted(75, json!({"initial_delay": "10ms"})), &[], 0);
    assert_eq!(document["tasks"]["retried"], 2);
    let document = execute(&coordinator, &counted(9, json!({"initial_delay": "10ms"})), &[], 1);
    assert_eq!(document["tasks"]["retried"], 0);
    let all = json!({"initial_delay": "10ms", "transient_exit_codes": "all"});
    assert_eq!(execute(&coordinator, &counted(10, all), &[], 0)["tasks"]["retried"], 2);
    let once = json!({"max_attempts": 2, "initial_delay": "10ms", "transient_exit_codes": [11]});
    let document = execute(&coordinator, &counted(11, once), &[], 1);
    assert_eq!(document["failures"][0]["attempts"].as_array().unwrap().len(), 2);
}

#[test]
fn a_semaphore_limits_how_many_tasks_run_at_once() {
    let coordinator = Coordinator::new();
    let journal = coordinator.directory().join("journal");
    let script = format!("echo in >> '{0}'; sleep 0.02; echo out >> '{0}'", journal.display());
    let mut task = shell(&format!("{script}; : {{item}}"));
    task["@semaphores"] = json!(["disk"]);
    let spec = json!({"@type": "map_flow", "over": {"range": [0, 20]}, "do": task});
    let document = execute(&coordinator, &spec, &["--workers", "4", "--semaphore", "disk=2"], 0);
    assert_eq!(document["tasks"]["succeeded"], 20);
    let (mut inside, mut most) = (0, 0);
    for line in fs::read_to_string(&journal).unwrap().lines() {
        inside += if line == "in" { 1 } else { -1 };
        most = most.max(inside);
    }
    assert_eq!((inside, most), (0, 2));
    let document = execute(&coordinator, &spec, &["--semaphore", "disc=2"], 1);
    let failure = document["failures"][0].to_string();
    assert!(
        failure.contains("unknown semaphore disk") && failure.contains("--semaphore disk=1"),
        "{failure}"
    );
    let refused = coordinator.run(&["execute", "spec.json", "--semaphore", "disk=0"]).expect(2);
    assert!(refused.stderr.contains("give it at least 1"), "{}", refused.stderr);
}

#[test]
fn wrong_specs_are_refused_before_anything_runs() {
    let coordinator = Coordinator::new();
    let mark = coordinator.directory().join("mark");
    let spec = json!({"@type": "mazepa.sequential_flow", "stages": [shell(&format!("touch '{}'", mark.display())), {"@type": "comand"}]});
    let spec = coordinator.file("spec.json", &spec.to_string());
    for command in ["execute", "validate", "plan"] {
        let ended = coordinator.run(&[command, &spec]).expect(2);
        assert!(ended.stderr.contains("spec.json:1:"), "{}", ended.stderr);
        assert!(ended.stderr.contains("did you mean \"command\"?"), "{}", ended.stderr);
        assert_eq!(ended.stdout, "");
    }
    assert!(!mark.exists());
    let listed = coordinator.run(&["executions", "--json"]).expect(0).json();
    assert_eq!(listed, json!([]));
}

#[test]
fn wrong_usage_ends_with_code_two_and_a_hint() {
    let coordinator = Coordinator::new();
    for (arguments, hint) in [
        (&["execute"][..], "--resume"),
        (&["execute", "missing.json"], "missing.json"),
        (&["execute", "--resume", "nothing"], "coordinator executions"),
        (&["execute", "x.json", "--id", "Bad Id"], "1 to 63 characters"),
        (&["execute", "x.json", "--workers", "0"], "1..=4096"),
        (&["execute", "x.json", "--on-failure", "ignore"], "continue"),
        (&["executions", "show", "nothing"], "coordinator executions"),
        (&["operations", "nothing"], "coordinator operations"),
        (&["frobnicate"], "frobnicate"),
    ] {
        let ended = coordinator.run(arguments).expect(2);
        assert!(ended.stderr.contains(hint), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn variables_are_filled_in_by_type() {
    let coordinator = Coordinator::new();
    let spec = json!({"@type": "map_flow", "over": {"range": [0, {"@var": "count"}]},
        "do": {"@type": "echo", "value": "${prefix}-{item}"}});
    let document = execute(&coordinator, &spec, &["--var", "count=2", "--var", "prefix=a"], 0);
    assert_eq!(document["result"], json!(["a-0", "a-1"]));
    let spec = coordinator.file("spec.json", &spec.to_string());
    let ended = coordinator.run(&["execute", &spec, "--var", "count=2", "--var", "prefx=a"]).expect(2);
    assert!(ended.stderr.contains("--var prefix="), "{}", ended.stderr);
}

#[test]
fn lines_come_from_standard_input_and_are_kept_for_a_resumption() {
    let coordinator = Coordinator::new();
    let spec = json!({"@type": "map_flow", "over": {"lines": "-"}, "do": {"@type": "echo", "value": "{index}:{item}"}});
    let spec = coordinator.file("spec.json", &spec.to_string());
    coordinator.run(&["validate", &spec]).expect(0);
    let mut child = coordinator
        .command(&["execute", &spec, "--id", "lines", "--json"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"one\ntwo\r\nthree").unwrap();
    let output = child.wait_with_output().unwrap();
    let document: Json = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["result"], json!(["0:one", "1:two", "2:three"]));
    let resumed = coordinator.run(&["execute", "--resume", "lines", "--json"]).expect(0).json();
    assert_eq!(resumed["result"], document["result"]);
    assert_eq!(resumed["tasks"]["reused"], 3);
}

#[test]
fn a_result_goes_to_standard_output_and_everything_else_does_not() {
    let coordinator = Coordinator::new();
    let spec = coordinator.file("spec.json", r#"{"@type": "echo", "value": {"a": [1, 2.5, "x", null]}}"#);
    let ended = coordinator.run(&["execute", &spec]).expect(0);
    assert_eq!(ended.json(), json!({"a": [1, 2.5, "x", null]}));
    assert!(ended.stderr.contains("1 of 1 task succeeded"), "{}", ended.stderr);
    let quiet = coordinator.run(&["execute", &spec, "--quiet"]).expect(0);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn validate_tells_programs_what_is_wrong_and_where() {
    let coordinator = Coordinator::new();
    let wrong = coordinator
        .file("wrong.json", r#"{"@type": "mazepa.sequential_flow", "stages": [{"@type": "comand"}]}"#);
    let told = coordinator.run(&["validate", &wrong, "-o", "json"]).expect(2).json();
    let problem = &told["problems"][0];
    assert_eq!((&told["valid"], &problem["suggestion"]), (&json!(false), &json!("command")), "{told:#}");
    assert_eq!((&problem["path"], &problem["column"]), (&json!("$.stages[0]"), &json!(58)), "{told:#}");
    let right = coordinator.file("right.json", r#"{"@type": "echo", "value": 1}"#);
    let told = coordinator.run(&["validate", &right, "-o", "json"]).expect(0).json();
    assert_eq!(told, json!({"valid": true, "problems": [], "more": 0, "notes": []}));
}

#[test]
fn large_output_is_kept_in_a_file_beside_the_execution() {
    let coordinator = Coordinator::new();
    let document = execute(
        &coordinator,
        &shell("head -c 300000 /dev/zero | tr '\\0' x; echo end"),
        &["--id", "large"],
        0,
    );
    let result = &document["result"];
    assert_eq!(result["stdout"].as_str().unwrap().len(), 64 * 1024);
    assert_eq!(result["stdout_file"]["bytes"], 300_004);
    let path = result["stdout_file"]["url"].as_str().unwrap().strip_prefix("file://").unwrap();
    assert!(path.contains("/executions/large/"), "{path}");
    assert_eq!(fs::metadata(path).unwrap().len(), 300_004);
}

#[test]
fn plan_counts_by_operation_and_worker_type_and_runs_nothing() {
    let coordinator = Coordinator::new();
    let mark = coordinator.directory().join("mark");
    let touch = format!("touch '{}'", mark.display());
    let spec = json!({"@type": "mazepa.sequential_flow", "stages": [
        {"@type": "map_flow", "over": {"range": [0, 1000]}, "do": {"@type": "echo", "value": "{item}", "@worker_type": "gpu"},
         "reduce": {"@type": "echo", "value": "{count}"}},
        shell(&touch), shell(&touch)]});
    let spec = coordinator.file("spec.json", &spec.to_string());
    let plan = coordinator.run(&["plan", &spec, "--json"]).expect(0).json();
    assert_eq!(plan["tasks"], 1002);
    let of = |operation: &str, worker_type: &str| {
        let rows = plan["operations"].as_array().unwrap();
        let row = rows.iter().find(|row| row["operation"] == operation && row["worker_type"] == worker_type);
        row.map(|row| row["tasks"].as_u64().unwrap())
    };
    assert_eq!((of("echo", "gpu"), of("echo", "cpu"), of("command", "cpu")), (Some(1000), Some(1), Some(1)));
    assert_eq!(plan["undecided"], json!([]));
    assert!(!mark.exists());
}

#[test]
fn operations_are_listed_by_tags_and_shown_with_their_arguments() {
    let coordinator = Coordinator::new();
    let all = coordinator.run(&["operations", "--json"]).expect(0).json();
    let names: Vec<&str> =
        all.as_array().unwrap().iter().map(|info| info["name"].as_str().unwrap()).collect();
    for name in ["command", "echo", "sleep", "map_flow", "mazepa.sequential_flow", "mazepa.concurrent_flow"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let none =
        coordinator.run(&["operations", "--tag", "stock", "--tag", "nonsense", "--json"]).expect(0).json();
    assert_eq!(none, json!([]));
    let shown = coordinator.run(&["operations", "command"]).expect(0).stdout;
    assert!(shown.contains("argv: array, required"), "{shown}");
}

#[test]
fn the_schema_is_one_document_and_completions_are_made() {
    let coordinator = Coordinator::new();
    let schema = coordinator.run(&["schema"]).expect(0).json();
    assert!(schema["$schema"].as_str().unwrap().contains("2020-12"));
    let completions = coordinator.run(&["completions", "bash"]).expect(0).stdout;
    assert!(completions.contains("--max-in-flight"));
}

#[test]
fn executions_are_listed_newest_first() {
    let coordinator = Coordinator::new();
    let spec = coordinator.file("spec.json", r#"{"@type": "echo", "value": 1}"#);
    for id in ["first", "second"] {
        coordinator.run(&["execute", &spec, "--id", id]).expect(0);
    }
    let listed = coordinator.run(&["executions", "--json"]).expect(0).json();
    let ids: Vec<&str> =
        listed.as_array().unwrap().iter().map(|shown| shown["execution_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["second", "first"]);
    assert!(coordinator.run(&["executions"]).expect(0).stdout.contains("succeeded"));
}

#[test]
fn a_state_directory_that_cannot_be_written_is_an_infrastructure_failure() {
    let coordinator = Coordinator::new();
    let spec = coordinator.file("spec.json", r#"{"@type": "echo", "value": 1}"#);
    let file = coordinator.file("occupied", "");
    let ended = coordinator.run(&["execute", &spec, "--state-dir", &file]).expect(3);
    assert!(ended.stderr.contains("occupied"), "{}", ended.stderr);
}

#[test]
fn a_log_that_nobody_takes_holds_up_nothing() {
    let coordinator = Coordinator::new();
    let spec =
        json!({"@type": "map_flow", "over": {"range": [0, 50]}, "do": {"@type": "echo", "value": "{item}"}});
    let spec = coordinator.file("spec.json", &spec.to_string());
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut running = coordinator.command(&["execute", &spec, "-vv"]).stderr(full).spawn().unwrap();
    let ended = until("the end of the execution", || running.try_wait().unwrap());
    let mut printed = String::new();
    running.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert!(ended.success(), "{ended}");
    assert_eq!(serde_json::from_str::<Vec<u64>>(&printed).unwrap(), (0..50).collect::<Vec<_>>());
}
