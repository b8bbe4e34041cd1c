//! Tasks reach workers: each one, once, and only those of its type.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::{Cause, Ending, WorkerType};

use super::behaviour::{Behaviour, behaviours};
use super::fixture::BrokerFixture;
use super::making::{Scene, fresh_execution};
use crate::broker::{Error, MAX_PROGRESS_BYTES, Settled};

/// How tasks are handed out and taken back.
pub const HANDING_OUT: &[Behaviour<dyn BrokerFixture>] = behaviours![
    a_published_task_is_leased_completed_and_told_once,
    a_delivery_says_all_that_a_worker_needs,
    two_workers_share_the_tasks,
    a_waiting_worker_is_woken_by_a_task,
    all_idle_workers_get_a_task_at_once,
    a_dropped_lease_leases_nothing,
    a_worker_leases_no_more_than_it_asks_for,
    worker_types_are_kept_apart,
    a_worker_of_two_types_gets_both,
    publishing_again_is_harmless,
    withdrawing_takes_back_what_nobody_has_leased,
    withdrawing_leaves_other_executions_alone,
    a_withdrawn_task_can_be_published_again,
    a_kept_file_can_be_read_under_its_url,
    progress_is_remembered_until_the_task_ends,
    who_has_lost_a_lease_is_told_so,
];

async fn a_published_task_is_leased_completed_and_told_once(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    let ids = scene.publish(0..1).await;
    let delivery = worker.lease().await;
    assert_eq!(worker.complete(delivery.lease).await, Settled::Accepted);
    let outcomes = scene.outcomes(1).await;
    assert_eq!(outcomes[0].task, ids[0]);
    assert!(matches!(outcomes[0].ending, Ending::Succeeded(_)));
    worker.leases_nothing().await;
    scene.no_outcome().await;
}

async fn a_delivery_says_all_that_a_worker_needs(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    scene.publish(7..8).await;
    let delivery = worker.lease().await;
    assert_eq!(delivery.execution, scene.execution);
    assert_eq!(*delivery.task, scene.task(7));
    assert_eq!(delivery.lease.task, delivery.task.id);
    assert_eq!((delivery.lease.token.attempt, delivery.lease.token.session), (1, worker.session));
    assert_eq!(delivery.spent, Default::default());
    assert!(delivery.failed_attempts.is_empty());
}

async fn two_workers_share_the_tasks(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let (one, two) = (scene.worker().await, scene.worker().await);
    let published: HashSet<_> = scene.publish(0..100).await.into_iter().collect();
    let mut leased = HashSet::new();
    for _ in 0..50 {
        for worker in [&one, &two] {
            let delivery = worker.lease().await;
            assert!(leased.insert(delivery.task.id), "leased twice");
            assert_eq!(worker.complete(delivery.lease).await, Settled::Accepted);
        }
    }
    assert_eq!(leased, published);
    let told: HashSet<_> = scene.outcomes(100).await.into_iter().map(|outcome| outcome.task).collect();
    assert_eq!(told, published);
}

async fn a_waiting_worker_is_woken_by_a_task(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    let (delivery, ids) = tokio::join!(worker.lease(), async {
        tokio::task::yield_now().await;
        scene.publish(0..1).await
    });
    assert_eq!(delivery.task.id, ids[0]);
}

async fn all_idle_workers_get_a_task_at_once(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let mut workers = Vec::new();
    for _ in 0..8 {
        workers.push(scene.worker().await);
    }
    let begun = Instant::now();
    let leases = futures::future::join_all(workers.iter().map(|worker| worker.lease()));
    let (deliveries, _) = tokio::join!(leases, scene.publish(0..8));
    let distinct: HashSet<_> = deliveries.iter().map(|delivery| delivery.task.id).collect();
    assert_eq!(distinct.len(), 8);
    assert!(begun.elapsed() < scene.fixture.patience(), "{:?}", begun.elapsed());
}

async fn a_dropped_lease_leases_nothing(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let (leaver, stayer) = (scene.worker().await, scene.worker().await);
    let mut got = HashSet::new();
    for number in 0..50 {
        // Polled until it waits, given a task, dropped before it is polled again.
        let mut waiting = leaver.consumer.lease();
        assert!(futures::poll!(&mut waiting).is_pending(), "there is nothing to lease");
        scene.publish(number..number + 1).await;
        drop(waiting);
        got.insert(stayer.lease().await.task.id);
    }
    assert_eq!(got.len(), 50);
    leaver.leases_nothing().await;
}

async fn a_worker_leases_no_more_than_it_asks_for(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let (one, two) = (scene.worker().await, scene.worker().await);
    scene.publish(0..2).await;
    let first = one.lease().await;
    let second = two.lease().await;
    assert_ne!(first.task.id, second.task.id);
    assert_eq!(second.lease.token.session, two.session);
}

async fn worker_types_are_kept_apart(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let other = WorkerType::new(fresh_execution().as_str()).expect("it follows the grammar of names");
    let (worker, other_worker) = (scene.worker().await, scene.worker_of(vec![other.clone()]).await);
    let task = scene.task(1).on(other);
    scene.producer.publish(vec![Arc::new(task.clone())]).await.expect("the broker is open");
    worker.leases_nothing().await;
    assert_eq!(*other_worker.lease().await.task, task);
}

