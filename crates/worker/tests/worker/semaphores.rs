//! Semaphores: who runs while others do, and what the wait means for an attempt.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::support::{Act, Bench, DEADLINE, act, limited, session, task};
use backends::broker::TaskProducer;
use protocol::{Cause, Task};
use serde_json::json;
use tokio_util::sync::CancellationToken;

fn holding(mut task: Task, semaphores: &[&str]) -> Task {
    task.semaphores = semaphores.iter().map(|name| name.parse().unwrap()).collect();
    task
}

/// Acts that wait for the gate, each a task of its own with these semaphores.
fn waiting(count: u32, semaphores: &[&str]) -> Vec<Task> {
    let task = |number| act(&Act::Wait).with_key(&format!("{semaphores:?} {number}"));
    (0..count).map(|number| holding(task(number), semaphores)).collect()
}

/// Waits until so many wait for a place in a semaphore.
async fn until_queued(bench: &Bench, name: &str, count: usize) {
    let line = bench.kept.path().join(format!("semaphores/{name}.semaphore/line"));
    let queued = async {
        while std::fs::read_dir(&line).map_or(0, Iterator::count) != count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, queued).await.expect("they wait");
}

#[tokio::test]
async fn tasks_of_one_semaphore_run_one_after_the_other_and_others_beside_them() {
    let mut bench = Bench::new();
    bench.config.concurrency = 4;
    let running = bench.start();
    bench.publish(waiting(3, &["cuda"])).await;
    until_queued(&bench, "cuda", 2).await;
    assert_eq!(bench.stage.waiting.load(Ordering::SeqCst), 1);
    bench.publish(waiting(1, &["read"])).await;
    bench.until_waiting(2).await;
    bench.stage.gate.add_permits(4);
    assert!(bench.outcomes(4).await.iter().all(|outcome| outcome.value().is_some()));
    assert_eq!(bench.stage.most_waiting.load(Ordering::SeqCst), 2);
    assert_eq!(running.end().await.succeeded, 4);
}

#[tokio::test]
async fn a_task_that_waits_for_a_semaphore_lends_its_place() {
    let mut bench = Bench::new();
    bench.config.concurrency = 2;
    let running = bench.start();
    bench.publish(waiting(2, &["cuda"])).await;
    until_queued(&bench, "cuda", 1).await;
    bench.publish(waiting(2, &[])).await;
    // The holder, and one in the place of the other.
    bench.until_waiting(2).await;
    bench.stage.gate.add_permits(4);
    assert!(bench.outcomes(4).await.iter().all(|outcome| outcome.value().is_some()));
    assert_eq!(bench.stage.most_waiting.load(Ordering::SeqCst), 2);
    assert_eq!(running.end().await.succeeded, 4);
}

/// Holds a place as another process of the machine does.
fn hold(bench: &Bench, name: &str) -> std::fs::File {
    let directory = bench.kept.path().join(format!("semaphores/{name}.semaphore"));
    std::fs::create_dir_all(&directory).unwrap();
    let slot = std::fs::File::create(directory.join("slot-0")).unwrap();
    slot.lock().unwrap();
    slot
}

