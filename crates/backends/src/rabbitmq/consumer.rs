//! The owner of a subscription: its channel, its consumer and what is out.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use lapin::options::{
    BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use super::ledger::Ledger;
use super::link::{ANSWER, Link, Live, closing};
use super::message::Delivery;
use super::queue::{Queue, short};
use super::standing::{Health, Part, Standing};
use super::subscription::{Command, Generation};
use super::topology::{self, Topology};
use crate::reconnect::Reconnect;

/// Most deliveries or commands that are handled in one turn.
const BATCH: usize = 512;
/// Longest between two tries to consume on a connection that is well.
const BETWEEN_TRIES: Duration = Duration::from_secs(2);
/// How often the channel is looked at, should nothing have told its end.
const LOOK: Duration = Duration::from_secs(1);
const NOT_FOUND: u16 = 404;

/// The task behind a subscription.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) link: Link,
    pub(super) topology: Topology,
    pub(super) health: Health,
    pub(super) part: Part,
    pub(super) queue: Arc<Queue>,
    /// For people who look at the broker.
    pub(super) name: String,
    pub(super) prefetch: u16,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) deliveries: mpsc::UnboundedSender<Delivery>,
    pub(super) current: Generation,
    pub(super) closing: watch::Receiver<bool>,
    /// Channels so far.
    pub(super) generation: u64,
    /// Consumers so far.
    pub(super) consumers: u64,
}

/// A channel, and what is out on it.
struct Desk<'a> {
    channel: &'a Channel,
    live: &'a Live,
    ledger: Ledger,
    consumer: Option<Consumer>,
    /// With which prefetch the consumer was made.
    prefetch: u16,
}

/// Why a channel is served no longer.
#[derive(Debug)]
enum End {
    /// By us, or because nobody wants its deliveries.
    Closed,
    /// The channel or its connection failed.
    Lost(lapin::Error),
    /// The connection is gone.
    Gone,
    /// The broker does not answer.
    Silent,
}

impl From<lapin::Error> for End {
    fn from(error: lapin::Error) -> Self {
        Self::Lost(error)
    }
}

impl Owner {
    /// Consumes over reconnects until it is closed.
    pub(super) async fn run(mut self) {
        let mut reconnect = Reconnect::new();
        let mut is_closing = self.closing.clone();
        let mut link = self.link.clone();
        loop {
            let live = tokio::select! {
                () = closing(&mut is_closing) => break,
                live = link.live() => live,
            };
            let Some(live) = live else { break };
            let end = match timeout(ANSWER, live.channel()).await {
                Ok(Ok(channel)) => self.serve_anew(&channel, &live, &mut reconnect).await,
                Ok(Err(error)) => End::Lost(error),
                Err(_) => End::Silent,
            };
            match end {
                End::Closed => break,
                End::Silent => {
                    let queue = &*self.queue.name;
                    tracing::warn!(queue, waited = ?ANSWER, "no answer from RabbitMQ about a consumer");
                    let error = format!("no answer about a consumer of queue {queue}");
                    self.health.tell(self.part, Standing::Disconnected { error });
                    self.link.doubt(&live).await;
                }
                End::Lost(error) => self.lost(&error).await,
                End::Gone => {}
            }
            tokio::select! {
                () = closing(&mut is_closing) => break,
                () = sleep(reconnect.next_delay().min(BETWEEN_TRIES)) => {}
            }
        }
        self.health.tell(self.part, Standing::Ready);
    }

    async fn serve_anew(&mut self, channel: &Channel, live: &Live, reconnect: &mut Reconnect) -> End {
        self.generation += 1;
        self.current.set(self.generation);
        let mut desk = Desk { channel, live, ledger: Ledger::new(), consumer: None, prefetch: 0 };
        let end = self.serve(&mut desk, reconnect).await;
        if matches!(end, End::Closed) {
            // Acknowledgements count only once the broker has them: its answer comes after them.
            let _ = timeout(ANSWER, channel.close(200, "OK".into())).await;
        }
        // The broker has back whatever was out.
        self.current.set(0);
        end
    }

