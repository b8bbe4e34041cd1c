//! How many copies of a task there are: never none, and more than one only for a while.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use backends::broker::{Delivery, Settled, TaskConsumer, TaskProducer};
use backends::distributed::{Config, Distributed, RemoteConsumer, RemoteProducer};
use protocol::{
    Ending, ExecutionId, OperationName, Outcome, Session, SessionId, Task, TaskId, Value, WorkerType,
};
use tests::servers::{RabbitMq, Redis};
use tokio::time::timeout;

/// Longest that anything may take.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long to watch for something that must not happen.
const NOTHING: Duration = Duration::from_millis(700);

/// An installation of its own, with one execution and one worker type.
struct Scene {
    backend: Distributed,
    prefix: String,
    execution: ExecutionId,
}

impl Scene {
    async fn new(change: impl FnOnce(&mut Config)) -> Self {
        let (rabbit, redis) = (RabbitMq::shared(), Redis::shared());
        let mut config = Config::new(rabbit.url().parse().unwrap(), redis.url().parse().unwrap());
        let prefix = format!("test-{}", uuid::Uuid::new_v4().simple());
        config.prefix = prefix.clone();
        change(&mut config);
        let backend = Distributed::connect(config).await.expect("the servers run");
        Self { backend, prefix, execution: "copies".parse().unwrap() }
    }

    async fn producer(&self, incarnation: u32) -> Arc<RemoteProducer> {
        self.backend.producer(self.execution.clone(), incarnation).await.expect("the servers run")
    }

    async fn worker(&self, concurrency: u32) -> Arc<RemoteConsumer> {
        let session = Session {
            id: SessionId::from_uuid(uuid::Uuid::new_v4()),
            node: "here".into(),
            pid: 1,
            worker_types: vec![WorkerType::default()],
            concurrency,
            lease: Duration::from_secs(2),
        };
        self.backend.consumer(session, None).await.expect("the servers run")
    }

    fn queue(&self) -> String {
        format!("{}.tasks.{}", self.prefix, WorkerType::default())
    }
}

fn tasks(count: u32) -> Vec<Arc<Task>> {
    let name = OperationName::new("anything").unwrap();
    let task =
        |number| Arc::new(Task::new(name.clone(), "1.0.0".parse().unwrap(), Value::encode(&number).unwrap()));
    (0..count).map(task).collect()
}

fn ids(tasks: &[Arc<Task>]) -> HashSet<TaskId> {
    tasks.iter().map(|task| task.id).collect()
}

async fn lease(worker: &RemoteConsumer) -> Delivery {
    let leased = timeout(PATIENCE, worker.lease()).await.expect("a task comes in time");
    leased.expect("the session lives").expect("the broker is open")
}

async fn leases_nothing(worker: &RemoteConsumer) {
    let leased = timeout(NOTHING, worker.lease()).await;
    assert!(leased.is_err(), "{:?}", leased.map(|leased| leased.map(|task| task.map(|task| task.task.id))));
}

async fn complete(worker: &RemoteConsumer, delivery: &Delivery) {
    let outcome = Outcome {
        ending: Ending::Succeeded(Value::null()),
        attempt: delivery.lease.token.attempt,
        session: Some(delivery.lease.token.session),
        ..Outcome::cancelled(delivery.task.id)
    };
    assert_eq!(worker.complete(delivery.lease, outcome).await.unwrap(), Settled::Accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_whose_queue_was_emptied_are_published_again() {
    let scene = Scene::new(|config| config.resend_after = Duration::from_secs(1)).await;
    let producer = scene.producer(1).await;
    let tasks = tasks(5);
    producer.publish(tasks.clone()).await.unwrap();
    let control = scene.backend.control();
    let count = async || {
        let queues = control.queues(&[WorkerType::default()], &[]).await.unwrap();
        queues.iter().find(|queue| queue.name == scene.queue()).map_or(0, |queue| queue.ready)
    };
    timeout(PATIENCE, async { while count().await < 5 {} }).await.expect("they are published");
    RabbitMq::shared().ctl(&["purge_queue", &scene.queue()]);
    let worker = scene.worker(5).await;
    let mut leased = HashSet::new();
    for _ in 0..5 {
        leased.insert(lease(&worker).await.task.id);
    }
    assert_eq!(leased, ids(&tasks));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_queue_is_no_reason_to_publish_tasks_again() {
    const COUNT: u32 = 25;
    let scene = Scene::new(|config| config.resend_after = Duration::from_secs(1)).await;
    let producer = scene.producer(1).await;
    let tasks = tasks(COUNT);
    producer.publish(tasks.clone()).await.unwrap();
    let worker = scene.worker(1).await;
    let mut leased = HashSet::new();
    for _ in 0..COUNT {
        let delivery = lease(&worker).await;
        // So slowly that the last ones wait many times as long as it takes to be looked for.
        tokio::time::sleep(Duration::from_millis(600)).await;
        complete(&worker, &delivery).await;
        assert!(leased.insert(delivery.task.id), "{} came twice", delivery.task.id);
    }
    leases_nothing(&worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_an_earlier_run_are_void() {
    let scene = Scene::new(|_| ()).await;
    let tasks = tasks(10);
    let first = scene.producer(1).await;
    first.publish(tasks.clone()).await.unwrap();
    let worker = scene.worker(1).await;
    // One runs while the coordinator is exchanged: its new copy must not make it run again.
    let running = lease(&worker).await;
    drop(first);
    let second = scene.producer(2).await;
    second.publish(tasks.clone()).await.unwrap();
    let mut leased = HashSet::from([running.task.id]);
    complete(&worker, &running).await;
    while leased.len() < tasks.len() {
        let delivery = lease(&worker).await;
        assert!(leased.insert(delivery.task.id), "{} came twice", delivery.task.id);
        complete(&worker, &delivery).await;
    }
    leases_nothing(&worker).await;
    let mut ended = HashSet::new();
    while ended.len() < tasks.len() {
        let news = timeout(PATIENCE, second.news()).await.expect("outcomes come in time").unwrap();
        ended.extend(news.outcomes.iter().map(|outcome| outcome.task));
        second.acknowledge(news.receipt).await.unwrap();
    }
    assert_eq!(ended, ids(&tasks));
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_one_more_loss_would_end_run_alone() {
    const SLOTS: u32 = 4;
    let scene = Scene::new(|_| ()).await;
    let producer = scene.producer(1).await;
    let tasks = tasks(SLOTS);
    producer.publish(tasks.clone()).await.unwrap();
    for lost in 0..2 {
        let victim = scene.worker(SLOTS).await;
        for _ in 0..SLOTS {
            assert_eq!(lease(&victim).await.spent.lost, lost);
        }
        victim.abandon();
    }
    let worker = scene.worker(SLOTS).await;
    let mut leased = HashSet::new();
    for _ in 0..SLOTS {
        let delivery = lease(&worker).await;
        assert_eq!(delivery.spent.lost, 2);
        leases_nothing(&worker).await;
        complete(&worker, &delivery).await;
        leased.insert(delivery.task.id);
    }
    assert_eq!(leased, ids(&tasks));
}