#[tokio::test]
async fn who_has_waited_begins_at_once_and_more_begin_only_when_there_is_a_place_again() {
    let mut bench = Bench::new();
    bench.config.concurrency = 1;
    let held = hold(&bench, "cuda");
    let running = bench.start();
    bench.publish(waiting(1, &["cuda"])).await;
    until_queued(&bench, "cuda", 1).await;
    bench.publish(waiting(3, &[])).await;
    bench.until_waiting(1).await;
    held.unlock().unwrap();
    drop(held);
    bench.until_waiting(2).await;
    bench.stage.gate.add_permits(1);
    bench.outcomes(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(bench.stage.waiting.load(Ordering::SeqCst), 1, "there is one place");
    bench.stage.gate.add_permits(3);
    bench.outcomes(3).await;
    assert_eq!(bench.stage.most_waiting.load(Ordering::SeqCst), 2);
    assert_eq!(running.end().await.succeeded, 4);
}

#[tokio::test]
async fn no_more_tasks_wait_for_a_semaphore_than_twice_the_places() {
    let mut bench = Bench::new();
    bench.config.concurrency = 2;
    let held = hold(&bench, "cuda");
    let running = bench.start();
    bench.publish(waiting(9, &["cuda"])).await;
    until_queued(&bench, "cuda", 4).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    until_queued(&bench, "cuda", 4).await;
    held.unlock().unwrap();
    drop(held);
    bench.stage.gate.add_permits(9);
    bench.outcomes(9).await;
    assert_eq!(bench.stage.most_waiting.load(Ordering::SeqCst), 1);
    assert_eq!(running.end().await.succeeded, 9);
}

#[tokio::test]
async fn tasks_that_name_several_in_different_orders_do_not_wait_for_each_other() {
    let mut bench = Bench::new();
    bench.config.concurrency = 4;
    let running = bench.start();
    bench.stage.gate.add_permits(20);
    bench
        .publish(waiting(10, &["cuda", "read"]).into_iter().chain(waiting(10, &["read", "cuda", "read"])))
        .await;
    assert!(bench.outcomes(20).await.iter().all(|outcome| outcome.value().is_some()));
    assert_eq!(running.end().await.succeeded, 20);
}

#[tokio::test]
async fn waiting_for_the_tasks_semaphores_does_not_count_against_its_limit() {
    const LIMIT_MS: u64 = 100;
    let bench = Bench::new();
    let running = bench.start();
    bench.publish(waiting(1, &["cuda"])).await;
    bench.until_waiting(1).await;
    let quick = task("sleep", "1.0.0", &json!({"duration": "1ms"}));
    bench.publish([holding(limited(quick, LIMIT_MS), &["cuda"])]).await;
    until_queued(&bench, "cuda", 1).await;
    tokio::time::sleep(Duration::from_millis(2 * LIMIT_MS)).await;
    bench.stage.gate.add_permits(1);
    let outcomes = bench.outcomes(2).await;
    assert!(outcomes.iter().all(|outcome| outcome.value().is_some()), "{outcomes:?}");
    assert!(outcomes[1].duration < Duration::from_millis(LIMIT_MS), "{:?}", outcomes[1].duration);
    running.end().await;
}

#[tokio::test]
async fn a_worker_that_leaves_hands_back_what_still_waits_for_a_semaphore() {
    let bench = Bench::new();
    let running = bench.start();
    bench.publish(waiting(1, &["cuda"])).await;
    bench.until_waiting(1).await;
    let waits = holding(act(&Act::Fail(0)), &["cuda"]);
    bench.publish([waits.clone()]).await;
    until_queued(&bench, "cuda", 1).await;
    running.stop.cancel();
    // At once, though the one that runs may go on for its drain time-out.
    until_queued(&bench, "cuda", 0).await;
    bench.stage.gate.add_permits(1);
    let report = running.ended().await;
    assert_eq!((report.succeeded, report.preempted, report.failed), (1, 1, 0));
    assert_eq!(bench.outcomes(1).await.len(), 1);
    assert_eq!(bench.producer.withdraw().await.unwrap(), [waits.id], "it is in its queue again");
}

#[tokio::test]
async fn operations_take_places_by_themselves_in_asynchronous_and_blocking_code() {
    let mut bench = Bench::new();
    bench.config.concurrency = 4;
    bench.config.semaphores = vec!["disk=2".parse().unwrap()];
    let running = bench.start();
    let blocking = act(&Act::HoldBlocking("disk".to_owned()));
    bench.publish([blocking.clone().with_key("1"), blocking.with_key("2")]).await;
    bench.until_waiting(2).await;
    let asynchronous = act(&Act::Hold("disk".to_owned()));
    bench.publish([asynchronous.clone().with_key("3"), asynchronous.with_key("4")]).await;
    until_queued(&bench, "disk", 2).await;
    bench.stage.gate.add_permits(2);
    bench.stage.is_over.store(true, Ordering::SeqCst);
    assert!(bench.outcomes(4).await.iter().all(|outcome| outcome.value().is_some()));
    assert_eq!(bench.stage.most_waiting.load(Ordering::SeqCst), 2);
    running.end().await;
}

#[tokio::test]
async fn an_operation_that_is_told_to_stop_waits_no_longer() {
    let bench = Bench::new();
    let running = bench.start();
    bench.publish(waiting(1, &["cuda"])).await;
    bench.until_waiting(1).await;
    bench.publish([limited(act(&Act::Hold("cuda".to_owned())), 50)]).await;
    let failure = bench.outcomes(1).await.remove(0).failure().unwrap().clone();
    assert_eq!(failure.cause, Cause::Timeout);
    assert!(failure.summary().ends_with("told to stop while waiting for semaphore cuda"), "{failure:?}");
    until_queued(&bench, "cuda", 0).await;
    bench.stage.gate.add_permits(1);
    bench.outcomes(1).await;
    running.end().await;
}

#[tokio::test]
async fn what_keeps_a_thread_after_it_was_abandoned_keeps_its_place() {
    let bench = Bench::new();
    let running = bench.start();
    bench.publish([holding(limited(act(&Act::Block), 20), &["cuda"])]).await;
    let outcome = bench.outcomes(1).await.remove(0);
    assert!(outcome.failure().unwrap().summary().ends_with("was abandoned"));
    bench.publish(waiting(1, &["cuda"])).await;
    until_queued(&bench, "cuda", 1).await;
    assert_eq!(bench.stage.waiting.load(Ordering::SeqCst), 0, "the thread still works");
    bench.stage.is_over.store(true, Ordering::SeqCst);
    bench.until_waiting(1).await;
    bench.stage.gate.add_permits(1);
    bench.outcomes(1).await;
    running.end().await;
}

#[tokio::test]
async fn semaphores_that_cannot_be_had_are_failures_for_good() {
    let unknown = "unknown semaphore disc; this worker has cpu, cuda, read, tensorrt, write; \
                   give it a width with --semaphore disc=1";
    let hold = |name: &str| act(&Act::Hold(name.to_owned()));
    for (task, end) in [
        (hold("disc"), unknown),
        (holding(act(&Act::Wait), &["disc"]), unknown),
        (holding(hold("cuda"), &["cuda"]), "take it in one of the two ways"),
        (hold("a/b"), "must be 1 to 128 characters out of A-Z a-z 0-9 _ . -"),
    ] {
        let outcome = Bench::new().outcome_of(task).await;
        let failure = outcome.failure().unwrap();
        assert_eq!((failure.cause, outcome.attempt), (Cause::Permanent, 1));
        assert!(failure.summary().ends_with(end), "{}", failure.summary());
    }
}

#[tokio::test]
async fn a_worker_with_another_width_does_not_start_while_one_works() {
    let mut bench = Bench::new();
    bench.config.semaphores = vec!["read=8".parse().unwrap()];
    let running = bench.start();
    bench.publish([holding(act(&Act::Wait), &["read"])]).await;
    bench.until_waiting(1).await;
    let mut config = bench.config.clone();
    config.semaphores = vec!["read=4".parse().unwrap()];
    let session = session();
    let consumer = Arc::new(bench.broker.consumer(session.clone(), bench.kept.path().into()));
    let (registry, resources) = (crate::support::registry(), crate::support::resources(&bench.stage));
    let stop = CancellationToken::new();
    let refused = worker::run(config, registry.into(), resources.into(), consumer, session, stop).await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("has width 8") && error.contains("width 4 here"), "{error}");
    bench.stage.gate.add_permits(1);
    bench.outcomes(1).await;
    running.end().await;
}
