//! The broker in memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use backends::broker::{Error, TaskConsumer, TaskProducer};
use backends::conformance::{self, BrokerFixture};
use backends::embedded::EmbeddedBroker;
use futures::future::BoxFuture;
use protocol::{ExecutionId, OperationName, Outcome, Session, SessionId, Task, Value};

struct Fixture {
    broker: EmbeddedBroker,
    files: tempfile::TempDir,
}

impl BrokerFixture for Fixture {
    fn producer(&self, execution: ExecutionId) -> BoxFuture<'_, Arc<dyn TaskProducer>> {
        Box::pin(async { Arc::new(self.broker.producer(execution)) as Arc<dyn TaskProducer> })
    }

    fn consumer(&self, session: Session) -> BoxFuture<'_, Arc<dyn TaskConsumer>> {
        let kept = self.files.path().join("kept");
        Box::pin(async { Arc::new(self.broker.consumer(session, kept)) as Arc<dyn TaskConsumer> })
    }

    fn kill(&self, consumer: Arc<dyn TaskConsumer>) -> BoxFuture<'_, ()> {
        // A part of a process ends by being dropped.
        Box::pin(async { drop(consumer) })
    }

    fn files(&self) -> PathBuf {
        self.files.path().to_owned()
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }
}

fn fixture() -> Arc<dyn BrokerFixture> {
    Arc::new(Fixture { broker: EmbeddedBroker::new(), files: tempfile::tempdir().unwrap() })
}

#[tokio::test]
async fn tasks_are_handed_out_as_promised() {
    conformance::run(fixture(), conformance::HANDING_OUT).await;
}

#[tokio::test]
async fn attempts_are_retried_as_promised() {
    conformance::run(fixture(), conformance::RETRIES).await;
}

#[tokio::test]
async fn losses_are_survived_as_promised() {
    conformance::run(fixture(), conformance::LOSSES).await;
}

#[tokio::test]
async fn news_travels_as_promised() {
    conformance::run(fixture(), conformance::NEWS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_keeps_its_promises_on_several_threads() {
    let fixture = fixture();
    conformance::run(Arc::clone(&fixture), conformance::HANDING_OUT).await;
    conformance::run(Arc::clone(&fixture), conformance::RETRIES).await;
    conformance::run(fixture, conformance::NEWS).await;
}

fn session() -> Session {
    Session {
        id: SessionId::from_uuid(uuid::Uuid::new_v4()),
        node: "node-1".into(),
        pid: 1,
        worker_types: Vec::new(),
        concurrency: 1,
        lease: Duration::from_secs(10),
    }
}

fn task(number: u32) -> Arc<Task> {
    let arguments = Value::encode(&number).unwrap();
    Arc::new(Task::new(OperationName::new("echo").unwrap(), semver::Version::new(1, 0, 0), arguments))
}

#[tokio::test]
async fn a_consumer_without_worker_types_takes_all() {
    let broker = EmbeddedBroker::new();
    let producer = broker.producer("all".parse().unwrap());
    let consumer = broker.consumer(session(), PathBuf::new());
    let types = ["cpu", "gpu", "disk"];
    let tasks = (0..30).map(|n| Arc::new((*task(n)).clone().on(types[n as usize % 3].parse().unwrap())));
    producer.publish(tasks.collect()).await.unwrap();
    let mut first_nine = Vec::new();
    for _ in 0..9 {
        first_nine.push(consumer.lease().await.unwrap().unwrap().task.worker_type.clone());
    }
    for name in types {
        assert_eq!(first_nine.iter().filter(|other| other.as_str() == name).count(), 3, "none starves");
    }
}

#[tokio::test]
async fn closing_sends_everybody_home_after_the_last_news() {
    let broker = EmbeddedBroker::new();
    let producer = broker.producer("closing".parse().unwrap());
    let consumer = broker.consumer(session(), PathBuf::new());
    producer.publish(vec![task(1)]).await.unwrap();
    let delivery = consumer.lease().await.unwrap().unwrap();
    let mut waiting = consumer.lease();
    assert!(futures::poll!(&mut waiting).is_pending());
    broker.close();
    assert!(waiting.await.unwrap().is_none());
    assert!(consumer.lease().await.unwrap().is_none());
    consumer.complete(delivery.lease, Outcome::cancelled(delivery.task.id)).await.unwrap();
    assert_eq!(producer.news().await.unwrap().outcomes.len(), 1);
    assert!(matches!(producer.news().await, Err(Error::Closed)));
    assert!(matches!(producer.publish(vec![task(2)]).await, Err(Error::Closed)));
    assert!(matches!(broker.producer("late".parse().unwrap()).news().await, Err(Error::Closed)));
}

#[tokio::test]
async fn outcomes_of_an_early_settled_wait_are_not_lost_by_closing() {
    let broker = EmbeddedBroker::new();
    let producer = broker.producer("waiting".parse().unwrap());
    let mut waiting = producer.news();
    assert!(futures::poll!(&mut waiting).is_pending());
    broker.close();
    assert!(matches!(waiting.await, Err(Error::Closed)), "closing wakes those who wait for news");
}

/// Many tasks, workers that come, go, fail and give up waiting: each task has one outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_task_is_lost_or_told_twice_in_a_crowd() {
    const TASKS: u32 = 20_000;
    let broker = EmbeddedBroker::new();
    let producer = broker.producer("crowd".parse().unwrap());
    let workers: Vec<_> = (0..6).map(|seed| tokio::spawn(unreliable_worker(broker.clone(), seed))).collect();
    let mut told = std::collections::HashSet::new();
    let mut published = 0;
    let all = async {
        while told.len() < TASKS as usize {
            if published < TASKS {
                producer.publish((published..published + 100).map(task).collect()).await.unwrap();
                published += 100;
            }
            let news = producer.news().await.unwrap();
            for outcome in news.outcomes {
                assert!(told.insert(outcome.task), "told twice");
            }
            producer.acknowledge(news.receipt).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(120), all).await.expect("no task is lost");
    broker.close();
    for worker in workers {
        worker.await.unwrap();
    }
}

async fn unreliable_worker(broker: EmbeddedBroker, seed: u32) {
    let mut random = seed;
    'life: loop {
        let consumer = broker.consumer(session(), PathBuf::new());
        loop {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if random >> 28 == 0 {
                // Loses patience at once, or is handed a task at the same moment.
                let mut waiting = consumer.lease();
                if futures::poll!(&mut waiting).is_pending() {
                    continue;
                }
                // Polled to its end and thrown away: leased, and lost with this consumer.
                continue 'life;
            }
            let Some(delivery) = consumer.lease().await.unwrap() else { return };
            let is_young = delivery.spent.lost + delivery.spent.transient < 2;
            match random >> 24 & 0xf {
                0 if is_young => continue 'life,
                1 if is_young => {
                    let failed = protocol::Attempt {
                        number: delivery.lease.token.attempt,
                        session: delivery.lease.token.session,
                        node: "node-1".into(),
                        started_at_us: 0,
                        duration: Duration::ZERO,
                        failure: protocol::Failure::new(protocol::Cause::Transient, "again"),
                    };
                    let delay = Duration::from_millis(u64::from(random % 3));
                    consumer.retry(delivery.lease, failed, delay).await.unwrap();
                }
                _ => {
                    let outcome = Outcome::cancelled(delivery.task.id);
                    consumer.complete(delivery.lease, outcome).await.unwrap();
                }
            }
        }
    }
}
