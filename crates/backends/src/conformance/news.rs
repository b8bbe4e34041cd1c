//! What a coordinator hears, and what it does not.

use std::collections::HashSet;
use std::sync::Arc;

use protocol::Cause;

use super::behaviour::{Behaviour, behaviours};
use super::fixture::BrokerFixture;
use super::making::Scene;
use crate::broker::Receipt;

/// How news travels.
pub const NEWS: &[Behaviour<dyn BrokerFixture>] = behaviours![
    news_is_never_empty_and_its_receipts_grow,
    executions_hear_only_of_their_own_tasks,
    the_same_task_of_two_executions_runs_for_both,
    a_long_lease_is_told,
    a_task_told_as_leased_is_told_as_released,
    a_dropped_wait_for_news_loses_none,
];

async fn news_is_never_empty_and_its_receipts_grow(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    let mut last = Receipt::default();
    for number in 0..20 {
        scene.publish(number..number + 1).await;
        let delivery = worker.lease().await;
        let (_, news) = tokio::join!(worker.complete(delivery.lease), scene.news());
        assert!(!news.outcomes.is_empty() || !news.leased.is_empty() || !news.released.is_empty());
        assert!(news.receipt > last, "{:?} after {last:?}", news.receipt);
        last = news.receipt;
    }
}

async fn executions_hear_only_of_their_own_tasks(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(Arc::clone(&fixture)).await;
    let other = Scene { worker_type: scene.worker_type.clone(), ..Scene::new(fixture).await };
    let worker = scene.worker().await;
    let (own, foreign) = (scene.publish(0..5).await, other.publish(5..9).await);
    for _ in 0..9 {
        worker.complete(worker.lease().await.lease).await;
    }
    for (scene, ids) in [(&scene, own), (&other, foreign)] {
        let told: HashSet<_> =
            scene.outcomes(ids.len()).await.into_iter().map(|outcome| outcome.task).collect();
        assert_eq!(told, ids.into_iter().collect());
        scene.no_outcome().await;
    }
}

async fn the_same_task_of_two_executions_runs_for_both(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(Arc::clone(&fixture)).await;
    let other = Scene { worker_type: scene.worker_type.clone(), ..Scene::new(fixture).await };
    let worker = scene.worker().await;
    let ids = [scene.publish(0..1).await, other.publish(0..1).await].concat();
    assert_eq!(ids[0], ids[1]);
    let first = worker.lease().await;
    // The second may have to wait for the first to end, since both have one lease's name.
    worker.complete(first.lease).await;
    let second = worker.lease().await;
    worker.complete(second.lease).await;
    assert_ne!(first.execution, second.execution);
    for scene in [&scene, &other] {
        assert_eq!(scene.outcomes(1).await[0].task, ids[0]);
    }
}

async fn a_long_lease_is_told(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    let ids = scene.publish(0..1).await;
    let delivery = worker.lease().await;
    let news = scene.news().await;
    assert_eq!((news.leased, news.released), (ids, vec![]));
    assert!(news.outcomes.is_empty());
    worker.complete(delivery.lease).await;
    assert_eq!(scene.outcomes(1).await[0].task, delivery.task.id);
}

async fn a_task_told_as_leased_is_told_as_released(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    let ids = scene.publish(0..1).await;
    let delivery = worker.lease().await;
    assert_eq!(scene.news().await.leased, ids);
    worker.retry(delivery.lease, Cause::Transient, std::time::Duration::from_secs(3_600)).await;
    let news = scene.news().await;
    assert_eq!((news.leased, news.released), (vec![], ids));
}

async fn a_dropped_wait_for_news_loses_none(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    for number in 0..30 {
        let ids = scene.publish(number..number + 1).await;
        let delivery = worker.lease().await;
        // Woken by the outcome, but dropped before it is polled again.
        let mut waiting = scene.producer.news();
        let _ = futures::poll!(&mut waiting);
        worker.complete(delivery.lease).await;
        drop(waiting);
        assert_eq!(scene.outcomes(1).await[0].task, ids[0]);
    }
}