    /// Serves one channel until its end.
    async fn serve(&mut self, desk: &mut Desk<'_>, reconnect: &mut Reconnect) -> End {
        let mut is_closing = self.closing.clone();
        let mut link = self.link.clone();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_try = Instant::now();
        let mut commands = Vec::with_capacity(BATCH);
        loop {
            if desk.consumer.is_some() && desk.prefetch != self.prefetch {
                if let Err(end) = self.stop(desk).await {
                    return end;
                }
                next_try = Instant::now();
            }
            let wants_consumer = desk.consumer.is_none() && self.prefetch > 0;
            let turn = tokio::select! {
                () = closing(&mut is_closing) => {
                    while let Ok(command) = self.commands.try_recv() {
                        commands.push(command);
                    }
                    self.obey(desk, &mut commands).await.and(Err(End::Closed))
                }
                () = link.gone(desk.live) => Err(End::Gone),
                count = self.commands.recv_many(&mut commands, BATCH) => match count {
                    // Nobody is left.
                    0 => Err(End::Closed),
                    _ => self.obey(desk, &mut commands).await,
                },
                delivery = next(&mut desk.consumer) => match delivery {
                    Some(Ok(delivery)) => {
                        reconnect.reset();
                        self.forward(desk, delivery).await
                    }
                    Some(Err(error)) => Err(End::Lost(error)),
                    None => {
                        desk.consumer = None;
                        next_try = Instant::now() + reconnect.next_delay().min(BETWEEN_TRIES);
                        self.cancelled().await;
                        Ok(())
                    }
                },
                () = sleep_until(next_try), if wants_consumer => self.consume(desk).await,
                _ = looks.tick() => if desk.channel.status().connected() { Ok(()) } else { Err(End::Gone) },
            };
            if let Err(end) = turn {
                return end;
            }
        }
    }

    async fn consume(&mut self, desk: &mut Desk<'_>) -> Result<(), End> {
        let name = short(&self.queue.name).unwrap_or_default();
        // Never the same again: a quorum queue still knows a cancelled consumer that has deliveries.
        self.consumers += 1;
        let tag = format!("{}.{}", self.name, self.consumers);
        let tag = short(&tag).unwrap_or_else(|_| self.consumers.to_string().into());
        let consumer = async {
            desk.channel.basic_qos(self.prefetch, BasicQosOptions::default()).await?;
            let options = BasicConsumeOptions::default();
            desk.channel.basic_consume(name, tag, options, FieldTable::default()).await
        };
        let consumer = timeout(ANSWER, consumer).await.map_err(|_| End::Silent)??;
        tracing::debug!(queue = &*self.queue.name, prefetch = self.prefetch, "consuming");
        desk.consumer = Some(consumer);
        desk.prefetch = self.prefetch;
        self.health.tell(self.part, Standing::Ready);
        Ok(())
    }

    /// Ends the consumer, not the channel: what is out may still be settled.
    async fn stop(&mut self, desk: &mut Desk<'_>) -> Result<(), End> {
        let Some(mut consumer) = desk.consumer.take() else { return Ok(()) };
        let cancel = desk.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
        timeout(ANSWER, cancel).await.map_err(|_| End::Silent)??;
        // Those that were on their way.
        while let Some(Some(delivery)) = consumer.next().now_or_never() {
            self.hand_out(desk, delivery?);
        }
        self.settle(desk).await
    }

    /// Hands out a delivery, and those that wait behind it.
    async fn forward(&mut self, desk: &mut Desk<'_>, first: lapin::message::Delivery) -> Result<(), End> {
        let mut was_taken = self.hand_out(desk, first);
        for _ in 1..BATCH {
            let Some(Some(Ok(delivery))) = next(&mut desk.consumer).now_or_never() else { break };
            was_taken &= self.hand_out(desk, delivery);
        }
        if was_taken { Ok(()) } else { self.settle(desk).await }
    }

