//! Reports under way do not keep a slot from its next task.

use std::sync::Arc;
use std::time::Duration;

use protocol::DurationText;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use worker::{Config, Error, Report};

use crate::scripted::{Answer, Scripted};
use crate::support::{Act, DEADLINE, Stage, act, echo, registry, resources, session};

/// A worker at a scripted broker.
struct Bench {
    broker: Arc<Scripted>,
    stage: Arc<Stage>,
    stop: CancellationToken,
    result: JoinHandle<Result<Report, Error>>,
}

impl Bench {
    /// With one slot.
    fn start(broker: Scripted) -> Self {
        Self::with_slots(1, broker)
    }

    fn with_slots(concurrency: usize, broker: Scripted) -> Self {
        let (broker, stage, stop) = (Arc::new(broker), Arc::<Stage>::default(), CancellationToken::new());
        let config = Config {
            concurrency,
            drain_timeout: DurationText(DEADLINE),
            stop_grace: DurationText(Duration::from_millis(100)),
            ..Config::default()
        };
        let running = worker::run(
            config,
            Arc::new(registry()),
            Arc::new(resources(&stage)),
            Arc::clone(&broker) as _,
            session(),
            stop.clone(),
        );
        Self { broker, stage, stop, result: tokio::spawn(running) }
    }

    /// What the worker ends with, once stopped.
    async fn end(self) -> Result<Report, Error> {
        self.stop.cancel();
        self.ended().await
    }

    async fn ended(self) -> Result<Report, Error> {
        tokio::time::timeout(DEADLINE, self.result).await.expect("the worker ends").unwrap()
    }
}

#[tokio::test]
async fn a_slot_takes_the_next_task_while_its_reports_are_under_way() {
    let bench = Bench::start(Scripted::new((0..10).map(echo)));
    bench.broker.until_reported(10).await;
    assert_eq!(bench.broker.answered(), 0);
    // Answers may come in any order.
    for number in (0..10).rev() {
        bench.broker.answer(number, Answer::Accepted);
    }
    assert_eq!(bench.end().await.unwrap(), Report { succeeded: 10, ..Report::default() });
}

#[tokio::test]
async fn reports_are_made_in_the_order_of_the_tasks() {
    let bench = Bench::start(Scripted::new((0..10).map(echo)));
    bench.broker.until_reported(10).await;
    let wanted: Vec<_> = (0..10).map(|number| echo(number).id).collect();
    assert_eq!(bench.broker.reported(), wanted);
    bench.broker.answer_all(Answer::Accepted);
    assert_eq!(bench.end().await.unwrap().succeeded, 10);
}

#[tokio::test]
async fn retries_are_reported_beside_further_tasks_too() {
    let failing = (0..10).map(|number| act(&Act::FailUpTo(9)).with_key(&format!("failing-{number}")));
    let bench = Bench::start(Scripted::new(failing));
    bench.broker.until_reported(10).await;
    bench.broker.answer_all(Answer::Accepted);
    assert_eq!(bench.end().await.unwrap(), Report { retried: 10, ..Report::default() });
}

#[tokio::test]
async fn only_so_many_reports_are_under_way() {
    let bench = Bench::start(Scripted::new((0..300).map(echo)));
    bench.broker.until_reported(256).await;
    bench.broker.answer(7, Answer::Accepted);
    bench.broker.until_reported(257).await;
    assert_eq!(bench.broker.leased(), 257, "one was leased for one answer");
    bench.broker.answer_all(Answer::Accepted);
    bench.broker.until_reported(300).await;
    assert_eq!(bench.end().await.unwrap().succeeded, 300);
}

