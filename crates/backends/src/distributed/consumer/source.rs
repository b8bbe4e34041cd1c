//! One queue that a session takes tasks from.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::rabbitmq::{Acks, Delivery, Subscription, Ticket};

/// Fewer deliveries are asked for only when fewer have been wanted for so long: between two tasks a
/// slot wants none for a moment.
const SETTLED: Duration = Duration::from_millis(100);
/// Most unacknowledged deliveries; AMQP counts them in 16 bits.
const MOST: u32 = 8_192;

/// A delivery, and which queue it came from.
pub(super) struct Arrival {
    pub(super) source: usize,
    pub(super) delivery: Delivery,
}

/// One queue that a session takes tasks from.
pub(super) struct Source {
    pub(super) queue: String,
    acks: Acks,
    /// How many deliveries the broker may have out since it was last told. Those that were out
    /// before do not count against it.
    prefetch: u32,
    /// Out since then.
    current: HashSet<Ticket>,
    /// Out before.
    prior: HashSet<Ticket>,
    fewer_since: Option<Instant>,
    forwarder: JoinHandle<()>,
}

impl Source {
    /// Passes on what comes, until dropped.
    pub(super) fn start(
        number: usize,
        queue: String,
        (mut subscription, acks): (Subscription, Acks),
        arrivals: mpsc::UnboundedSender<Arrival>,
    ) -> Self {
        let forwarder = tokio::spawn(async move {
            while let Some(delivery) = subscription.next().await {
                if arrivals.send(Arrival { source: number, delivery }).is_err() {
                    return;
                }
            }
        });
        let (current, prior) = (HashSet::new(), HashSet::new());
        Self { queue, acks, prefetch: 0, current, prior, fewer_since: None, forwarder }
    }

    /// A delivery has come.
    pub(super) fn came(&mut self, ticket: Ticket) {
        self.current.insert(ticket);
    }

    /// A delivery is done with.
    pub(super) fn ack(&mut self, ticket: Ticket) {
        self.forget(ticket);
        self.acks.ack(ticket);
    }

    /// A delivery goes back to its queue.
    pub(super) fn requeue(&mut self, ticket: Ticket) {
        self.forget(ticket);
        self.acks.requeue(ticket);
    }

    /// Whether a delivery is still ours; if not, the broker has it back.
    pub(super) fn is_current(&self, ticket: Ticket) -> bool {
        self.acks.is_current(ticket)
    }

    /// How many deliveries may be out at present.
    pub(super) fn allowed(&self) -> u32 {
        self.prefetch + self.prior.len() as u32
    }

    /// Whether fewer deliveries may be asked for soon.
    pub(super) fn is_changing(&self) -> bool {
        self.fewer_since.is_some()
    }

    /// Lets so many deliveries be out: more at once, fewer after a while unless it is urgent.
    pub(super) fn want(&mut self, count: u32, now: Instant, is_urgent: bool) {
        let count = count.min(MOST);
        if count != self.allowed() {
            // Those of a connection that is gone are out no more.
            let acks = &self.acks;
            self.prior.retain(|ticket| acks.is_current(*ticket));
        }
        if count == self.allowed() {
            self.fewer_since = None;
            return;
        }
        if count < self.allowed() && !is_urgent {
            let since = *self.fewer_since.get_or_insert(now);
            if now.duration_since(since) < SETTLED {
                return;
            }
        }
        self.fewer_since = None;
        let acks = &self.acks;
        self.prior.extend(self.current.drain().filter(|ticket| acks.is_current(*ticket)));
        let prefetch = count.saturating_sub(self.prior.len() as u32);
        if prefetch > 0 || self.prefetch > 0 {
            self.prefetch = prefetch;
            self.acks.set_prefetch(prefetch as u16);
        }
    }

    fn forget(&mut self, ticket: Ticket) {
        if !self.current.remove(&ticket) {
            self.prior.remove(&ticket);
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}