    /// Whether somebody took it; otherwise it goes back with the next settlement.
    fn hand_out(&self, desk: &mut Desk<'_>, delivery: lapin::message::Delivery) -> bool {
        let delivery = Delivery::new(delivery, self.generation);
        let tag = delivery.ticket.tag;
        desk.ledger.deliver(tag);
        let was_taken = self.deliveries.send(delivery).is_ok();
        if !was_taken {
            desk.ledger.give_back(tag);
        }
        was_taken
    }

    async fn obey(&mut self, desk: &mut Desk<'_>, commands: &mut Vec<Command>) -> Result<(), End> {
        for command in commands.drain(..) {
            match command {
                Command::Acknowledge(ticket) if ticket.generation == self.generation => {
                    desk.ledger.acknowledge(ticket.tag);
                }
                Command::GiveBack(ticket) if ticket.generation == self.generation => {
                    desk.ledger.give_back(ticket.tag);
                }
                // Of a channel that is gone, and its deliveries with it.
                Command::Acknowledge(_) | Command::GiveBack(_) => {}
                // The broker counts what is out by consumer: a new one, even with the same number,
                // starts from none. What was given back before goes back before it asks for more,
                // what is given back after comes to others first.
                Command::SetPrefetch(prefetch) => {
                    self.prefetch = prefetch;
                    self.settle(desk).await?;
                    self.stop(desk).await?;
                }
            }
        }
        self.settle(desk).await
    }

    /// Tells the broker what was settled. Its frames are put in line at once; waiting until the last
    /// is written makes the next batch larger under load.
    async fn settle(&self, desk: &mut Desk<'_>) -> Result<(), End> {
        let settlement = desk.ledger.settle();
        let channel = desk.channel;
        let give_back = |tag| {
            let options = BasicNackOptions { multiple: false, requeue: true };
            channel.basic_nack(tag, options).boxed()
        };
        let acknowledge = |tag| channel.basic_ack(tag, BasicAckOptions { multiple: false }).boxed();
        let through = |tag| channel.basic_ack(tag, BasicAckOptions { multiple: true }).boxed();
        let frames = settlement.returned.into_iter().map(give_back);
        let frames = frames.chain(settlement.single.into_iter().map(acknowledge));
        let frames = frames.chain(settlement.through.map(through));
        let mut last = None;
        for mut frame in frames {
            last = match (&mut frame).now_or_never() {
                Some(sent) => {
                    sent?;
                    None
                }
                None => Some(frame),
            };
        }
        if let Some(last) = last {
            timeout(ANSWER, last).await.map_err(|_| End::Silent)??;
        }
        Ok(())
    }

    /// The broker ended the consumer: most likely the queue was deleted.
    async fn cancelled(&self) {
        let queue = &*self.queue.name;
        tracing::warn!(queue, "RabbitMQ cancelled a consumer; consuming anew");
        let error = format!("the consumer of queue {queue} was cancelled");
        self.health.tell(self.part, Standing::Disconnected { error });
        self.declare().await;
    }

    /// The channel is gone; if for want of a queue, that is mended.
    async fn lost(&self, error: &lapin::Error) {
        let queue = &*self.queue.name;
        tracing::debug!(queue, %error, "lost the channel of a consumer");
        if !error.is_amqp_soft_error() {
            // The connection's supervisor tells the rest.
            return;
        }
        if topology::code(error) == Some(NOT_FOUND) {
            return self.declare().await;
        }
        tracing::warn!(queue, %error, "RabbitMQ ended the channel of a consumer");
        let error = format!("cannot consume from queue {queue}: {error}");
        self.health.tell(self.part, Standing::Disconnected { error });
    }

    async fn declare(&self) {
        if let Err(error) = self.topology.declare(&self.queue).await {
            let error = crate::in_full(&error);
            tracing::warn!(queue = &*self.queue.name, error, "cannot declare a queue to consume from");
            self.health.tell(self.part, Standing::Disconnected { error });
        }
    }
}

async fn next(consumer: &mut Option<Consumer>) -> Option<Result<lapin::message::Delivery, lapin::Error>> {
    match consumer {
        Some(consumer) => consumer.next().await,
        None => pending().await,
    }
}
