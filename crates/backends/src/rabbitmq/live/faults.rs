//! Faults: a broker that is killed, frozen or out of memory loses nothing and is noticed.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use tokio::sync::oneshot;

use super::*;

/// Publishes batch after batch until told to stop; gives how many messages were confirmed.
fn keep_publishing(
    rabbit: &Rabbit,
    queue: &Arc<Queue>,
) -> (oneshot::Sender<()>, tokio::task::JoinHandle<usize>) {
    const BATCH: usize = 100;
    let (stop, mut stopped) = oneshot::channel();
    let (rabbit, queue) = (rabbit.clone(), Arc::clone(queue));
    let task = tokio::spawn(async move {
        let mut published = 0;
        while stopped.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
            rabbit.publish(messages(&queue, published..published + BATCH)).await.unwrap();
            published += BATCH;
        }
        published
    });
    (stop, task)
}

/// Consumes and acknowledges for ever; tells how often each id came.
fn keep_consuming(rabbit: &Rabbit, queue: &Arc<Queue>) -> Arc<std::sync::Mutex<HashMap<usize, usize>>> {
    let (mut subscription, acks) = rabbit.subscribe(Arc::clone(queue), "test".to_owned(), 200);
    let seen = Arc::new(std::sync::Mutex::new(HashMap::new()));
    let record = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Some(delivery) = subscription.next().await {
            *record.lock().unwrap().entry(id(&delivery)).or_default() += 1;
            acks.ack(delivery.ticket);
        }
    });
    seen
}

