//! Failed attempts come back, later and with what is known of them; stale ends are refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::{
    Cause, Lease, OnOutOfMemory, Outcome, RetryPolicy, SessionId, Spent, Task, Token, WorkerType,
};

use super::behaviour::{Behaviour, behaviours};
use super::fixture::BrokerFixture;
use super::making::Scene;
use crate::broker::Settled;

/// How attempts are ended and tried again.
pub const RETRIES: &[Behaviour<dyn BrokerFixture>] = behaviours![
    a_retry_comes_back_with_the_next_attempt_and_its_evidence,
    a_retry_comes_back_only_after_its_delay,
    out_of_memory_moves_a_task_to_the_workers_that_its_policy_names,
    a_delayed_task_keeps_no_worker_from_others,
    an_earlier_retry_overtakes_a_later_one,
    causes_are_charged_apart,
    only_the_last_evidence_is_kept,
    a_delayed_task_can_be_withdrawn,
    a_lease_ends_only_once,
    a_foreign_token_is_refused,
    a_retried_lease_is_stale,
    what_is_declined_comes_back_at_no_cost,
];

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(3_600);

async fn a_retry_comes_back_with_the_next_attempt_and_its_evidence(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let (one, two) = (scene.worker().await, scene.worker().await);
    scene.publish(0..1).await;
    let first = one.lease().await;
    assert_eq!(one.retry(first.lease, Cause::Transient, Duration::ZERO).await, Settled::Accepted);
    let second = two.lease().await;
    assert_eq!(second.task, first.task);
    assert_eq!(second.lease.token, Token { attempt: 2, session: two.session });
    assert_eq!(second.spent, Spent { transient: 1, ..Spent::default() });
    assert_eq!(second.failed_attempts.len(), 1);
    assert_eq!(second.failed_attempts[0].number, 1);
    assert_eq!(second.failed_attempts[0].session, one.session);
    assert_eq!(second.failed_attempts[0].failure.messages, ["attempt 1 failed"]);
}

async fn a_retry_comes_back_only_after_its_delay(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    scene.publish(0..1).await;
    let first = worker.lease().await;
    let begun = Instant::now();
    assert_eq!(worker.retry(first.lease, Cause::Transient, SHORT).await, Settled::Accepted);
    let second = worker.lease().await;
    assert!(begun.elapsed() >= SHORT, "{:?}", begun.elapsed());
    assert_eq!(second.lease.token.attempt, 2);
    assert_eq!(worker.complete(second.lease).await, Settled::Accepted);
    assert_eq!(scene.outcomes(1).await[0].attempt, 2);
}

async fn out_of_memory_moves_a_task_to_the_workers_that_its_policy_names(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let large: WorkerType = format!("{}-large", scene.worker_type).parse().expect("it is a name");
    let small_worker = scene.worker().await;
    let large_worker = scene.worker_of(vec![large.clone()]).await;
    let on_out_of_memory = Some(OnOutOfMemory { worker_type: large });
    let retry = RetryPolicy { on_out_of_memory, ..RetryPolicy::default() };
    let task = Task { retry: Some(Box::new(retry)), ..scene.task(0) };
    scene.producer.publish(vec![Arc::new(task.clone())]).await.expect("the broker is open");
    for after in [Duration::ZERO, SHORT] {
        // Other causes leave it where it is.
        let lease = small_worker.lease().await.lease;
        assert_eq!(small_worker.retry(lease, Cause::Transient, after).await, Settled::Accepted);
    }
    let lease = small_worker.lease().await.lease;
    assert_eq!(small_worker.retry(lease, Cause::OutOfMemory, SHORT).await, Settled::Accepted);
    let moved = large_worker.lease().await;
    assert_eq!((moved.task.id, moved.spent.out_of_memory, moved.spent.transient), (task.id, 1, 2));
    assert_eq!(moved.task.arguments, task.arguments);
    // It stays there.
    for after in [Duration::ZERO, SHORT] {
        let lease = if after.is_zero() { moved.lease } else { large_worker.lease().await.lease };
        assert_eq!(large_worker.retry(lease, Cause::Transient, after).await, Settled::Accepted);
    }
    let last = large_worker.lease().await;
    small_worker.leases_nothing().await;
    assert_eq!(large_worker.complete(last.lease).await, Settled::Accepted);
    assert_eq!(scene.outcomes(1).await[0].attempt, 6);
}

async fn a_delayed_task_keeps_no_worker_from_others(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    scene.publish(0..1).await;
    let first = worker.lease().await;
    worker.retry(first.lease, Cause::Transient, LONG).await;
    let ids = scene.publish(1..2).await;
    assert_eq!(worker.lease().await.task.id, ids[0]);
    worker.leases_nothing().await;
}

