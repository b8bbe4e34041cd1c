//! The broker over RabbitMQ and Redis.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use backends::broker::{TaskConsumer, TaskProducer};
use backends::conformance::{self, BrokerFixture};
use backends::distributed::{Config, Distributed, RemoteConsumer};
use futures::future::BoxFuture;
use protocol::{ExecutionId, Session};
use tests::servers::{RabbitMq, Redis};

struct Fixture {
    backend: Distributed,
    /// The concrete consumers, by what the suite has of them.
    consumers: Mutex<HashMap<usize, Arc<RemoteConsumer>>>,
    files: tempfile::TempDir,
}

impl BrokerFixture for Fixture {
    fn producer(&self, execution: ExecutionId) -> BoxFuture<'_, Arc<dyn TaskProducer>> {
        Box::pin(async {
            let producer = self.backend.producer(execution, 1).await.expect("the servers run");
            producer as Arc<dyn TaskProducer>
        })
    }

    fn consumer(&self, session: Session) -> BoxFuture<'_, Arc<dyn TaskConsumer>> {
        Box::pin(async {
            let consumer = self.backend.consumer(session, None).await.expect("the servers run");
            self.consumers
                .lock()
                .unwrap()
                .insert(address(&(Arc::clone(&consumer) as _)), Arc::clone(&consumer));
            consumer as Arc<dyn TaskConsumer>
        })
    }

    fn kill(&self, consumer: Arc<dyn TaskConsumer>) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let consumer = self.consumers.lock().unwrap().remove(&address(&consumer));
            consumer.expect("the suite got it here").abandon();
        })
    }

    fn files(&self) -> PathBuf {
        self.files.path().to_owned()
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(40)
    }
}

fn address(consumer: &Arc<dyn TaskConsumer>) -> usize {
    Arc::as_ptr(consumer).cast::<()>() as usize
}

async fn fixture() -> Arc<dyn BrokerFixture> {
    // OTAMAN_LOG=backends=trace shows what happens.
    let filter = tracing_subscriber::EnvFilter::from_env("OTAMAN_LOG");
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    let (rabbit, redis) = (RabbitMq::shared(), Redis::shared());
    let mut config = Config::new(rabbit.url().parse().unwrap(), redis.url().parse().unwrap());
    // Every test has an installation of its own.
    config.prefix = format!("test-{}", uuid::Uuid::new_v4().simple());
    let backend = Distributed::connect(config).await.expect("the servers run");
    Arc::new(Fixture { backend, consumers: Mutex::default(), files: tempfile::tempdir().unwrap() })
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_handed_out_as_promised() {
    conformance::run(fixture().await, conformance::HANDING_OUT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_retried_as_promised() {
    conformance::run(fixture().await, conformance::RETRIES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn losses_are_survived_as_promised() {
    conformance::run(fixture().await, conformance::LOSSES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn news_travels_as_promised() {
    conformance::run(fixture().await, conformance::NEWS).await;
}
