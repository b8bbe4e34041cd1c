//! Delayed copies: each step's queue is drained by one of the live processes, which holds its head until
//! it is due and sends it on. The servers' own means for delays lose messages when they are killed.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connect::Shared;
use super::copy::{self, Delayed};
use super::fate::{Fate, fates};
use super::queues::{STEPS, park_time};
use crate::rabbitmq::{self, Acks, Delivery, Message, Subscription, Ticket};

/// Most messages that are held at once, per step.
const PREFETCH: u16 = 256;
/// A message that is not due after so long goes back to the head of its queue: no broker's time-out
/// for acknowledgements may be reached.
const MOST_HELD: Duration = Duration::from_secs(30);
/// What is due so soon is held instead of sent on to another step.
const NEAR: Duration = Duration::from_millis(1_500);
/// Pause before what the broker refused is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Drains all steps until dropped.
pub(super) async fn drain(shared: Arc<Shared>) {
    let mut running = JoinSet::new();
    for (step, queue) in shared.delayed.iter().enumerate() {
        if let Err(error) = shared.declare(queue).await {
            // Its subscription tries again for ever, and says so.
            tracing::warn!(
                queue = &*queue.name,
                error = &error as &dyn std::error::Error,
                "cannot declare a queue"
            );
        }
        let name = format!("drains {}", queue.name);
        let (subscription, acks) = shared.rabbit.subscribe(Arc::clone(queue), name, PREFETCH);
        running.spawn(Drain { step, shared: Arc::clone(&shared), acks }.run(subscription));
    }
    running.join_all().await;
}

struct Drain {
    /// Which step's queue it drains.
    step: usize,
    shared: Arc<Shared>,
    acks: Acks,
}

/// A message that waits for its time.
struct Waiting {
    delivery: Delivery,
    delayed: Result<Delayed, String>,
}

impl Drain {
    async fn run(self, mut subscription: Subscription) {
        let mut waiting = FuturesUnordered::new();
        let mut sending = FuturesUnordered::new();
        let mut due = Vec::new();
        loop {
            tokio::select! {
                biased;
                Some(one) = waiting.next() => {
                    due.push(one);
                    // All that are due go together.
                    while let Some(Some(more)) = futures::FutureExt::now_or_never(waiting.next()) {
                        due.push(more);
                    }
                    sending.push(self.send_on(std::mem::take(&mut due)));
                }
                Some(()) = sending.next() => {}
                delivery = subscription.next() => {
                    let Some(delivery) = delivery else { return };
                    waiting.push(self.wait(delivery));
                }
            }
        }
    }

    /// Holds a message until it is due, or for as long as it may be held.
    async fn wait(&self, delivery: Delivery) -> Waiting {
        let delayed =
            Delayed::of(&delivery, &self.shared.copies.names).map_err(|refused| refused.to_string());
        if let Ok(delayed) = &delayed {
            let left = self.left(delayed);
            tokio::time::sleep_until(Instant::now() + left.min(MOST_HELD)).await;
        }
        Waiting { delivery, delayed }
    }

    fn left(&self, delayed: &Delayed) -> Duration {
        let left = Duration::from_millis(delayed.due_ms.saturating_sub(self.shared.store_now_ms()));
        // A clock that jumped must not hide a message for ever: no wait is longer than asked for by hand.
        left.min(Duration::from_secs(7 * 24 * 3600))
    }

    async fn send_on(&self, waited: Vec<Waiting>) {
        let mut sending = Vec::with_capacity(waited.len());
        let mut due = Vec::new();
        let Shared { copies, delayed: steps, .. } = &*self.shared;
        for Waiting { delivery, delayed } in waited {
            match delayed {
                Ok(delayed) => {
                    let left = self.left(&delayed);
                    if left.is_zero() {
                        due.push((delivery, delayed));
                    } else if self.belongs_here(left) {
                        self.acks.requeue(delivery.ticket);
                    } else {
                        sending.push((delivery.ticket, delayed.onward(&delivery, steps, left)));
                    }
                }
                Err(reason) => {
                    let queue = copies.names.delayed(STEPS[self.step]);
                    sending.push((delivery.ticket, copies.dead(&queue, &reason, &delivery.body)));
                }
            }
        }
        let fates = fates(&self.shared, &due).await;
        for ((delivery, delayed), fate) in due.into_iter().zip(fates) {
            let message = match fate {
                Fate::Wanted => delayed.onward(&delivery, steps, Duration::ZERO),
                Fate::Leased => {
                    let wait = park_time(copy::parks(&delivery));
                    copy::put_off(steps, &delayed.target, &delivery, self.shared.store_now_ms(), wait)
                }
                Fate::Done { part } => copies.report(&delayed.execution, vec![part]),
            };
            sending.push((delivery.ticket, message));
        }
        self.send(sending).await;
    }

    async fn send(&self, sending: Vec<(Ticket, Message)>) {
        if sending.is_empty() {
            return;
        }
        let messages = sending.iter().map(|(_, message)| message.clone()).collect();
        match self.shared.rabbit.publish(messages).await {
            Ok(()) => {
                super::crash::point("drained");
                sending.into_iter().for_each(|(ticket, _)| self.acks.ack(ticket));
            }
            // The broker has them back.
            Err(rabbitmq::Error::Closed) => {}
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the broker refuses a delayed message; it goes back"
                );
                tokio::time::sleep(PAUSE).await;
                sending.into_iter().for_each(|(ticket, _)| self.acks.requeue(ticket));
            }
        }
    }

    /// Whether what is left to wait is to be waited for in this very queue.
    fn belongs_here(&self, left: Duration) -> bool {
        left <= NEAR || self.step == super::queues::step_for(left)
    }
}