async fn an_earlier_retry_overtakes_a_later_one(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    scene.publish(0..2).await;
    let (late, early) = (worker.lease().await, worker.lease().await);
    worker.retry(late.lease, Cause::Transient, LONG).await;
    // The worker already waits when the earlier one is put beside the later one.
    let (back, settled) = tokio::join!(worker.lease(), worker.retry(early.lease, Cause::Transient, SHORT));
    assert_eq!(settled, Settled::Accepted);
    assert_eq!(back.task.id, early.task.id);
}

async fn causes_are_charged_apart(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    scene.publish(0..1).await;
    for cause in [Cause::Timeout, Cause::Preempted, Cause::OutOfMemory, Cause::Timeout] {
        let delivery = worker.lease().await;
        assert_eq!(worker.retry(delivery.lease, cause, Duration::ZERO).await, Settled::Accepted);
    }
    let last = worker.lease().await;
    assert_eq!(last.spent, Spent { timeout: 2, preempted: 1, out_of_memory: 1, ..Spent::default() });
    assert_eq!(last.lease.token.attempt, 5);
}

async fn only_the_last_evidence_is_kept(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    scene.publish(0..1).await;
    let count = Outcome::MAX_EVIDENCE as u32 + 3;
    for _ in 0..count {
        let delivery = worker.lease().await;
        worker.retry(delivery.lease, Cause::Preempted, Duration::ZERO).await;
    }
    let last = worker.lease().await;
    let numbers: Vec<_> = last.failed_attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(numbers, (4..=count).collect::<Vec<_>>());
    assert_eq!(last.spent.preempted, count);
}

async fn a_delayed_task_can_be_withdrawn(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    let ids = scene.publish(0..1).await;
    let delivery = worker.lease().await;
    worker.retry(delivery.lease, Cause::Transient, SHORT).await;
    assert_eq!(scene.producer.withdraw().await.expect("the broker is open"), ids);
    let after_its_delay = tokio::time::timeout(SHORT * 2, worker.consumer.lease()).await;
    assert!(after_its_delay.is_err(), "{after_its_delay:?}");
}

async fn a_lease_ends_only_once(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    scene.publish(0..1).await;
    let delivery = worker.lease().await;
    assert_eq!(worker.complete(delivery.lease).await, Settled::Accepted);
    scene.outcomes(1).await;
    // Refused, or taken for a repetition of the accepted one; in no case does it count again.
    worker.complete(delivery.lease).await;
    worker.leases_nothing().await;
    let retried = worker.retry(delivery.lease, Cause::Transient, Duration::ZERO).await;
    assert_eq!(retried, Settled::Stale);
    worker.leases_nothing().await;
}

async fn a_foreign_token_is_refused(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let (owner, thief) = (scene.worker().await, scene.worker().await);
    scene.publish(0..1).await;
    let delivery = owner.lease().await;
    let foreign = Token { session: SessionId::from_uuid(uuid::Uuid::new_v4()), ..delivery.lease.token };
    let early = Token { attempt: delivery.lease.token.attempt + 1, ..delivery.lease.token };
    for token in [foreign, early] {
        let lease = Lease { token, ..delivery.lease };
        assert_eq!(owner.complete(lease).await, Settled::Stale);
        assert_eq!(thief.complete(lease).await, Settled::Stale);
    }
    scene.no_outcome().await;
    assert_eq!(owner.complete(delivery.lease).await, Settled::Accepted);
    scene.outcomes(1).await;
}

async fn a_retried_lease_is_stale(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    scene.publish(0..1).await;
    let first = worker.lease().await;
    worker.retry(first.lease, Cause::Transient, Duration::ZERO).await;
    let second = worker.lease().await;
    assert_eq!(worker.complete(first.lease).await, Settled::Stale);
    assert_eq!(worker.complete(second.lease).await, Settled::Accepted);
    assert_eq!(scene.outcomes(1).await[0].attempt, 2);
}

async fn what_is_declined_comes_back_at_no_cost(fixture: Arc<dyn BrokerFixture>) {
    let scene = Scene::new(fixture).await;
    let worker = scene.worker().await;
    scene.publish(0..1).await;
    let begun = Instant::now();
    let first = worker.lease().await;
    assert_eq!(worker.decline(first.lease, SHORT).await, Settled::Accepted);
    assert_eq!(worker.decline(first.lease, SHORT).await, Settled::Stale);
    let second = worker.lease().await;
    assert!(begun.elapsed() >= SHORT, "{:?}", begun.elapsed());
    assert_eq!((second.declined, second.spent, second.failed_attempts.len()), (1, Spent::default(), 0));
    assert_eq!(worker.decline(second.lease, Duration::ZERO).await, Settled::Accepted);
    let third = worker.lease().await;
    assert_eq!(third.declined, 2);
    assert_eq!(worker.retry(third.lease, Cause::Transient, Duration::ZERO).await, Settled::Accepted);
    let last = worker.lease().await;
    assert_eq!((last.declined, last.failed_attempts.len()), (0, 1), "an attempt has begun since");
}