async fn is_disconnected(rabbit: &Rabbit) {
    until_standing(rabbit, "disconnected", |standing| matches!(standing, Standing::Disconnected { .. }))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_broker_is_killed_under_load() {
    let server = block_in_place(RabbitMq::start);
    let rabbit = connect(&server).await;
    let queue = queue("killed");
    rabbit.declare(&queue).await.unwrap();
    block_in_place(|| server.write_down());
    let seen = keep_consuming(&rabbit, &queue);
    let (stop, publishing) = keep_publishing(&rabbit, &queue);
    let count = || seen.lock().unwrap().len();

    for _ in 0..2 {
        let before = count();
        until("messages flow", async || count() > before + 2_000).await;
        block_in_place(|| server.kill());
        is_disconnected(&rabbit).await;
        block_in_place(|| server.restart());
        until_ready_to_serve(&rabbit).await;
    }
    let before = count();
    until("messages flow again", async || count() > before + 2_000).await;
    stop.send(()).unwrap();
    let published = in_time(publishing).await.unwrap();

    until("every message came", async || count() >= published).await;
    let seen: HashSet<usize> = seen.lock().unwrap().keys().copied().collect();
    assert_eq!(seen, (0..published).collect());
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_of_a_lost_connection_are_not_ours_any_more() {
    let server = block_in_place(RabbitMq::start);
    let rabbit = connect(&server).await;
    let queue = queue("lost");
    rabbit.publish(messages(&queue, 0..2)).await.unwrap();
    let (mut subscription, acks) = rabbit.subscribe(queue, "test".to_owned(), 2);
    let (first, second) = (next(&mut subscription).await, next(&mut subscription).await);
    assert!(acks.is_current(first.ticket));
    block_in_place(|| server.write_down());

    block_in_place(|| server.restart());
    is_gone(&acks, &first).await;
    acks.ack(first.ticket);
    acks.requeue(second.ticket);

    let again = consume(&mut subscription, &acks, 2).await;
    assert_eq!(again.into_iter().collect::<HashSet<_>>(), HashSet::from([0, 1]));
    rabbit.close().await;
}

async fn is_gone(acks: &Acks, delivery: &Delivery) {
    until("the delivery is gone", async || !acks.is_current(delivery.ticket)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_broker_is_noticed_by_its_heartbeats() {
    let server = block_in_place(RabbitMq::start);
    let heartbeat = Duration::from_secs(2);
    let address = format!("{}?heartbeat=2", server.url()).parse().unwrap();
    let rabbit = Rabbit::connect(Config { address, ..config(&server) }).await.unwrap();
    let queue = queue("frozen");
    let seen = keep_consuming(&rabbit, &queue);
    rabbit.publish(messages(&queue, 0..10)).await.unwrap();
    until("messages came", async || seen.lock().unwrap().len() == 10).await;

    block_in_place(|| server.freeze());
    let frozen = Instant::now();
    let publishing = tokio::spawn({
        let (rabbit, messages) = (rabbit.clone(), messages(&queue, 10..20));
        async move { rabbit.publish(messages).await }
    });
    is_disconnected(&rabbit).await;
    // Two without a word, and half of one until somebody looks; the rest is for a slow machine. With the usual
    // heartbeat it would take 20 s.
    assert!(frozen.elapsed() < 6 * heartbeat, "noticed after {:?}", frozen.elapsed());
    assert!(!publishing.is_finished());
    block_in_place(|| server.thaw());

    in_time(publishing).await.unwrap().unwrap();
    until("all messages came", async || seen.lock().unwrap().len() == 20).await;
    until_ready_to_serve(&rabbit).await;
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_short_of_memory_blocks_publishing_but_not_consuming() {
    let server = block_in_place(RabbitMq::start);
    // Shorter than the alarm: being blocked is no silence.
    let confirm_timeout = Duration::from_secs(2);
    let rabbit = Rabbit::connect(Config { confirm_timeout, ..config(&server) }).await.unwrap();
    let queue = queue("blocked");
    rabbit.publish(messages(&queue, 0..10)).await.unwrap();
    let watermark =
        |value| block_in_place(|| server.ctl(&["set_vm_memory_high_watermark", "absolute", value]));
    assert_eq!(rabbit.blockage().await.unwrap(), None);
    watermark("1");
    // It is also known to who has not published anything.
    assert!(rabbit.blockage().await.unwrap().unwrap().contains("memory"));

    let publishing = tokio::spawn({
        let (rabbit, messages) = (rabbit.clone(), messages(&queue, 10..20));
        async move { rabbit.publish(messages).await }
    });
    until_standing(&rabbit, "blocked", |standing| matches!(standing, Standing::Blocked { .. })).await;
    let (mut subscription, acks) = rabbit.subscribe(queue, "test".to_owned(), 5);
    let mut seen: HashSet<_> = consume(&mut subscription, &acks, 10).await.into_iter().collect();
    let standing = rabbit.standing();
    let is_given_up = timeout(2 * confirm_timeout, async {
        standing.clone().wait_for(|standing| matches!(standing, Standing::Disconnected { .. })).await.is_ok()
    });
    assert!(is_given_up.await.is_err(), "a blocked connection was given up");
    assert!(!publishing.is_finished());

    watermark("256MB");
    in_time(publishing).await.unwrap().unwrap();
    until_ready_to_serve(&rabbit).await;
    seen.extend(consume(&mut subscription, &acks, 10).await);
    assert_eq!(seen, (0..20).collect());
    rabbit.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_does_not_wait_for_a_frozen_broker() {
    let server = block_in_place(RabbitMq::start);
    let rabbit = connect(&server).await;
    let queue = queue("frozen");
    rabbit.publish(messages(&queue, 0..1)).await.unwrap();
    let (subscription, _acks) = rabbit.subscribe(Arc::clone(&queue), "test".to_owned(), 1);
    block_in_place(|| server.freeze());
    let publishing = tokio::spawn({
        let (rabbit, messages) = (rabbit.clone(), messages(&queue, 1..2));
        async move { rabbit.publish(messages).await }
    });

    let begun = Instant::now();
    in_time(rabbit.close()).await;

    assert!(begun.elapsed() < Duration::from_secs(15), "it took {:?}", begun.elapsed());
    assert!(in_time(publishing).await.unwrap().is_err());
    drop(subscription);
    block_in_place(|| server.thaw());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_stuck_does_not_disturb_others() {
    let server = block_in_place(RabbitMq::start);
    let confirm_timeout = Duration::from_secs(1);
    let rabbit = Rabbit::connect(Config { confirm_timeout, ..config(&server) }).await.unwrap();
    let (stuck, well) = (queue("stuck"), queue("well"));
    rabbit.declare(&stuck).await.unwrap();
    rabbit.declare(&well).await.unwrap();
    let ctl = |arguments: &[&str]| block_in_place(|| server.ctl(arguments));
    let connections = ctl(&["list_connections", "pid"]);
    ctl(&["eval", "sys:suspend('%2F_stuck')."]);

    let publishing = tokio::spawn({
        let (rabbit, messages) = (rabbit.clone(), messages(&stuck, 0..10));
        async move { rabbit.publish(messages).await }
    });
    let names_it = |standing: &Standing| match standing {
        Standing::Disconnected { error } => error.contains("queue stuck"),
        Standing::Ready | Standing::Blocked { .. } => false,
    };
    until_standing(&rabbit, "waiting for the queue that is stuck", names_it).await;
    let (mut subscription, acks) = rabbit.subscribe(Arc::clone(&well), "test".to_owned(), 10);
    for first in (0..100).step_by(10) {
        in_time(rabbit.publish(messages(&well, first..first + 10))).await.unwrap();
        consume(&mut subscription, &acks, 10).await;
    }
    assert!(!publishing.is_finished());
    assert_eq!(ctl(&["list_connections", "pid"]), connections);

    ctl(&["eval", "sys:resume('%2F_stuck')."]);
    in_time(publishing).await.unwrap().unwrap();
    rabbit.publish(messages(&well, 0..10)).await.unwrap();
    until_ready_to_serve(&rabbit).await;
    rabbit.close().await;
}
