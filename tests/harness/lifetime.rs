//! What is started ends when it is dropped, and with its process at the latest.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::servers::{RabbitMq, Redis};
use tests::{Worker, until};

use crate::processes::processes_of;

/// How the process that has servers is to end, and where it writes whose directories they are in.
const ENDING: &str = "HARNESS_ENDING";
const REPORT: &str = "HARNESS_REPORT";

/// The directory of all that a process has started.
fn base(logs: &Path) -> PathBuf {
    logs.ancestors().nth(2).unwrap().to_owned()
}

#[test]
fn a_dropped_server_leaves_nothing() {
    let (rabbitmq, redis) = (RabbitMq::start(), Redis::start());
    let directories = [rabbitmq.logs(), redis.logs()].map(|logs| logs.parent().unwrap().to_owned());
    let running = directories.each_ref().map(|directory| processes_of(directory).concat());
    assert!(running[0].contains("beam") && running[0].contains("epmd"), "{}", running[0]);
    assert!(running[1].contains("redis-server"), "{}", running[1]);
    drop((rabbitmq, redis));
    for directory in directories {
        until("its processes to be gone", || processes_of(&directory).is_empty().then_some(()));
        assert!(!directory.exists());
    }
}

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let redis = std::thread::spawn(Redis::start).join().unwrap();
    assert_eq!(redis.cli(&["PING"]), "PONG");
    assert!(redis.is_running());
}

#[test]
fn a_dropped_worker_is_gone() {
    // Any program would do.
    let worker = Worker::of(Path::new("sleep"));
    let mut running = worker.start(&["600"]);
    let process = PathBuf::from(format!("/proc/{}", running.pid().as_raw_pid()));
    running.freeze();
    assert!(!running.has_ended());
    drop(running);
    assert!(!process.exists());
}

/// Not a test of itself: the process that the tests below end.
#[test]
#[ignore = "run by other tests, in a process of its own"]
fn hosts_servers() {
    let rabbitmq = RabbitMq::start();
    let report = PathBuf::from(std::env::var_os(REPORT).unwrap());
    let base = base(&rabbitmq.logs());
    Redis::shared().cli(&["PING"]);
    fs::write(report.with_extension("part"), base.to_str().unwrap()).unwrap();
    fs::rename(report.with_extension("part"), report).unwrap();
    match std::env::var(ENDING).unwrap().as_str() {
        "panic" => panic!("as a failed test does"),
        "exit" => std::process::exit(0),
        "killed" => loop {
            std::thread::park();
        },
        other => panic!("unknown ending {other}"),
    }
}

fn nothing_is_left_after(ending: &str) {
    let reports = tempfile::tempdir().unwrap();
    let report = reports.path().join("report");
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args(["lifetime::hosts_servers", "--exact", "--ignored", "--nocapture"])
        .env(ENDING, ending)
        .env(REPORT, &report)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let base = until("the servers to run", || {
        assert!(host.try_wait().unwrap().is_none_or(|_| report.exists()), "the host ended too early");
        fs::read_to_string(&report).ok()
    });
    let base = Path::new(&base);
    if ending == "killed" {
        // The node, its name server, Redis, and the one that sweeps.
        let processes = processes_of(base).concat();
        for expected in ["beam", "epmd", "redis-server", "rm -rf"] {
            assert!(processes.contains(expected), "no {expected} in {processes}");
        }
        host.kill().unwrap();
    }
    let status = host.wait().unwrap();
    assert_eq!(status.signal(), (ending == "killed").then_some(9), "{status}");
    until("its processes to be gone", || processes_of(base).is_empty().then_some(()));
    assert!(!base.exists(), "the directories are still there");
}

#[test]
fn nothing_is_left_of_a_test_that_panicked() {
    nothing_is_left_after("panic");
}

#[test]
fn nothing_is_left_of_a_process_that_dropped_nothing() {
    nothing_is_left_after("exit");
}

#[test]
fn nothing_is_left_of_a_process_that_was_killed() {
    nothing_is_left_after("killed");
}
