//! Workers tell how they are, and leave when they are told to or it is time.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tests::servers::{RabbitMq, Redis};
use tests::{Cluster, Running, Stopwatch, until};

use super::{assert_numbers, execute, lines, numbers, until_queued};

const WORKER: &[&str] = &["--queue", "cpu", "--concurrency", "2", "--lease", "3s", "--listen", "127.0.0.1:0"];
/// How soon a worker must end that is to end at once.
const AT_ONCE: Duration = Duration::from_secs(8);
/// How late a process may end on a busy machine.
const LATE: Duration = Duration::from_secs(5);

/// A task that says that it has begun, and goes on until there is a file.
fn until_there_is(end: &str, runs: &str) -> Json {
    let script = format!("echo run >> {runs}; until test -e {end}; do sleep 0.1; done");
    json!({"@type": "command", "argv": ["sh", "-c", script], "@key": "until"})
}

#[track_caller]
fn until_status(worker: &Running, path: &str, status: u16) {
    until(&format!("{path} to be {status}"), || (worker.page(path).status == status).then_some(()));
}

#[test]
fn a_working_worker_tells_how_it_is() {
    let cluster = Cluster::start();
    let worker = cluster.worker().start(WORKER);
    until_status(&worker, "/readyz", 200);
    assert_eq!(worker.page("/livez").body, "ok\n");
    assert_numbers(execute(&cluster, "numbers", &numbers(100), &["--quiet"]).wait(), 100);
    let (end, runs) = (cluster.path("end"), cluster.path("runs"));
    let running = execute(&cluster, "goes-on", &until_there_is(&end, &runs), &["--quiet"]);
    until("the task to run", || (lines(&runs) == 1).then_some(()));
    for (name, value) in [("slots", 2), ("running", 1), ("ready", 1), ("sessions_total", 1)] {
        assert_eq!(worker.metric(name), value, "{name}");
    }
    assert_eq!(worker.metric("attempts_total{end=\"succeeded\"}"), 100);
    assert_eq!((worker.metric("leased_total"), worker.metric("completed_total")), (101, 100));
    assert_eq!(worker.page("/other").status, 404);
    // A session that is not renewed is for the one who restarts workers.
    cluster.redis().freeze();
    until_status(&worker, "/livez", 503);
    assert_eq!(worker.page("/readyz").status, 503);
    assert_eq!(worker.page("/metrics").status, 200);
    cluster.redis().thaw();
    until_status(&worker, "/livez", 200);
    until_status(&worker, "/readyz", 200);
    // The session may have been lost; then another one takes the task again.
    until("the task to run", || (worker.metric("running") == 1).then_some(()));
    worker.terminate();
    until_status(&worker, "/readyz", 503);
    assert_eq!(worker.page("/livez").status, 200, "a worker that drains is alive");
    fs::write(&end, "").expect("the directory is writable");
    worker.wait().expect(0);
    assert_eq!(running.wait().expect(0).json()["tasks"]["succeeded"], 1);
}

/// A worker that runs a task and is told to end, and then to end at once, while the servers are so.
fn ends_at_once_while(disturb: impl FnOnce(&Cluster)) {
    let cluster = Cluster::behind_proxies(RabbitMq::start(), Redis::start());
    let (end, runs) = (cluster.path("end"), cluster.path("runs"));
    let mut worker = cluster.worker().start(WORKER);
    let running = execute(&cluster, "goes-on", &until_there_is(&end, &runs), &["--quiet"]);
    until("the task to run", || (lines(&runs) == 1).then_some(()));
    disturb(&cluster);
    worker.terminate();
    until("the worker to drain", || worker.stderr().contains("SIGTERM: takes no more").then_some(()));
    assert!(!worker.has_ended(), "its task goes on");
    let told = Stopwatch::start();
    worker.terminate();
    until("the worker's end", || worker.has_ended().then_some(()));
    let took = told.elapsed();
    println!("ended after {took:?}");
    assert!(took < AT_ONCE, "{took:?}");
    worker.wait().expect(130);
    drop(running);
}

