//! Publishing: confirmed, routed, or refused with a reason.

use ::tests::servers::RabbitMq;
use tokio::task::block_in_place;

use super::*;
use crate::rabbitmq::{Error, Header};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_in_the_queue() {
    let rabbit = shared().await;
    let queue = queue("published");
    rabbit.declare(&queue).await.unwrap();

    rabbit.publish(messages(&queue, 0..3_000)).await.unwrap();
    rabbit.publish(Vec::new()).await.unwrap();

    until_ready(&rabbit, "published", 3_000).await;
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn returned_messages_are_published_again_once_their_queue_is_declared() {
    let rabbit = shared().await;
    let (there, missing) = (queue("there"), queue("missing"));
    rabbit.declare(&there).await.unwrap();
    let mixed = (0..1_500).flat_map(|id| {
        let queue = if id % 3 == 0 { &missing } else { &there };
        messages(queue, id..id + 1)
    });

    rabbit.publish(mixed.collect()).await.unwrap();

    // Exactly: what was not returned must not be published again.
    until_ready(&rabbit, "missing", 500).await;
    until_ready(&rabbit, "there", 1_000).await;
    let (mut subscription, acks) = rabbit.subscribe(missing, "test".to_owned(), 500);
    let mut ids = consume(&mut subscription, &acks, 500).await;
    ids.sort_unstable();
    assert!(ids.into_iter().eq((0..1_500).step_by(3)));
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_body_arrive_as_sent() {
    let rabbit = shared().await;
    let queue = queue("headers");
    let message = Message {
        queue: Arc::clone(&queue),
        id: "the one".to_owned(),
        body: vec![0, 255, 7].into(),
        headers: vec![("number", Header::Number(u64::MAX)), ("bytes", Header::Bytes(vec![1, 0, 2]))],
    };

    rabbit.publish(vec![message]).await.unwrap();

    let (mut subscription, acks) = rabbit.subscribe(queue, "test".to_owned(), 1);
    let delivery = next(&mut subscription).await;
    acks.ack(delivery.ticket);
    assert_eq!(delivery.id(), Some("the one"));
    assert_eq!(delivery.body.as_ref(), [0, 255, 7]);
    assert_eq!(delivery.number("number"), Some(u64::MAX));
    assert_eq!(delivery.bytes("bytes"), Some([1, 0, 2].as_slice()));
    assert_eq!((delivery.number("bytes"), delivery.bytes("absent")), (None, None));
    assert!(!delivery.is_redelivered);
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_broker_refuses_does_not_hold_up_others() {
    let server = block_in_place(|| RabbitMq::options().line("max_message_size = 65536").start());
    let rabbit = connect(&server).await;
    let queue = queue("sizes");
    rabbit.declare(&queue).await.unwrap();
    let mut too_large = messages(&queue, 1_000..1_001);
    too_large[0].body = vec![0; 65_537].into();
    let calls = (0..20).map(|number| {
        let good = messages(&queue, number..number + 1);
        rabbit.publish(if number == 7 { too_large.clone() } else { good })
    });

    let results = in_time(futures::future::join_all(calls)).await;

    for (number, result) in results.into_iter().enumerate() {
        match number {
            7 => {
                let error = result.unwrap_err();
                assert!(matches!(&error, Error::Refused { queue, .. } if queue == "sizes"), "{error}");
                assert!(!error.is_transient());
            }
            _ => result.unwrap(),
        }
    }
    // Each is there; some twice, since those beside it could not be told from it.
    let (mut subscription, acks) = rabbit.subscribe(queue, "test".to_owned(), 100);
    let mut left: std::collections::HashSet<usize> = (0..20).filter(|number| *number != 7).collect();
    while !left.is_empty() {
        let ids = consume(&mut subscription, &acks, 1).await;
        assert!(ids[0] != 1_000, "the large one came");
        left.remove(&ids[0]);
    }
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_cannot_be_declared_is_the_reason_given() {
    let rabbit = shared().await;
    let queue = queue("otaman.reserved");
    let name = "amq.reserved";
    let refused = Arc::new(Queue::shared(name));

    let error = in_time(rabbit.publish(messages(&refused, 0..3))).await.unwrap_err();
    in_time(rabbit.publish(messages(&queue, 0..3))).await.unwrap();

    assert!(matches!(&error, Error::Refused { queue, .. } if queue == name), "{error}");
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_too_long_are_refused() {
    let rabbit = shared().await;
    let queue = queue(&"q".repeat(256));

    let error = rabbit.publish(messages(&queue, 0..1)).await.unwrap_err();

    assert!(matches!(error, Error::Name { .. }), "{error}");
    assert!(matches!(rabbit.declare(&queue).await, Err(Error::Name { .. })));
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_closing_nothing_is_published() {
    let rabbit = shared().await;
    let queue = queue("closed");
    in_time(rabbit.close()).await;

    let result = in_time(rabbit.publish(messages(&queue, 0..1))).await;

    assert!(matches!(result, Err(Error::Closed)), "{result:?}");
    assert!(matches!(rabbit.declare(&queue).await, Err(Error::Closed)));
}
