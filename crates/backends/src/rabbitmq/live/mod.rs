//! Tests against real brokers.

mod connecting;
mod consuming;
mod faults;
mod publishing;
mod topology;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ::tests::servers::RabbitMq;
use tokio::task::block_in_place;
use tokio::time::{sleep, timeout};

use super::{Acks, Config, Delivery, Message, Queue, Rabbit, Standing, Subscription};

/// Longest that anything may take on a slow machine.
const DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

fn config(server: &RabbitMq) -> Config {
    Config::new(server.url().parse().unwrap(), "test")
}

async fn connect(server: &RabbitMq) -> Rabbit {
    Rabbit::connect(config(server)).await.unwrap()
}

/// A client of the broker that tests share. Each test uses queues of its own name.
async fn shared() -> Rabbit {
    connect(block_in_place(RabbitMq::shared)).await
}

fn queue(name: &str) -> Arc<Queue> {
    Arc::new(Queue::shared(name))
}

/// Messages with the ids `first` to `last`.
fn messages(queue: &Arc<Queue>, ids: std::ops::Range<usize>) -> Vec<Message> {
    let message = |id: usize| Message {
        queue: Arc::clone(queue),
        id: id.to_string(),
        body: format!("body of {id}").into(),
        headers: Vec::new(),
    };
    ids.map(message).collect()
}

async fn next(subscription: &mut Subscription) -> Delivery {
    let delivery = timeout(DEADLINE, subscription.next()).await.expect("a delivery in time");
    delivery.expect("the subscription is open")
}

fn id(delivery: &Delivery) -> usize {
    delivery.id().unwrap().parse().unwrap()
}

/// Takes and acknowledges deliveries, and gives their ids.
async fn consume(subscription: &mut Subscription, acks: &Acks, count: usize) -> Vec<usize> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let delivery = next(subscription).await;
        acks.ack(delivery.ticket);
        ids.push(id(&delivery));
    }
    ids
}

/// Waits until a queue holds as many messages that no consumer has: the broker tells them late.
async fn until_ready(rabbit: &Rabbit, name: &str, ready: u32) {
    until(&format!("{ready} messages in {name}"), async || {
        rabbit.count(name).await.unwrap().is_some_and(|count| count.ready == ready)
    })
    .await;
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waited = timeout(DEADLINE, async {
        while !condition().await {
            sleep(PAUSE).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited a minute for {what}"));
}

async fn until_standing(rabbit: &Rabbit, what: &str, is_so: impl FnMut(&Standing) -> bool) {
    let mut standing = rabbit.standing();
    let so = timeout(DEADLINE, standing.wait_for(is_so)).await;
    so.unwrap_or_else(|_| panic!("waited a minute to be {what}")).unwrap();
}

async fn until_ready_to_serve(rabbit: &Rabbit) {
    until_standing(rabbit, "ready", |standing| *standing == Standing::Ready).await;
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(DEADLINE, future).await.expect("it ends in time")
}
