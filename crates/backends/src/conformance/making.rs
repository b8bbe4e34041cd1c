//! Tasks, sessions, outcomes and records for the suite.

use std::sync::Arc;
use std::time::Duration;

use protocol::{
    Attempt, Cause, Ending, ExecutionId, ExecutionRecord, Failure, Lease, OperationName, Outcome, Session,
    SessionId, Task, TaskId, Value, WorkerType,
};
use uuid::Uuid;

use crate::broker::{Delivery, News, Settled, TaskConsumer, TaskProducer};
use crate::conformance::BrokerFixture;
use crate::store::Entry;

/// How long to watch for something that must not happen.
const NOTHING: Duration = Duration::from_millis(150);

/// One execution, its worker type and the two sides of its broker.
pub(super) struct Scene {
    pub(super) fixture: Arc<dyn BrokerFixture>,
    pub(super) execution: ExecutionId,
    pub(super) worker_type: WorkerType,
    pub(super) producer: Arc<dyn TaskProducer>,
}

impl Scene {
    pub(super) async fn new(fixture: Arc<dyn BrokerFixture>) -> Self {
        let execution = fresh_execution();
        let worker_type = WorkerType::new(execution.as_str()).expect("it follows the grammar of names");
        let producer = fixture.producer(execution.clone()).await;
        Self { fixture, execution, worker_type, producer }
    }

    pub(super) async fn worker(&self) -> Worker {
        self.worker_of(vec![self.worker_type.clone()]).await
    }

    pub(super) async fn worker_of(&self, worker_types: Vec<WorkerType>) -> Worker {
        let session = session(worker_types);
        let id = session.id;
        Worker {
            session: id,
            consumer: self.fixture.consumer(session).await,
            patience: self.fixture.patience(),
        }
    }

    pub(super) fn task(&self, number: u32) -> Task {
        task(number).on(self.worker_type.clone())
    }

    /// Publishes the tasks with these numbers; their ids.
    pub(super) async fn publish(&self, numbers: std::ops::Range<u32>) -> Vec<TaskId> {
        let tasks: Vec<_> = numbers.map(|number| Arc::new(self.task(number))).collect();
        let ids = tasks.iter().map(|task| task.id).collect();
        self.producer.publish(tasks).await.expect("the broker is open");
        ids
    }

    /// Waits for news.
    #[track_caller]
    pub(super) fn news(&self) -> impl Future<Output = News> + '_ {
        let patience = self.fixture.patience();
        async move {
            let news = tokio::time::timeout(patience, self.producer.news()).await;
            news.expect("there is news in time").expect("the broker is open")
        }
    }

    /// Waits for so many outcomes and acknowledges them.
    pub(super) async fn outcomes(&self, count: usize) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while outcomes.len() < count {
            let news = self.news().await;
            outcomes.extend(news.outcomes);
            self.producer.acknowledge(news.receipt).await.expect("the broker is open");
        }
        assert_eq!(outcomes.len(), count, "no outcome comes twice by itself");
        outcomes
    }

    /// Sees that no outcome comes.
    pub(super) async fn no_outcome(&self) {
        let heard = tokio::time::timeout(NOTHING, async {
            loop {
                let news = self.producer.news().await.expect("the broker is open");
                assert!(news.outcomes.is_empty(), "{:?}", news.outcomes);
            }
        });
        assert!(heard.await.is_err());
    }
}

/// A worker's side and what it says of itself.
pub(super) struct Worker {
    pub(super) session: SessionId,
    pub(super) consumer: Arc<dyn TaskConsumer>,
    patience: Duration,
}

impl Worker {
    /// Waits for a task.
    pub(super) async fn lease(&self) -> Delivery {
        let delivery = tokio::time::timeout(self.patience, self.consumer.lease()).await;
        delivery.expect("a task comes in time").expect("the broker works").expect("the broker is open")
    }

    /// Sees that no task comes.
    pub(super) async fn leases_nothing(&self) {
        if let Ok(delivery) = tokio::time::timeout(NOTHING, self.consumer.lease()).await {
            panic!("leased {delivery:?}");
        }
    }

