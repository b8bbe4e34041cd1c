//! Workers and coordinators die; tasks and outcomes do not.

use std::collections::HashSet;
use std::sync::Arc;

use protocol::{Cause, RetryPolicy, Spent};

use super::behaviour::{Behaviour, behaviours};
use super::fixture::BrokerFixture;
use super::making::{Scene, Worker};
use crate::broker::Settled;

/// What remains of the dead.
pub const LOSSES: &[Behaviour<dyn BrokerFixture>] = behaviours![
    a_dead_workers_tasks_come_back_charged_as_lost,
    a_dead_workers_tasks_wake_those_who_wait,
    what_kills_its_workers_is_dead,
    an_attempt_retried_before_the_death_is_not_charged_as_lost,
    unacknowledged_news_comes_again_to_the_next_coordinator,
    acknowledged_news_does_not_come_again,
];

async fn kill(scene: &Scene, worker: Worker) {
    let Worker { consumer, .. } = worker;
    scene.fixture.kill(consumer).await;
}

async fn a_dead_workers_tasks_come_back_charged_as_lost(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let (victim, heir) = (scene.worker().await, scene.worker().await);
    let ids: HashSet<_> = scene.publish(0..3).await.into_iter().collect();
    let dead_session = victim.session;
    for _ in 0..3 {
        victim.lease().await;
    }
    heir.leases_nothing().await;
    kill(&scene, victim).await;
    let mut inherited = HashSet::new();
    for _ in 0..3 {
        let delivery = heir.lease().await;
        assert_eq!(delivery.spent, Spent { lost: 1, ..Spent::default() });
        assert_eq!(delivery.lease.token.attempt, 2);
        assert_eq!(delivery.failed_attempts[0].failure.cause, Cause::Lost);
        assert_eq!(delivery.failed_attempts[0].session, dead_session);
        inherited.insert(delivery.task.id);
    }
    assert_eq!(inherited, ids);
}

async fn a_dead_workers_tasks_wake_those_who_wait(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let (victim, heir) = (scene.worker().await, scene.worker().await);
    scene.publish(0..1).await;
    let first = victim.lease().await;
    let (second, ()) = tokio::join!(heir.lease(), kill(&scene, victim));
    assert_eq!(second.task.id, first.task.id);
    assert_eq!(heir.complete(second.lease).await, Settled::Accepted);
    assert_eq!(scene.outcomes(1).await[0].attempt, 2);
}

async fn what_kills_its_workers_is_dead(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let mut task = scene.task(0);
    task.retry = Some(Box::new(RetryPolicy { max_losses: 2, ..RetryPolicy::default() }));
    scene.producer.publish(vec![Arc::new(task.clone())]).await.expect("the broker is open");
    for _ in 0..2 {
        let victim = scene.worker().await;
        victim.lease().await;
        kill(&scene, victim).await;
    }
    let bystander = scene.worker().await;
    // In a distributed broker it is the next worker that finds out, while it waits for a task.
    let outcomes = tokio::select! {
        outcomes = scene.outcomes(1) => outcomes,
        delivery = bystander.consumer.lease() => panic!("leased {delivery:?}"),
    };
    assert_eq!(outcomes[0].task, task.id);
    assert_eq!(outcomes[0].failure().map(|failure| failure.cause), Some(Cause::Lost));
    assert_eq!(outcomes[0].attempt, 2);
    assert_eq!(outcomes[0].failed_attempts.len(), 1);
}

async fn an_attempt_retried_before_the_death_is_not_charged_as_lost(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let (victim, heir) = (scene.worker().await, scene.worker().await);
    scene.publish(0..1).await;
    let delivery = victim.lease().await;
    victim.retry(delivery.lease, Cause::Preempted, std::time::Duration::ZERO).await;
    kill(&scene, victim).await;
    assert_eq!(heir.lease().await.spent, Spent { preempted: 1, ..Spent::default() });
}

async fn unacknowledged_news_comes_again_to_the_next_coordinator(fixture: Arc<dyn BrokerFixture>) {
    let mut scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    let ids: HashSet<_> = scene.publish(0..2).await.into_iter().collect();
    let mut told = HashSet::new();
    for _ in 0..2 {
        let delivery = worker.lease().await;
        worker.complete(delivery.lease).await;
        // There may be other news first.
        let before = told.len();
        while told.len() == before {
            told.extend(scene.news().await.outcomes.into_iter().map(|outcome| outcome.task));
        }
    }
    assert_eq!(told, ids);
    scene.producer = scene.fixture.producer(scene.execution.clone()).await;
    let again: HashSet<_> = scene.outcomes(2).await.into_iter().map(|outcome| outcome.task).collect();
    assert_eq!(again, ids);
}

async fn acknowledged_news_does_not_come_again(fixture: Arc<dyn BrokerFixture>) {
    let mut scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    scene.publish(0..1).await;
    worker.complete(worker.lease().await.lease).await;
    scene.outcomes(1).await;
    scene.producer = scene.fixture.producer(scene.execution.clone()).await;
    scene.no_outcome().await;
}
