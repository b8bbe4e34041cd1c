//! Files that operations put in their places.

use std::fs;

use serde_json::json;
use tests::{Cluster, Worker, program, until};

use super::{execute, until_there_are};

#[test]
fn a_worker_frozen_past_its_session_commits_nothing() {
    const WORKER: &[&str] = &["--queue", "cpu", "--lease", "3s", "--concurrency", "1", "--quiet"];
    let cluster = Cluster::start();
    let rough = Worker::of(&program("rough-worker"))
        .with_env("AMQP_URL", cluster.amqp_url())
        .with_env("REDIS_URL", cluster.redis_url());
    let (file, go) = (cluster.path("out"), cluster.path("go"));
    let has_staged = |attempt: u32| fs::exists(format!("{file}.{attempt}")).unwrap_or(false);
    let frozen = rough.start(WORKER);
    // Its operations must be known.
    until_there_are(&cluster, 1);
    let spec = json!({"@type": "write", "file": file, "text": "text", "once_there": go});
    let running = execute(&cluster, "written", &spec, &["--quiet"]);
    until("the first attempt to be about to commit", || has_staged(1).then_some(()));
    frozen.freeze();
    let _heir = rough.start(WORKER);
    until("the second attempt to be about to commit", || has_staged(2).then_some(()));
    fs::write(&go, "").expect("the directory is writable");
    running.wait().expect(0);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "text of attempt 2");
    frozen.thaw();
    until("the frozen one to find out", || frozen.stderr().contains("taken for dead").then_some(()));
    // With the same content, a file renamed twice could not be told from one renamed once.
    frozen.terminate();
    frozen.wait().expect(0);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "text of attempt 2");
    assert!(has_staged(1), "what was refused is left where it was");
}
