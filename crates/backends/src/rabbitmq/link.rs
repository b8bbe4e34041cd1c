//! A connection that is rebuilt for ever, and the supervisor that does it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use lapin::{Channel, Event};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::dial::{Dial, Line};
use super::standing::{Health, Part, Standing};
use super::topology;
use crate::in_full;
use crate::reconnect::Reconnect;

/// How often a connection is looked at, should no event have told its end.
const LOOK: Duration = Duration::from_secs(1);
/// A connection that lived this long was a good one: the next try comes soon.
const GOOD: Duration = Duration::from_secs(10);
/// What AMQP calls an error that the broker did not expect itself.
const INTERNAL_ERROR: u16 = 541;
/// Longest that saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// Longest that an answer of the broker may take where it has nothing to do but answer.
pub(super) const ANSWER: Duration = Duration::from_secs(10);

/// A handle on the connection that there is, if there is one.
#[derive(Debug, Clone)]
pub(super) struct Link {
    live: watch::Receiver<Option<Live>>,
    suspects: mpsc::UnboundedSender<u64>,
    /// Told when somebody needs a connection.
    needed: Arc<Notify>,
}

/// A connection that seems to be well.
#[derive(Debug, Clone)]
pub(super) struct Live {
    generation: u64,
    line: Arc<Line>,
}

/// The task that owns a connection.
#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) dial: Dial,
    pub(super) part: Part,
    pub(super) health: Health,
    pub(super) closing: watch::Receiver<bool>,
}

/// Why a connection is watched no longer.
enum End {
    Closing,
    Lost(String),
}

impl Link {
    /// Has the connection made, if it was not yet.
    pub(super) fn need(&self) {
        self.needed.notify_one();
    }

    /// Waits for a connection; `None` once it is closed for good.
    pub(super) async fn live(&mut self) -> Option<Live> {
        self.live.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// Waits until this connection is given up.
    pub(super) async fn gone(&mut self, live: &Live) {
        let is_another =
            |now: &Option<Live>| now.as_ref().is_none_or(|now| now.generation != live.generation);
        // An error means that it is closed for good.
        let _ = self.live.wait_for(is_another).await;
    }

    /// Publishes nothing to nobody, if there is a connection.
    pub(super) async fn provoke(&self) {
        let live = self.live.borrow().clone();
        if let Some(live) = live
            && !live.is_blocked()
        {
            // A connection that is blocked does not answer; how one ends is told elsewhere.
            let _ = timeout(ANSWER, live.line.publish_nothing()).await;
        }
    }

    /// Something was not answered: unless the connection answers another request at once, it is given
    /// up. One queue without a leader must not disturb all others.
    pub(super) async fn doubt(&self, live: &Live) {
        let answer = async {
            let channel = live.channel().await?;
            channel.close(200, "OK".into()).await
        };
        if !matches!(timeout(ANSWER / 2, answer).await, Ok(Ok(()))) {
            // Nobody listens once it is closed.
            let _ = self.suspects.send(live.generation);
        }
    }
}

impl Live {
    /// A new channel; an error may mean that the connection is gone.
    pub(super) async fn channel(&self) -> Result<Channel, lapin::Error> {
        self.line.connection.create_channel().await
    }

    /// Whether the broker takes no messages for now.
    pub(super) fn is_blocked(&self) -> bool {
        self.line.connection.status().blocked()
    }
}

impl Supervisor {
    /// Watches over a connection until it is closed. Without a first one it is made when it is needed.
    pub(super) fn watch(self, first: Option<Line>) -> (Link, tokio::task::JoinHandle<()>) {
        let first = first.map(|line| Live { generation: 1, line: Arc::new(line) });
        let (sender, live) = watch::channel(first.clone());
        let (suspects, suspected) = mpsc::unbounded_channel();
        let needed = Arc::new(Notify::new());
        let task = tokio::spawn(self.supervise(first, Arc::clone(&needed), sender, suspected));
        (Link { live, suspects, needed }, task)
    }

