//! Pausing, cancelling, and stores that are away or belong to somebody else.

use std::sync::atomic::Ordering;

use coordinator::engine::{Conclusion, OnDead};
use coordinator::run::{self, Anew, Command};
use protocol::{Status, Value};

use super::world::{Running, until};

fn start(stages: &[u64]) -> Running {
    Running::start(stages, &[], Anew::All, OnDead::Stop)
}

#[tokio::test]
async fn a_paused_execution_publishes_nothing_until_it_is_told_to_go_on() {
    let running = start(&[2, 3]);
    until("the first stage", || running.broker.queued().len() == 2).await;
    running.tell(Command::Pause).await;
    let progress = running.progress.clone();
    until("the pause", || progress.borrow().is_paused).await;
    running.broker.end_all();
    until("the second stage", || progress.borrow().tally.counts().expanded == 5).await;
    let ticks = progress.borrow().elapsed;
    until("some time", || progress.borrow().elapsed > ticks + std::time::Duration::from_millis(200)).await;
    assert_eq!(*running.broker.queued(), []);
    running.tell(Command::Unpause).await;
    until("its tasks", || running.broker.queued().len() == 3).await;
    running.broker.end_all();
    let memory = running.memory.clone();
    let report = running.ended().await.unwrap();
    assert_eq!(report.conclusion, Conclusion::Succeeded(Value::null()));
    assert_eq!(memory.record.lock().unwrap().status, Status::Succeeded);
}

#[tokio::test]
async fn a_cancelled_execution_takes_back_what_nobody_has_and_says_that_it_has_ended() {
    let running = start(&[5]);
    until("the tasks", || running.broker.queued().len() == 5).await;
    running.tell(Command::Pause).await;
    running.tell(Command::Cancel).await;
    let (broker, memory) = (running.broker.clone(), running.memory.clone());
    let report = running.ended().await.unwrap();
    assert_eq!(report.conclusion, Conclusion::Cancelled);
    let counts = report.tally.counts();
    assert_eq!((counts.expanded, counts.cancelled), (5, 5));
    assert!(broker.has_ended.load(Ordering::Relaxed) && broker.queued().is_empty());
    assert_eq!(memory.record.lock().unwrap().status, Status::Cancelled);
}

#[tokio::test]
async fn a_store_that_cannot_show_progress_for_a_while_stops_nothing() {
    let running = start(&[2]);
    running.memory.is_away.store(true, Ordering::Relaxed);
    until("some misses", || running.memory.misses.load(Ordering::Relaxed) >= 2).await;
    running.memory.is_away.store(false, Ordering::Relaxed);
    running.broker.end_all();
    let report = running.ended().await.unwrap();
    assert_eq!(report.conclusion, Conclusion::Succeeded(Value::null()));
}

#[tokio::test]
async fn a_coordinator_whose_execution_was_taken_over_stops_and_ends_nothing() {
    let running = start(&[2]);
    until("the tasks", || running.broker.queued().len() == 2).await;
    running.memory.is_taken.store(true, Ordering::Relaxed);
    running.broker.end_all();
    let broker = running.broker.clone();
    let error = running.ended().await.unwrap_err();
    assert!(matches!(error, run::Error::TakenOver { .. }), "{error:?}");
    assert!(error.to_string().contains("process 7 on there"), "{error}");
    assert!(!broker.has_ended.load(Ordering::Relaxed));
}