    pub(super) async fn complete(&self, lease: Lease) -> Settled {
        let outcome = succeeded(lease, self.session);
        self.consumer.complete(lease, outcome).await.expect("the broker is open")
    }

    pub(super) async fn retry(&self, lease: Lease, cause: Cause, after: Duration) -> Settled {
        let failed = attempt(lease, cause);
        self.consumer.retry(lease, failed, after).await.expect("the broker is open")
    }

    pub(super) async fn decline(&self, lease: Lease, after: Duration) -> Settled {
        let declined = self.consumer.decline(lease, "node-1", "no time for it".to_owned(), after);
        declined.await.expect("the broker is open")
    }
}

pub(super) fn fresh_execution() -> ExecutionId {
    format!("c-{}", Uuid::new_v4().simple()).parse().expect("it follows the grammar of ids")
}

pub(super) fn session(worker_types: Vec<WorkerType>) -> Session {
    Session {
        id: SessionId::from_uuid(Uuid::new_v4()),
        node: "node-1".into(),
        pid: std::process::id(),
        worker_types,
        concurrency: 4,
        lease: Duration::from_secs(2),
    }
}

pub(super) fn task(number: u32) -> Task {
    let operation = OperationName::new("conform").expect("it follows the grammar of names");
    let arguments = Value::encode(&serde_json::json!({ "number": number })).expect("JSON can be encoded");
    Task::new(operation, "1.0.0".parse().expect("a version"), arguments)
}

pub(super) fn succeeded(lease: Lease, session: SessionId) -> Outcome {
    Outcome {
        ending: Ending::Succeeded(Value::encode("done").expect("text can be encoded")),
        attempt: lease.token.attempt,
        session: Some(session),
        started_at_us: 1_790_000_000_000_000,
        duration: Duration::from_micros(1_500),
        ..Outcome::cancelled(lease.task)
    }
}

pub(super) fn attempt(lease: Lease, cause: Cause) -> Attempt {
    Attempt {
        number: lease.token.attempt,
        session: lease.token.session,
        node: "node-1".into(),
        started_at_us: 1_790_000_000_000_000,
        duration: Duration::from_millis(3),
        failure: Failure::new(cause, format!("attempt {} failed", lease.token.attempt)),
    }
}

/// How task `number` ended, recorded under that number with its result.
pub(super) fn entry(number: u32, result: &str) -> Entry {
    let task = task(number);
    let outcome = Outcome {
        ending: Ending::Succeeded(Value::encode(result).expect("text can be encoded")),
        attempt: 1,
        session: Some(SessionId::from_uuid(Uuid::from_u128(9))),
        started_at_us: 1_790_000_000_000_000 + u64::from(number),
        duration: Duration::from_micros(number.into()),
        ..Outcome::cancelled(task.id)
    };
    Entry { task: Arc::new(task), outcome: Arc::new(outcome) }
}

/// The same for a task that failed for good, with evidence.
pub(super) fn dead_entry(number: u32) -> Entry {
    let Entry { task, outcome } = entry(number, "");
    let mut outcome = Arc::unwrap_or_clone(outcome);
    let failure =
        Failure::new(Cause::Permanent, "no such file").caused_by("os error 2").with_tail("last words");
    let token = protocol::Token { attempt: 1, session: SessionId::from_uuid(Uuid::from_u128(9)) };
    outcome.attempt = 2;
    outcome.failed_attempts = vec![attempt(Lease { task: task.id, token }, Cause::Transient)];
    outcome.ending = Ending::Failed(failure);
    Entry { task, outcome: Arc::new(outcome) }
}

pub(super) fn record(id: ExecutionId) -> ExecutionRecord {
    let variables = [("scale".to_owned(), serde_json::json!(0.1 + 0.2))].into();
    let record = ExecutionRecord::new(id, "spec.json", r#"{"@type": "echo"}"#, 1_790_000_000_000_000);
    ExecutionRecord { variables, ..record }
}