#[tokio::test]
async fn large_values_under_way_are_bounded_by_their_size() {
    let bench = Bench::start(Scripted::new((0..9).map(|number| {
        let megabytes = serde_json::json!({"value": [number, "x".repeat(3 * 1024 * 1024)]});
        crate::support::task("echo", "1.0.0", &megabytes)
    })));
    bench.broker.until_reported(3).await;
    bench.broker.answer(0, Answer::Accepted);
    bench.broker.until_reported(4).await;
    assert_eq!(bench.broker.leased(), 4, "three of them are over 8 MB");
    bench.broker.answer_all(Answer::Accepted);
    bench.broker.until_reported(9).await;
    assert_eq!(bench.end().await.unwrap().succeeded, 9);
}

#[tokio::test]
async fn a_stopped_worker_waits_until_all_is_reported() {
    let bench = Bench::start(Scripted::new((0..3).map(echo)));
    bench.broker.until_reported(3).await;
    bench.stop.cancel();
    bench.broker.until_nobody_leases().await;
    assert!(!bench.result.is_finished());
    bench.broker.answer_all(Answer::Accepted);
    assert_eq!(bench.ended().await.unwrap().succeeded, 3);
}

#[tokio::test]
async fn answers_count_while_another_task_runs() {
    let waiting = act(&Act::Wait);
    let bench = Bench::start(Scripted::new([echo(1), echo(2), waiting]));
    bench.stage.until_waiting(1).await;
    bench.broker.answer(0, Answer::Accepted);
    bench.broker.answer(1, Answer::Stale);
    bench.broker.until_answered(2).await;
    bench.stage.gate.add_permits(1);
    bench.broker.until_reported(3).await;
    bench.broker.answer_all(Answer::Accepted);
    assert_eq!(bench.end().await.unwrap(), Report { succeeded: 2, stale: 1, ..Report::default() });
}

#[tokio::test]
async fn a_report_that_fails_ends_the_worker_once_the_rest_is_reported() {
    let bench = Bench::start(Scripted::new((0..3).map(echo)));
    bench.broker.until_reported(3).await;
    bench.broker.answer(1, Answer::Fails);
    bench.broker.until_nobody_leases().await;
    assert!(!bench.result.is_finished());
    bench.broker.answer_all(Answer::Accepted);
    let error = bench.ended().await.unwrap_err();
    assert_eq!(error.to_string(), "the broker failed while reporting a task");
}

#[tokio::test]
async fn a_panic_of_the_worker_itself_ends_it_and_lets_running_tasks_finish() {
    let bench = Bench::with_slots(2, Scripted::new([act(&Act::Wait), echo(1)]));
    bench.broker.until_reported(1).await;
    bench.broker.answer(0, Answer::Panics);
    bench.broker.until_nobody_leases().await;
    assert!(!bench.result.is_finished());
    bench.broker.answer_all(Answer::Accepted);
    bench.stage.gate.add_permits(1);
    bench.broker.until_reported(2).await;
    let error = bench.ended().await.unwrap_err();
    let wanted = "a part of the worker panicked, which is a fault of this program: of all tasks, this one";
    assert_eq!(error.to_string(), wanted);
}

#[tokio::test]
async fn a_lost_session_is_told_apart_and_stops_running_tasks_at_once() {
    let broker = Arc::new(Scripted::new([act(&Act::Wait)]));
    broker.lose_session_after(1);
    let stage = Arc::<Stage>::default();
    let config = Config {
        concurrency: 2,
        // The test would not wait for it.
        drain_timeout: DurationText(10 * DEADLINE),
        stop_grace: DurationText(Duration::from_millis(10)),
        ..Config::default()
    };
    let (registry, resources) = (Arc::new(registry()), Arc::new(resources(&stage)));
    let stop = CancellationToken::new();
    let running =
        tokio::spawn(worker::run(config, registry, resources, Arc::clone(&broker) as _, session(), stop));
    broker.until_reported(1).await;
    broker.answer(0, Answer::Stale);
    let result = tokio::time::timeout(DEADLINE, running).await.expect("the worker ends").unwrap();
    assert!(matches!(result, Err(Error::SessionLost)), "{result:?}");
}
