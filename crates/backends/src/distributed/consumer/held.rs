//! The copies that a session has in hand.

use std::sync::Arc;
use std::time::Instant;

use protocol::{History, Lease, SemaphoreWait, SessionId, Token};

use crate::broker::Delivery;
use crate::distributed::copy::Copy;
use crate::lease::is_suspect;
use crate::rabbitmq::Ticket;

/// A copy that has come, and the broker's claim on it.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) copy: Copy,
    pub(super) place: Place,
    pub(super) room: Room,
    /// Whether it is being claimed before a slot is free for it.
    pub(super) is_ahead: bool,
}

/// How much of the worker must be free for a copy before it is leased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// It may wait for a slot leased.
    None,
    /// A slot: one that was leased ahead is charged to no task when the worker dies.
    Slot,
    /// Everything: one more lost worker would end the task, and must not take others with it.
    All,
}

impl Item {
    pub(super) fn new(copy: Copy, place: Place) -> Self {
        let room = if copy.max_losses() <= 1 { Room::Slot } else { Room::None };
        Self { copy, place, room, is_ahead: false }
    }

    /// Whether one more lost worker would end the task: it is leased only to be run alone.
    pub(super) fn is_suspect(&self) -> bool {
        self.room == Room::All
    }
}

/// Where an unacknowledged delivery came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Number of the subscription.
    pub(super) source: usize,
    pub(super) ticket: Ticket,
}

/// How far a leased task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Leased ahead, waits for a slot.
    Ready,
    /// A slot has it.
    Running,
    /// Its attempt has ended and is being told.
    Settling,
}

/// A leased task.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) copy: Copy,
    /// The delivery that obliges us; `None` once it was handed over, when a delayed copy does.
    pub(super) place: Option<Place>,
    pub(super) attempt: u32,
    pub(super) history: History,
    pub(super) phase: Phase,
    pub(super) since: Instant,
    pub(super) since_us: u64,
    pub(super) is_handing_over: bool,
    /// What it waits for before it begins.
    pub(super) waits_for: Option<SemaphoreWait>,
}

impl Held {
    /// Whether its attempt goes on, or is about to begin.
    pub(super) fn is_active(&self) -> bool {
        match self.phase {
            Phase::Ready | Phase::Running => true,
            Phase::Settling => false,
        }
    }

    /// Whether nothing else may run beside it.
    pub(super) fn runs_alone(&self) -> bool {
        is_suspect(self.history.spent.lost, self.copy.max_losses())
    }

    pub(super) fn token(&self, session: SessionId) -> Token {
        Token { attempt: self.attempt, session }
    }

    pub(super) fn delivery(&self, session: SessionId) -> Delivery {
        Delivery {
            execution: self.copy.execution.clone(),
            task: Arc::clone(&self.copy.task),
            lease: Lease { task: self.copy.task.id, token: self.token(session) },
            incarnation: self.copy.incarnation,
            spent: self.history.spent,
            failed_attempts: self.history.failed_attempts.clone(),
            declined: self.history.times_declined(),
        }
    }
}
