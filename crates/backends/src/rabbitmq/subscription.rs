//! The two ends of a subscription: deliveries come out of one, acknowledgements go into the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::handle::Rabbit;
use super::message::{Delivery, Ticket};

/// What a subscription's owner is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command {
    Acknowledge(Ticket),
    GiveBack(Ticket),
    SetPrefetch(u16),
}

/// Which generation of tickets is good now; 0 while there is none.
#[derive(Debug, Clone, Default)]
pub(super) struct Generation(Arc<AtomicU64>);

/// Deliveries of a queue, over reconnects. Dropped, it gives back what nobody has taken from it.
#[derive(Debug)]
pub struct Subscription {
    pub(super) deliveries: mpsc::UnboundedReceiver<Delivery>,
    pub(super) acks: Acks,
    /// The connections last at least as long as what needs them.
    pub(super) _rabbit: Rabbit,
}

/// Settles deliveries; never blocks. Cloning is cheap. Acknowledgements are sent in batches within a
/// millisecond or so; one that does not arrive, because the connection is gone, is one that the
/// broker delivers again.
#[derive(Debug, Clone)]
pub struct Acks {
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) current: Generation,
}

impl Subscription {
    /// Waits for a delivery; `None` once it is closed. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            let delivery = self.deliveries.recv().await?;
            // The broker has given the others to somebody else, or will.
            if self.acks.is_current(delivery.ticket) {
                return Some(delivery);
            }
        }
    }

    /// A delivery that is there already.
    pub fn try_next(&mut self) -> Option<Delivery> {
        loop {
            let delivery = self.deliveries.try_recv().ok()?;
            if self.acks.is_current(delivery.ticket) {
                return Some(delivery);
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.acks.set_prefetch(0);
        self.deliveries.close();
        while let Ok(delivery) = self.deliveries.try_recv() {
            self.acks.requeue(delivery.ticket);
        }
    }
}

impl Acks {
    /// The broker may forget it. Acknowledged twice, or after its connection has gone, it counts for
    /// nothing.
    pub fn ack(&self, ticket: Ticket) {
        self.tell(Command::Acknowledge(ticket));
    }

    /// Back to its queue, for any consumer.
    pub fn requeue(&self, ticket: Ticket) {
        self.tell(Command::GiveBack(ticket));
    }

    /// How many deliveries may be out from now on, not counting those that are; with 0 no more come,
    /// except those that are on their way. What is out may be settled as before.
    pub fn set_prefetch(&self, prefetch: u16) {
        self.tell(Command::SetPrefetch(prefetch));
    }

    /// Whether a delivery is still ours; if not, its channel is gone and the broker has it back.
    pub fn is_current(&self, ticket: Ticket) -> bool {
        self.current.is(ticket.generation)
    }

    fn tell(&self, command: Command) {
        // Nobody listens once it is closed: then the broker has everything back.
        let _ = self.commands.send(command);
    }
}

impl Generation {
    pub(super) fn set(&self, generation: u64) {
        self.0.store(generation, Ordering::Release);
    }

    fn is(&self, generation: u64) -> bool {
        self.0.load(Ordering::Acquire) == generation
    }
}