    async fn supervise(
        mut self,
        first: Option<Live>,
        needed: Arc<Notify>,
        told: watch::Sender<Option<Live>>,
        mut suspects: mpsc::UnboundedReceiver<u64>,
    ) {
        let mut reconnect = Reconnect::new();
        let mut live = match first {
            Some(live) => live,
            None => {
                tokio::select! {
                    () = needed.notified() => {}
                    () = closing(&mut self.closing) => return,
                }
                let Some(line) = self.reconnect(&mut reconnect).await else { return };
                self.health.tell(self.part, Standing::Ready);
                let live = Live { generation: 1, line: Arc::new(line) };
                told.send_replace(Some(live.clone()));
                live
            }
        };
        loop {
            let since = Instant::now();
            let end = self.watch_over(&live, &mut suspects).await;
            told.send_replace(None);
            match end {
                End::Closing => {
                    // A broker that does not answer is not waited for.
                    let goodbye = live.line.connection.close(200, "OK".into());
                    let _ = timeout(GOODBYE, goodbye).await;
                    live.line.cut();
                    return;
                }
                End::Lost(error) => {
                    live.line.cut();
                    tracing::warn!(address = %self.dial.address, part = ?self.part, error, "lost RabbitMQ");
                    self.health.tell(self.part, Standing::Disconnected { error });
                }
            }
            if since.elapsed() >= GOOD {
                reconnect.reset();
            }
            let Some(line) = self.reconnect(&mut reconnect).await else { return };
            live = Live { generation: live.generation + 1, line: Arc::new(line) };
            tracing::info!(address = %self.dial.address, part = ?self.part, "found RabbitMQ again");
            self.health.tell(self.part, Standing::Ready);
            told.send_replace(Some(live.clone()));
        }
    }

    /// Until it is lost or closed.
    async fn watch_over(&mut self, live: &Live, suspects: &mut mpsc::UnboundedReceiver<u64>) -> End {
        let connection = &live.line.connection;
        // There may be one listener only: several share the events among them.
        let mut events = Box::pin(connection.events_listener());
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = closing(&mut self.closing) => return End::Closing,
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => {
                        tracing::warn!(reason, "RabbitMQ takes no messages for now");
                        self.health.tell(self.part, Standing::Blocked { reason });
                    }
                    Some(Event::ConnectionUnblocked) => {
                        tracing::info!("RabbitMQ takes messages again");
                        self.health.tell(self.part, Standing::Ready);
                    }
                    // A channel's end is told here as well: that is no end of the connection.
                    Some(Event::Error(error)) if !connection.status().connected() => {
                        return End::Lost(why(&error));
                    }
                    Some(_) => {}
                    None => return End::Lost("the connection ended".to_owned()),
                },
                // The sender is in the link, of which clones may be gone before this ends.
                Some(generation) = suspects.recv() => if generation == live.generation {
                    return End::Lost("no answer".to_owned());
                },
                _ = looks.tick() => if !connection.status().connected() {
                    return End::Lost("the connection ended".to_owned());
                },
            }
        }
    }

    /// Tries for ever; `None` once it is closed.
    async fn reconnect(&mut self, reconnect: &mut Reconnect) -> Option<Line> {
        let Self { dial, part, health, closing: is_closing } = self;
        let attempts = async {
            loop {
                sleep(reconnect.next_delay()).await;
                match dial.connect().await {
                    Ok(line) => return line,
                    Err(error) => {
                        let error = in_full(&error);
                        tracing::warn!(address = %dial.address, ?part, error, "still no RabbitMQ");
                        health.tell(*part, Standing::Disconnected { error });
                    }
                }
            }
        };
        tokio::select! {
            () = closing(is_closing) => None,
            line = attempts => Some(line),
        }
    }
}

/// Why a connection ended. RabbitMQ 3.10 shows a quorum queue to others before it can be consumed from, and
/// takes messages for one that is being deleted.
fn why(error: &lapin::Error) -> String {
    if topology::code(error) == Some(INTERNAL_ERROR) {
        return format!(
            "{error} (an internal error of the broker, whose log says more; where a queue is new, or has \
             just been deleted, it is harmless: what was under way is sent again)"
        );
    }
    error.to_string()
}

/// Waits until everything is to be closed, or nobody is left who could say so.
pub(super) async fn closing(signal: &mut watch::Receiver<bool>) {
    let _ = signal.wait_for(|is_closing| *is_closing).await;
}

#[cfg(test)]
mod tests {
    use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError};

    use super::*;

    #[test]
    fn an_internal_error_of_the_broker_is_explained() {
        let error = |kind| {
            let error = AMQPError::new(AMQPErrorKind::Hard(kind), "told".into());
            lapin::Error::from(lapin::ErrorKind::ProtocolError(error))
        };

        let told = why(&error(AMQPHardError::INTERNALERROR));
        assert!(told.contains("told (an internal error of the broker"), "{told}");
        let told = why(&error(AMQPHardError::CONNECTIONFORCED));
        assert!(told.ends_with("told"), "{told}");
    }
}