async fn a_worker_of_two_types_gets_both(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let other = WorkerType::new(fresh_execution().as_str()).expect("it follows the grammar of names");
    let worker = scene.worker_of(vec![scene.worker_type.clone(), other.clone()]).await;
    let tasks = vec![Arc::new(scene.task(1)), Arc::new(scene.task(2).on(other))];
    let wanted: HashSet<_> = tasks.iter().map(|task| task.id).collect();
    scene.producer.publish(tasks).await.expect("the broker is open");
    let got = HashSet::from([worker.lease().await.task.id, worker.lease().await.task.id]);
    assert_eq!(got, wanted);
}

async fn publishing_again_is_harmless(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let (one, two) = (scene.worker().await, scene.worker().await);
    scene.publish(0..1).await;
    scene.publish(0..1).await;
    let delivery = one.lease().await;
    scene.publish(0..1).await;
    two.leases_nothing().await;
    assert_eq!(one.complete(delivery.lease).await, Settled::Accepted);
    assert_eq!(scene.outcomes(1).await[0].task, delivery.task.id);
}

async fn withdrawing_takes_back_what_nobody_has_leased(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    let ids = scene.publish(0..5).await;
    let delivery = worker.lease().await;
    let withdrawn = scene.producer.withdraw().await.expect("the broker is open");
    let withdrawn: HashSet<_> = withdrawn.into_iter().collect();
    let expected: HashSet<_> = ids.into_iter().filter(|id| *id != delivery.task.id).collect();
    assert_eq!(withdrawn, expected);
    worker.leases_nothing().await;
    assert_eq!(worker.complete(delivery.lease).await, Settled::Accepted);
    assert_eq!(scene.outcomes(1).await[0].task, delivery.task.id);
}

async fn withdrawing_leaves_other_executions_alone(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(Arc::clone(&fixture)).await;
    let other = Scene { worker_type: scene.worker_type.clone(), ..Scene::new(fixture).await };
    scene.publish(0..3).await;
    other.publish(3..4).await;
    let withdrawn = scene.producer.withdraw().await.expect("the broker is open");
    assert_eq!(withdrawn.len(), 3);
    let worker = scene.worker().await;
    assert_eq!(worker.lease().await.execution, other.execution);
    worker.leases_nothing().await;
}

async fn a_withdrawn_task_can_be_published_again(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    let ids = scene.publish(0..1).await;
    assert_eq!(scene.producer.withdraw().await.expect("the broker is open"), ids);
    scene.publish(0..1).await;
    let delivery = worker.lease().await;
    assert_eq!(worker.complete(delivery.lease).await, Settled::Accepted);
    assert_eq!(scene.outcomes(1).await[0].task, ids[0]);
}

async fn progress_is_remembered_until_the_task_ends(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    scene.publish(0..1).await;
    let first = worker.lease().await;
    let (execution, task) = (&scene.execution, first.lease.task);
    let saved = || async { worker.consumer.saved_progress(execution, task).await.expect("it can be read") };
    assert_eq!(saved().await, None);
    for progress in ["half", "more"] {
        let settled = worker.consumer.save_progress(execution, first.lease, progress.into()).await;
        assert_eq!(settled.expect("it can be saved"), Settled::Accepted);
        assert_eq!(saved().await.as_deref(), Some(progress.as_bytes()));
    }
    assert_eq!(worker.retry(first.lease, Cause::Transient, Duration::ZERO).await, Settled::Accepted);
    let second = worker.lease().await;
    assert_eq!(saved().await.as_deref(), Some(b"more".as_slice()), "it is there for the next attempt");
    assert_eq!(worker.complete(second.lease).await, Settled::Accepted);
    assert_eq!(saved().await, None, "it is forgotten");
    let large = vec![0; MAX_PROGRESS_BYTES + 1];
    let refused = worker.consumer.save_progress(execution, second.lease, large.into()).await;
    assert!(matches!(refused, Err(Error::Progress { .. })), "{refused:?}");
}

async fn who_has_lost_a_lease_is_told_so(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = &scene.worker().await;
    scene.publish(0..1).await;
    let first = worker.lease().await;
    let execution = &scene.execution;
    let holds = |lease| async move { worker.consumer.holds(execution, lease).await.expect("it is answered") };
    assert!(holds(first.lease).await);
    assert_eq!(worker.retry(first.lease, Cause::Transient, Duration::ZERO).await, Settled::Accepted);
    let second = worker.lease().await;
    let (first, second) = (first.lease, second.lease);
    assert!(!holds(first).await);
    let settled = worker.consumer.save_progress(execution, first, "late".into()).await;
    assert_eq!(settled.expect("it is answered"), Settled::Stale);
    assert!(holds(second).await);
    assert_eq!(worker.complete(second).await, Settled::Accepted);
    assert!(!holds(second).await);
}

async fn a_kept_file_can_be_read_under_its_url(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    let file = scene.fixture.files().join(format!("{}.bin", scene.execution));
    std::fs::write(&file, "large").expect("the directory can be written");
    let url = worker.consumer.keep(&scene.execution, &file).await.expect("the file can be kept");
    let (scheme, rest) = url.split_once("://").expect("it is a URL");
    if scheme == "file" {
        assert_eq!(std::fs::read_to_string(rest).expect("it can be read"), "large");
    }
    assert!(!rest.is_empty());
    let missing = worker.consumer.keep(&scene.execution, &file.with_extension("missing")).await;
    assert!(missing.is_err(), "a file that does not exist cannot be kept");
}