#[test]
fn a_second_signal_ends_a_worker_at_once() {
    ends_at_once_while(|_| ());
}

#[test]
fn a_second_signal_ends_a_worker_at_once_while_redis_is_stopped() {
    ends_at_once_while(|cluster| cluster.redis().freeze());
}

#[test]
fn a_second_signal_ends_a_worker_at_once_while_the_network_swallows_everything() {
    ends_at_once_while(|cluster| {
        cluster.proxies().redis.drop_all();
        cluster.proxies().rabbitmq.drop_all();
    });
}

#[test]
fn a_worker_that_has_not_reached_the_servers_yet_ends_at_the_first_signal() {
    let cluster = Cluster::start();
    cluster.redis().freeze();
    let mut worker = cluster.worker().start(WORKER);
    until_status(&worker, "/livez", 200);
    let told = Stopwatch::start();
    worker.terminate();
    until("the worker's end", || worker.has_ended().then_some(()));
    let took = told.elapsed();
    assert!(took < AT_ONCE, "{took:?}");
    worker.wait().expect(0);
}

#[test]
fn an_idle_worker_ends_but_not_while_a_task_runs() {
    const IDLE: Duration = Duration::from_secs(2);
    let cluster = Cluster::start();
    let (end, runs) = (cluster.path("end"), cluster.path("runs"));
    let running = execute(&cluster, "goes-on", &until_there_is(&end, &runs), &["--quiet"]);
    until_queued(&cluster, "otaman.tasks.cpu", 1);
    let worker = cluster.worker().start(&[WORKER, &["--idle-timeout", "2s"]].concat());
    until("the task to run", || (lines(&runs) == 1).then_some(()));
    std::thread::sleep(2 * IDLE);
    assert_eq!(worker.page("/readyz").status, 200, "it must not have begun to leave");
    fs::write(&end, "").expect("the directory is writable");
    let document = running.wait().expect(0).json();
    assert_eq!((&document["tasks"]["succeeded"], &document["tasks"]["retried"]), (&json!(1), &json!(0)));
    let idle = Stopwatch::start();
    let ended = worker.wait().expect(0);
    println!("ended {:?} after the last task", idle.elapsed());
    assert!(idle.elapsed() < IDLE + LATE, "{:?}", idle.elapsed());
    assert!(ended.stderr.contains("(no task for 2s): 1 succeeded, 0 failed"), "{}", ended.stderr);
}

#[test]
fn a_worker_has_ended_when_its_time_is_over_and_hands_its_task_back() {
    const LIMIT: Duration = Duration::from_secs(12);
    let cluster = Cluster::start();
    let (end, runs) = (cluster.path("end"), cluster.path("runs"));
    let running = execute(&cluster, "goes-on", &until_there_is(&end, &runs), &["--quiet"]);
    until_queued(&cluster, "otaman.tasks.cpu", 1);
    let started = Instant::now();
    let worker = cluster.worker().start(&[WORKER, &["--max-runtime", "12s"]].concat());
    let ended = worker.wait().expect(0);
    let took = started.elapsed();
    println!("ended after {took:?}");
    assert!(LIMIT / 2 <= took && took < LIMIT + LATE, "{took:?}");
    assert!(
        ended.stderr.contains("(its time of 12s is over): 0 succeeded, 0 failed, 1 handed back"),
        "{}",
        ended.stderr
    );
    fs::write(&end, "").expect("the directory is writable");
    let heir = cluster.worker().start(WORKER);
    let document = running.wait().expect(0).json();
    assert_eq!((&document["tasks"]["succeeded"], lines(&runs)), (&json!(1), 2), "{document:#}");
    assert_eq!(heir.metric("attempts_total{end=\"succeeded\"}"), 1);
}
