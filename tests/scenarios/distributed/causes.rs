//! What a failure means decides who tries again, and at whose cost.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::{Value as Json, json};
use tests::{Cluster, Worker, program, until};

use super::{execute, until_there_are};

const WORKER: &[&str] = &["--concurrency", "1", "--lease", "3s"];

/// To so many open files a worker raises its limit at most.
const MOST_FILES: u64 = 1024 * 1024;

/// As many commands as `count` which need room for temporary files. They have one attempt: whatever is
/// charged to one of them ends it.
fn temporary_files(count: u64) -> Json {
    let script = "file=$(mktemp) && rm $file && echo {item}";
    json!({"@type": "map_flow", "over": {"range": [0, count]},
        "do": {"@type": "command", "argv": ["sh", "-c", script], "@retry": {"max_attempts": 1}}})
}

#[test]
fn a_worker_goes_by_its_file_of_rules() {
    let cluster = Cluster::start();
    let rules = cluster.coordinator().file("rules.json", r#"[{"exit_code": 9, "cause": "transient"}]"#);
    let _worker = cluster.another_worker().with_env("OTAMAN_RULES", rules).start(WORKER);
    let script = "[ $OTAMAN_ATTEMPT -ge 3 ] || exit 9";
    let spec = json!({"@type": "command", "argv": ["sh", "-c", script], "@retry": {"initial_delay": "10ms"}});
    let document = execute(&cluster, "ruled", &spec, &["--quiet"]).wait().expect(0).json();
    assert_eq!(document["tasks"]["retried"], 2);
}

#[test]
fn a_worker_without_room_for_temporary_files_leaves_and_others_do_its_tasks_at_no_cost() {
    const TASKS: u64 = 20;
    let cluster = Cluster::start();
    let gone = cluster.path("gone");
    let unfit = cluster.another_worker().with_env("TMPDIR", &gone).start(WORKER);
    let running = execute(&cluster, "short", &temporary_files(TASKS), &["--quiet"]);
    let left = unfit.wait().expect(4);
    assert!(left.stderr.contains(&gone) && left.stderr.contains("TMPDIR"), "{}", left.stderr);
    assert!(left.stderr.contains("3 different tasks"), "{}", left.stderr);
    assert!(left.stderr.contains("0 succeeded, 0 failed, 3 handed back"), "{}", left.stderr);
    let _fit = cluster.start_workers(1, WORKER);
    let document = running.wait().expect(0).json();
    assert_eq!(document["tasks"]["succeeded"], TASKS);
    assert_eq!(document["tasks"]["failed"], 0);
    assert_eq!(document["result"].as_array().map(Vec::len), Some(TASKS as usize));
}

#[test]
fn a_worker_without_file_descriptors_leaves_its_tasks_to_others() {
    const TASKS: u64 = 12;
    let cluster = Cluster::start();
    let script =
        cluster.coordinator().file("limited", "#!/bin/sh\nulimit -Sn 256; exec \"$WORKER\" \"$@\"\n");
    fs::set_permissions(&script, Permissions::from_mode(0o755)).expect("it is ours");
    let limited = Worker::of(Path::new(&script))
        .with_env("WORKER", program("worker"))
        .with_env("AMQP_URL", cluster.amqp_url())
        .with_env("REDIS_URL", cluster.redis_url());
    let unfit = limited.start(&[&["--max-shortages", "2"], WORKER].concat());
    until_there_are(&cluster, 1);
    // It keeps what it has, and gets no more.
    let open = fs::read_dir(format!("/proc/{}/fd", unfit.pid())).expect("it runs").count() as u64;
    let limit = Rlimit { current: Some(open), maximum: Some(open) };
    let before = prlimit(Some(unfit.pid()), Resource::Nofile, limit).expect("it runs");
    let most = before.maximum.unwrap_or(MOST_FILES).min(MOST_FILES);
    assert_eq!(before.current, Some(most), "it has raised its limit from 256");
    let running = execute(&cluster, "files", &temporary_files(TASKS), &["--quiet"]);
    let left = unfit.wait().expect(4);
    assert!(left.stderr.contains("Too many open files"), "{}", left.stderr);
    assert!(left.stderr.contains("0 succeeded, 0 failed, 2 handed back"), "{}", left.stderr);
    let _fit = cluster.start_workers(1, WORKER);
    assert_eq!(running.wait().expect(0).json()["tasks"]["succeeded"], TASKS);
}

#[test]
fn a_task_that_runs_out_of_memory_goes_to_larger_workers_signed_anew() {
    const KEY: &str = "a secret that all programs of this test share";
    let cluster = Cluster::start();
    let worker = |kind: &str| {
        let worker = cluster.another_worker().with_env("OTAMAN_SIGNING_KEY", KEY).with_env("KIND", kind);
        worker.start(&[&["--queue", kind], WORKER].concat())
    };
    let _small = worker("cpu");
    let coordinator = cluster.another_coordinator().with_env("OTAMAN_SIGNING_KEY", KEY);
    let script = "echo $KIND {item}; [ $KIND = large ] || { echo MemoryError >&2; exit 1; }";
    let retry = json!({"out_of_memory_delay": "10ms", "on_out_of_memory": {"worker_type": "large"}});
    let spec = json!({"@type": "map_flow", "over": {"range": [0, 5]},
        "do": {"@type": "command", "argv": ["sh", "-c", script], "@retry": retry}});
    let spec = coordinator.file("spec.json", &spec.to_string());
    let running = coordinator.start(&["execute", &spec, "--id", "memory", "--json", "--quiet"]);
    until("the tasks to wait for larger workers", || {
        let shown = coordinator.run(&["queues", "-o", "json"]);
        let has_five = |queue: &Json| queue["queue"] == "otaman.tasks.large" && queue["ready"] == 5;
        let queues = if shown.code == Some(0) { shown.json() } else { Json::Null };
        queues.as_array().is_some_and(|queues| queues.iter().any(has_five)).then_some(())
    });
    let _large = worker("large");
    let document = running.wait().expect(0).json();
    let outputs: Vec<&str> =
        document["result"].as_array().unwrap().iter().filter_map(|value| value["stdout"].as_str()).collect();
    assert_eq!(outputs, ["large 0\n", "large 1\n", "large 2\n", "large 3\n", "large 4\n"]);
    assert_eq!(document["tasks"]["retried"], 5);
}
