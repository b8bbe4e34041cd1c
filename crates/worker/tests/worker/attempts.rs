//! What an operation does decides how its task ends.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::support::{Act, Bench, act, echo, limited, task};
use protocol::{Cause, DurationText, RetryPolicy};
use serde_json::json;

#[tokio::test]
async fn a_value_ends_the_task() {
    let bench = Bench::new();
    let outcome = bench.outcome_of(echo(7)).await;
    assert_eq!(outcome.value().unwrap().to_json().unwrap(), json!(7));
    assert_eq!((outcome.task, outcome.attempt, outcome.failed_attempts.len()), (echo(7).id, 1, 0));
    assert!(outcome.started_at_us > 1_700_000_000_000_000 && outcome.duration < Duration::from_secs(5));
}

#[tokio::test]
async fn a_permanent_failure_is_final_and_carries_the_last_lines() {
    let outcome = Bench::new().outcome_of(act(&Act::Fail(150))).await;
    let failure = outcome.failure().unwrap();
    assert_eq!((failure.cause, &*failure.summary()), (Cause::Permanent, "wrong from the start"));
    let lines: Vec<&str> = failure.tail.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[99]), (100, "line 50", "line 149"));
    assert_eq!((outcome.attempt, outcome.failed_attempts.len()), (1, 1));
}

#[tokio::test]
async fn a_transient_failure_is_tried_again() {
    let outcome = Bench::new().outcome_of(act(&Act::FailUpTo(2))).await;
    assert_eq!(outcome.value().unwrap().decode::<u32>().unwrap(), 3);
    let numbers: Vec<u32> = outcome.failed_attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!((outcome.attempt, numbers), (3, vec![1, 2]));
    assert_eq!(outcome.failed_attempts[0].failure.summary(), "not yet");
}

#[tokio::test]
async fn a_spent_budget_makes_the_task_dead() {
    let outcome = Bench::new().outcome_of(act(&Act::FailUpTo(100))).await;
    assert_eq!(outcome.failure().unwrap().cause, Cause::Transient);
    assert_eq!((outcome.attempt, outcome.failed_attempts.len()), (5, 5));
}

#[tokio::test]
async fn without_a_policy_of_its_own_a_task_has_the_workers() {
    let mut bench = Bench::new();
    bench.config.retry = RetryPolicy::never();
    let mut task = act(&Act::FailUpTo(100));
    task.retry = None;
    assert_eq!(bench.outcome_of(task).await.attempt, 1);
}

#[tokio::test]
async fn a_panic_is_a_failure_with_its_place() {
    for (panicking, message) in [(Act::Panic, "act panicked"), (Act::PanicBlocking, "blocking act panicked")]
    {
        let outcome = Bench::new().outcome_of(act(&panicking)).await;
        let failure = outcome.failure().unwrap();
        assert_eq!(failure.cause, Cause::Permanent);
        assert_eq!(failure.summary(), format!("the operation panicked: {message}"));
        let place = failure.backtrace.as_deref().unwrap();
        assert!(place.contains("tests/worker/support.rs:"), "{place}");
    }
}

#[tokio::test]
async fn wrong_arguments_are_a_failure_for_good() {
    let outcome = Bench::new().outcome_of(task("sleep", "1.0.0", &json!({"duration": "soon"}))).await;
    let failure = outcome.failure().unwrap();
    assert_eq!(failure.cause, Cause::Permanent);
    assert!(failure.summary().contains("\"soon\" is not a duration"), "{}", failure.summary());
}

#[tokio::test]
async fn an_unknown_operation_is_told_with_what_there_is() {
    for (name, version, hint) in [
        (
            "ekho",
            "1.0.0",
            "this worker has no operation ekho@1.0.0; did you mean echo?: it has command@1.0.0, echo@1.0.0, end@1.0.0, perform@1.2.0, sleep@1.0.0",
        ),
        ("echo", "9.0.0", "this worker has operation echo in version 1.0.0, not 9.0.0"),
    ] {
        let outcome = Bench::new().outcome_of(task(name, version, &json!({}))).await;
        let failure = outcome.failure().unwrap();
        assert_eq!(failure.cause, Cause::Permanent);
        assert!(failure.summary().starts_with(hint), "{}", failure.summary());
    }
}

#[tokio::test]
async fn the_runtime_limit_stops_what_heeds_it_and_abandons_what_does_not() {
    let hour = json!({"duration": "1h"});
    for (task, end) in [
        (task("sleep", "1.0.0", &hour), "stopped before the time was over"),
        (act(&Act::BlockUntilCancelled), "told to stop"),
        (act(&Act::Wait), "was abandoned"),
        (act(&Act::Block), "was abandoned"),
    ] {
        let mut bench = Bench::new();
        if end != "was abandoned" {
            bench.config.stop_grace = DurationText(Duration::from_secs(30));
        }
        let outcome = bench.outcome_of(limited(task, 50)).await;
        bench.stage.is_over.store(true, Ordering::SeqCst);
        let failure = outcome.failure().unwrap();
        assert_eq!(failure.cause, Cause::Timeout, "{end}");
        let summary = failure.summary();
        assert!(summary.starts_with("took longer than its runtime limit of 50ms: "), "{summary}");
        assert!(summary.ends_with(end), "{summary}");
        assert!(outcome.duration >= Duration::from_millis(50));
    }
}

#[tokio::test]
async fn the_runtime_limit_ends_a_command_and_all_it_has_started() {
    let mut bench = Bench::new();
    bench.config.stop_grace = DurationText(Duration::from_secs(30));
    let start = Instant::now();
    let argv = json!({"argv": ["sh", "-c", "sleep 1000 & echo working; wait"]});
    let outcome = bench.outcome_of(limited(task("command", "1.0.0", &argv), 3_000)).await;
    let failure = outcome.failure().unwrap();
    assert_eq!((failure.cause, failure.signal, &*failure.tail), (Cause::Timeout, Some(15), "working\n"));
    assert!(start.elapsed() < Duration::from_secs(20), "it was not waited for: {:?}", start.elapsed());
}

#[tokio::test]
async fn a_task_within_its_limit_is_left_alone() {
    let outcome =
        Bench::new().outcome_of(limited(task("sleep", "1.0.0", &json!({"duration": "20ms"})), 60_000)).await;
    assert!(outcome.value().is_some());
}

#[tokio::test]
async fn large_output_is_kept_with_the_result() {
    let bench = Bench::new();
    let argv = json!({"argv": ["head", "-c", "100000", "/dev/zero"]});
    let outcome = bench.outcome_of(task("command", "1.0.0", &argv)).await;
    let value = outcome.value().unwrap().to_json().unwrap();
    assert_eq!(value["stdout_file"]["bytes"], 100_000);
    let kept: Vec<u64> = walk(bench.kept.path());
    assert_eq!(kept, [100_000], "{value}");
}

/// Sizes of all files below a directory.
fn walk(directory: &std::path::Path) -> Vec<u64> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    let sizes = entries.flat_map(|entry| match entry.metadata().unwrap() {
        found if found.is_dir() => walk(&entry.path()),
        found => vec![found.len()],
    });
    sizes.collect()
}
