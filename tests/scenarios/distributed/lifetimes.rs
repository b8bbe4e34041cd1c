//! Workers whose time ends take what fits, and leave the rest to others.

use std::fs;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};
use tests::{Cluster, until};

use super::{execute, lines, until_queued, until_there_are};

const WORKER: &[&str] = &["--lease", "3s", "--listen", "127.0.0.1:0"];

/// This worker takes tasks for 6 s, and is gone after 12.
const SHORT: &[&str] = &["--lease", "3s", "--max-runtime", "12s", "--drain-timeout", "10s"];

/// As many tasks as `count`, each longer than that.
fn long_tasks(count: u64, key: &str) -> Json {
    json!({"@type": "map_flow", "over": {"range": [0, count]},
        "do": {"@type": "sleep", "duration": "6500ms", "@key": format!("{key} {{item}}")}})
}

#[test]
fn a_task_that_does_not_fit_into_a_workers_time_is_left_to_others() {
    let cluster = Cluster::start();
    // How long such tasks take is learned by a worker that is gone then.
    let teacher = cluster.worker().start(&[WORKER, &["--concurrency", "3"]].concat());
    execute(&cluster, "learned", &long_tasks(3, "learned"), &["--quiet"]).wait().expect(0);
    teacher.terminate();
    teacher.wait().expect(0);
    let long = cluster.worker().start(&[WORKER, &["--concurrency", "1"]].concat());
    until_there_are(&cluster, 1);
    let short = cluster.worker().start(&[SHORT, &["--concurrency", "2"]].concat());
    let running = execute(&cluster, "left", &long_tasks(2, "left"), &["--quiet"]);
    let ended = short.wait().expect(0);
    assert!(ended.stderr.contains("0 succeeded, 0 failed, "), "{}", ended.stderr);
    assert!(ended.stderr.contains("left to others"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("handed back"), "it has begun one: {}", ended.stderr);
    let document = running.wait().expect(0).json();
    // What is left to others is no attempt.
    assert_eq!((&document["tasks"]["succeeded"], &document["tasks"]["retried"]), (&json!(2), &json!(0)));
    assert_eq!(long.metric("attempts_total{end=\"succeeded\"}"), 2);
    // Now nobody has the time for one.
    long.terminate();
    long.wait().expect(0);
    let mut running = execute(&cluster, "anyway", &long_tasks(1, "anyway"), &["--quiet"]);
    until_queued(&cluster, "otaman.tasks.cpu", 1);
    // One that was too slow to take it in the first moments of its time leaves it to the next.
    let mut said = String::new();
    while !running.has_ended() {
        said += &cluster.worker().start(SHORT).wait().expect(0).stderr;
    }
    assert_eq!(running.wait().expect(0).json()["tasks"]["succeeded"], 1);
    assert!(said.contains("hardly end in the time"), "{said}");
}

#[test]
fn a_worker_has_ended_before_its_batch_job_does_and_hands_its_task_back() {
    let cluster = Cluster::start();
    let (end, runs) = (cluster.path("end"), cluster.path("runs"));
    let script = format!("echo run >> {runs}; until test -e {end}; do sleep 0.1; done");
    let spec = json!({"@type": "command", "argv": ["sh", "-c", script]});
    let running = execute(&cluster, "job", &spec, &["--quiet"]);
    until_queued(&cluster, "otaman.tasks.cpu", 1);
    let job_ends = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(20);
    let job = cluster.another_worker().with_env("SLURM_JOB_END_TIME", job_ends.as_secs().to_string());
    let started = Instant::now();
    // The nearer end counts.
    let worker = job.start(&[WORKER, &["--max-runtime", "1h"]].concat());
    until("the task to run", || (lines(&runs) == 1).then_some(()));
    let ended = worker.wait().expect(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    println!("ended after {:?}", started.elapsed());
    assert!(now < job_ends + Duration::from_secs(5), "{now:?} {job_ends:?}");
    assert!(
        ended.stderr.contains("(its job's time is over): 0 succeeded, 0 failed, 1 handed back"),
        "{}",
        ended.stderr
    );
    fs::write(&end, "").unwrap();
    let _heir = cluster.worker().start(WORKER);
    assert_eq!(running.wait().expect(0).json()["tasks"]["succeeded"], 1);
}
