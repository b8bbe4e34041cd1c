//! Consuming: settled in any order, with any prefetch, over cancellations.

use std::collections::HashSet;

use super::*;

async fn is_silent(subscription: &mut Subscription) -> bool {
    timeout(Duration::from_millis(500), subscription.next()).await.is_err()
}

/// A queue with these many messages, and a subscription to it.
async fn subscribed(name: &str, count: usize, prefetch: u16) -> (Rabbit, Subscription, Acks) {
    let rabbit = shared().await;
    let queue = queue(name);
    rabbit.declare(&queue).await.unwrap();
    rabbit.publish(messages(&queue, 0..count)).await.unwrap();
    let (subscription, acks) = rabbit.subscribe(queue, "test".to_owned(), prefetch);
    (rabbit, subscription, acks)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_in_any_order_does_not_come_again() {
    let (rabbit, mut subscription, acks) = subscribed("any order", 1_000, 1_000).await;
    let mut tickets = HashSet::new();
    for _ in 0..1_000 {
        tickets.insert(next(&mut subscription).await.ticket);
    }
    let (given_back, acknowledged): (Vec<_>, Vec<_>) =
        tickets.into_iter().partition(|ticket| ticket.tag % 10 == 0);
    acknowledged.iter().for_each(|ticket| acks.ack(*ticket));
    // A second time counts for nothing; the broker would end the channel for it.
    acknowledged.iter().for_each(|ticket| acks.ack(*ticket));
    given_back.iter().for_each(|ticket| acks.requeue(*ticket));
    given_back.iter().for_each(|ticket| acks.ack(*ticket));

    for _ in 0..given_back.len() {
        let again = next(&mut subscription).await;
        assert!(again.is_redelivered);
        acks.ack(again.ticket);
    }

    assert!(is_silent(&mut subscription).await);
    rabbit.close().await;
    let other = shared().await;
    until_ready(&other, "any order", 0).await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_come_than_the_prefetch_allows() {
    let (rabbit, mut subscription, acks) = subscribed("prefetch", 20, 3).await;
    let mut tickets = Vec::new();
    for _ in 0..3 {
        tickets.push(next(&mut subscription).await.ticket);
    }
    assert!(is_silent(&mut subscription).await);

    acks.set_prefetch(5);
    for _ in 0..5 {
        tickets.push(next(&mut subscription).await.ticket);
    }
    assert!(is_silent(&mut subscription).await);

    acks.set_prefetch(0);
    tickets.iter().for_each(|ticket| acks.ack(*ticket));
    assert!(is_silent(&mut subscription).await);
    assert!(acks.is_current(tickets[0]));
    until_ready(&rabbit, "prefetch", 12).await;

    acks.set_prefetch(20);
    let ids: HashSet<_> = consume(&mut subscription, &acks, 12).await.into_iter().collect();
    assert_eq!(ids, (8..20).collect());
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_before_a_prefetch_is_set() {
    let (rabbit, mut subscription, acks) = subscribed("later", 1, 0).await;
    assert!(is_silent(&mut subscription).await);

    acks.set_prefetch(1);

    assert_eq!(consume(&mut subscription, &acks, 1).await, [0]);
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_subscription_gives_back_what_nobody_took() {
    let (rabbit, mut subscription, acks) = subscribed("dropped", 10, 10).await;
    let taken = next(&mut subscription).await;

    drop(subscription);

    until_ready(&rabbit, "dropped", 9).await;
    assert!(acks.is_current(taken.ticket));
    acks.requeue(taken.ticket);
    until_ready(&rabbit, "dropped", 10).await;
    drop(acks);
    until("no consumer is left", async || {
        rabbit.count("dropped").await.unwrap().is_some_and(|count| count.consumers == 0)
    })
    .await;
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_subscription_and_acknowledger_the_broker_has_everything_back() {
    let (rabbit, mut subscription, acks) = subscribed("left", 10, 10).await;
    let taken = next(&mut subscription).await;

    drop((subscription, acks));

    until_ready(&rabbit, "left", 10).await;
    assert!(!taken.is_redelivered);
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_tells_the_broker_all_acknowledgements() {
    let (rabbit, mut subscription, acks) = subscribed("flushed", 2_000, 2_000).await;
    for _ in 0..1_500 {
        acks.ack(next(&mut subscription).await.ticket);
    }

    in_time(rabbit.close()).await;

    let after = in_time(subscription.next()).await;
    assert!(after.is_none(), "{after:?} came after closing");
    let other = shared().await;
    until_ready(&other, "flushed", 500).await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_the_broker_cancels_consumes_anew() {
    let (rabbit, mut subscription, acks) = subscribed("deleted", 1, 10).await;
    consume(&mut subscription, &acks, 1).await;
    let other = shared().await;
    let mut standing = rabbit.standing();

    other.delete("deleted").await.unwrap();
    let is_noticed = standing.wait_for(|standing| matches!(standing, Standing::Disconnected { .. }));
    in_time(is_noticed).await.unwrap();

    // Nobody but the subscription declares it again before this does.
    until("the queue has its consumer again", async || {
        other.count("deleted").await.unwrap().is_some_and(|count| count.consumers == 1)
    })
    .await;
    other.publish(messages(&queue("deleted"), 5..6)).await.unwrap();
    assert_eq!(consume(&mut subscription, &acks, 1).await, [5]);
    until_ready_to_serve(&rabbit).await;
    other.close().await;
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_queue_is_declared_by_its_subscriber() {
    let rabbit = shared().await;
    let (mut subscription, acks) = rabbit.subscribe(queue("not there"), "test".to_owned(), 1);

    until("the queue has its consumer", async || {
        rabbit.count("not there").await.unwrap().is_some_and(|count| count.consumers == 1)
    })
    .await;

    rabbit.publish(messages(&queue("not there"), 1..2)).await.unwrap();
    assert_eq!(consume(&mut subscription, &acks, 1).await, [1]);
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_single_active_consumers_the_next_takes_over() {
    let (first, second) = (shared().await, shared().await);
    let queue = Arc::new(Queue::single_active("one at a time"));
    first.declare(&queue).await.unwrap();
    let (mut active, active_acks) = first.subscribe(Arc::clone(&queue), "first".to_owned(), 10);
    first.publish(messages(&queue, 0..1)).await.unwrap();
    consume(&mut active, &active_acks, 1).await;
    let (mut standby, standby_acks) = second.subscribe(Arc::clone(&queue), "second".to_owned(), 10);
    // A passive declaration does not count those that stand by.
    until("the second stands by", async || {
        block_in_place(|| RabbitMq::shared().ctl(&["list_consumers", "consumer_tag"])).contains("second.")
    })
    .await;
    first.publish(messages(&queue, 1..3)).await.unwrap();
    next(&mut active).await;
    next(&mut active).await;
    assert!(is_silent(&mut standby).await);

    first.close().await;

    assert_eq!(consume(&mut standby, &standby_acks, 2).await, [1, 2]);
    second.close().await;
}
