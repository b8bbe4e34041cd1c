//! Queues: declared alike by all, counted, deleted.

use super::*;
use crate::rabbitmq::{Count, Error, QueueKind};

#[tokio::test(flavor = "multi_thread")]
async fn declaring_twice_is_fine_and_deleting_what_is_gone_too() {
    let rabbit = shared().await;
    let queue = Queue::single_active("twice");
    assert_eq!(rabbit.count("twice").await.unwrap(), None);

    rabbit.declare(&queue).await.unwrap();
    rabbit.declare(&queue).await.unwrap();
    assert_eq!(rabbit.count("twice").await.unwrap(), Some(Count { ready: 0, consumers: 0 }));

    rabbit.delete("twice").await.unwrap();
    rabbit.delete("twice").await.unwrap();
    assert_eq!(rabbit.count("twice").await.unwrap(), None);
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_other_settings_is_refused_with_both() {
    let server = block_in_place(RabbitMq::shared);
    let quorum = connect(server).await;
    let classic = Rabbit::connect(Config { queue_kind: QueueKind::Classic, ..config(server) }).await.unwrap();
    quorum.declare(&Queue::shared("drift")).await.unwrap();

    let error = classic.declare(&Queue::shared("drift")).await.unwrap_err();
    let expected = "queue drift exists with x-queue-type = quorum, but classic is wanted: use the settings it \
                    was made with, or delete it once it is empty (rabbitmqctl delete_queue)";
    assert_eq!(error.to_string(), expected);
    assert!(!error.is_transient());

    let error = quorum.declare(&Queue::single_active("drift")).await.unwrap_err();
    let Error::Drift { argument, wanted, found, .. } = error else { panic!("{error}") };
    assert_eq!(argument, "x-single-active-consumer");
    assert_eq!((wanted.as_str(), found.as_str()), ("true", "none"));

    // The connection is as good as before.
    quorum.publish(messages(&queue("drift"), 0..1)).await.unwrap();
    until_ready(&classic, "drift", 1).await;
    classic.close().await;
    quorum.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_may_be_classic() {
    let server = block_in_place(RabbitMq::shared);
    let rabbit = Rabbit::connect(Config { queue_kind: QueueKind::Classic, ..config(server) }).await.unwrap();
    let queue = queue("classic");

    rabbit.publish(messages(&queue, 0..100)).await.unwrap();

    let (mut subscription, acks) = rabbit.subscribe(queue, "test".to_owned(), 10);
    assert!(consume(&mut subscription, &acks, 100).await.into_iter().eq(0..100));
    rabbit.close().await;
}
