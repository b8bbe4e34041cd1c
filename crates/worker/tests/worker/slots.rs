//! Slots: how many tasks run at once, and how a worker ends.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::support::{Act, Bench, DEADLINE, Perform, Stage, act, echo, session};
use backends::broker::TaskProducer;
use otaman::{Need, OperationEntry, Registry, Resources};
use protocol::DurationText;
use tokio_util::sync::CancellationToken;
use worker::{Config, Report, run};

/// A task of its own that waits for the gate.
fn waiting(number: u32) -> protocol::Task {
    act(&Act::Wait).with_key(&format!("waiting-{number}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_one_of_many_tasks_has_one_outcome() {
    const TASKS: u64 = 50_000;
    let mut bench = Bench::new();
    bench.config.concurrency = 4;
    let running = bench.start();
    bench.publish((0..TASKS).map(echo)).await;
    let outcomes = bench.outcomes(TASKS as usize).await;
    let values: HashSet<u64> =
        outcomes.iter().map(|outcome| outcome.value().unwrap().decode().unwrap()).collect();
    assert_eq!((outcomes.len() as u64, values.len() as u64), (TASKS, TASKS));
    assert_eq!(running.end().await, Report { succeeded: TASKS, ..Report::default() });
}

#[tokio::test]
async fn as_many_tasks_run_at_once_as_there_are_slots() {
    let mut bench = Bench::new();
    bench.config.concurrency = 3;
    let running = bench.start();
    bench.publish((0..5).map(waiting)).await;
    bench.until_waiting(3).await;
    bench.stage.gate.add_permits(5);
    assert_eq!(bench.outcomes(5).await.len(), 5);
    assert_eq!(bench.stage.most_waiting.load(Ordering::SeqCst), 3);
    assert_eq!(running.end().await.succeeded, 5);
}

#[tokio::test]
async fn a_stopped_worker_finishes_what_runs_and_takes_nothing_more() {
    let bench = Bench::new();
    let running = bench.start();
    bench.publish((0..2).map(waiting)).await;
    bench.until_waiting(2).await;
    running.stop.cancel();
    bench.publish([echo(1)]).await;
    bench.stage.gate.add_permits(2);
    assert_eq!(running.ended().await, Report { succeeded: 2, ..Report::default() });
    assert_eq!(bench.outcomes(2).await.len(), 2);
    assert_eq!(bench.producer.withdraw().await.unwrap(), [echo(1).id], "it is still in its queue");
}

#[tokio::test]
async fn an_idle_worker_stops_at_once() {
    let bench = Bench::new();
    let running = bench.start();
    bench.publish([echo(1)]).await;
    bench.outcomes(1).await;
    let start = std::time::Instant::now();
    running.end().await;
    assert!(start.elapsed() < Duration::from_secs(5), "the drain time-out is not waited for");
}

#[tokio::test]
async fn what_outlasts_the_drain_goes_to_another_worker_at_no_cost() {
    let mut bench = Bench::new();
    bench.config.drain_timeout = DurationText(Duration::from_millis(20));
    let leaving = bench.start();
    let mut task = waiting(0);
    task.retry = Some(Box::new(protocol::RetryPolicy::never()));
    bench.publish([task]).await;
    bench.until_waiting(1).await;
    assert_eq!(leaving.end().await, Report { preempted: 1, ..Report::default() });

    let staying = bench.start();
    bench.until_waiting(1).await;
    bench.stage.gate.add_permits(1);
    let outcome = bench.outcomes(1).await.remove(0);
    assert_eq!(outcome.value().unwrap().decode::<u32>().unwrap(), 2, "the second attempt");
    let failure = &outcome.failed_attempts[0].failure;
    assert!(failure.summary().starts_with("stopped because the worker is leaving"), "{}", failure.summary());
    assert_eq!(staying.end().await.succeeded, 1);
}

#[tokio::test]
async fn a_closed_broker_ends_the_worker() {
    let bench = Bench::new();
    let running = bench.start();
    bench.publish([echo(1)]).await;
    bench.outcomes(1).await;
    bench.broker.close();
    assert_eq!(running.ended().await.succeeded, 1);
}

async fn refused(config: Config, resources: Resources) -> String {
    let bench = Bench::new();
    let session = session();
    let consumer = Arc::new(bench.broker.consumer(session.clone(), std::env::temp_dir()));
    let needs: &'static [Need] = const { &[Need::of::<Arc<Stage>>()] };
    let registry =
        Registry::builder().operation_entry(OperationEntry::with_needs::<Perform>(needs)).build().unwrap();
    let running =
        run(config, Arc::new(registry), Arc::new(resources), consumer, session, CancellationToken::new());
    let result = tokio::time::timeout(DEADLINE, running).await.expect("the worker does not start");
    result.unwrap_err().to_string()
}

#[tokio::test]
async fn a_worker_that_cannot_work_does_not_start() {
    let missing = refused(Config::default(), Resources::new()).await;
    assert!(missing.contains("operation perform@1.2.0 needs ") && missing.contains("Stage"), "{missing}");
    let stage = Arc::new(Stage::default());
    let idle = refused(Config { concurrency: 0, ..Config::default() }, Resources::new().with(stage)).await;
    assert!(idle.contains("at least 1"), "{idle}");
}
