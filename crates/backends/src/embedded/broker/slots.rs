//! The tasks that one consumer has leased.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::{Attempt, IdMap, Lease, Session, TaskId, to_unix_micros};

use super::inbox::Inbox;
use super::job::Job;

/// Coarse time: how many ticks of the sweeper have passed. A clock read for each lease would cost
/// more than the rest of the lease.
pub(super) type Tick = u32;
/// How long a tick is.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// After so many begun ticks a lease is told, so between 200 and 300 ms.
const TICKS_UNTIL_TOLD: Tick = 3;

/// A session and what it runs.
#[derive(Debug)]
pub(super) struct Slots {
    pub(super) session: Session,
    /// A std mutex: held for a few instructions, never across an await.
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    leased: IdMap<TaskId, Leased>,
    /// Tasks of one execution that came while a task of another with the same content was leased
    /// here: a lease names no execution, so they wait until that one is settled.
    aside: Vec<Job>,
}

#[derive(Debug)]
struct Leased {
    job: Job,
    since: Tick,
    is_told: bool,
}

/// A task whose lease has ended, and what else may run now.
pub(super) struct Released {
    pub(super) job: Job,
    /// Whether its coordinator was told that it is leased.
    pub(super) was_told: bool,
    pub(super) unblocked: Vec<Job>,
}

impl Slots {
    pub(super) fn new(session: Session) -> Self {
        Self { session, held: Mutex::default() }
    }

    /// Leases a task and makes what is handed out of it; `None` if it has to wait for another.
    pub(super) fn lease<T>(&self, mut job: Job, now: Tick, make: impl FnOnce(&Job, Lease) -> T) -> Option<T> {
        let task = job.task.id;
        let mut held = self.held();
        if held.leased.contains_key(&task) {
            held.aside.push(job);
            return None;
        }
        job.attempts += 1;
        let made = make(&job, Lease { task, token: job.token(self.session.id) });
        held.leased.insert(task, Leased { job, since: now, is_told: false });
        Some(made)
    }

    /// Ends a lease; `None` if it is not ours any more.
    pub(super) fn release(&self, lease: &Lease) -> Option<Released> {
        let mut held = self.held();
        let current = held.leased.get(&lease.task)?;
        if current.job.token(self.session.id) != lease.token {
            return None;
        }
        let Leased { job, is_told, .. } = held.leased.remove(&lease.task)?;
        Some(Released { job, was_told: is_told, unblocked: std::mem::take(&mut held.aside) })
    }

    /// Whether a lease is ours.
    pub(super) fn holds(&self, lease: &Lease) -> bool {
        let held = self.held();
        held.leased.get(&lease.task).is_some_and(|leased| leased.job.token(self.session.id) == lease.token)
    }

    /// Tells which leases have lasted.
    pub(super) fn tell(&self, now: Tick) {
        for leased in self.held().leased.values_mut() {
            if !leased.is_told && now.wrapping_sub(leased.since) >= TICKS_UNTIL_TOLD {
                leased.is_told = true;
                leased.job.inbox.tell_leased(leased.job.task.id);
            }
        }
    }

    /// Lets the leases of an execution be told again, to its next coordinator.
    pub(super) fn forget_told(&self, inbox: &Inbox) {
        for leased in self.held().leased.values_mut() {
            leased.is_told &= leased.job.inbox.execution != inbox.execution;
        }
    }

    /// Ends all leases: each task with the evidence of its lost attempt, and whether it was told.
    pub(super) fn lose_all(&self, now: Tick) -> (Vec<(Job, Attempt, bool)>, Vec<Job>) {
        let held = std::mem::take(&mut *self.held());
        let ended = std::time::SystemTime::now();
        let lost = held.leased.into_values().map(|Leased { job, since, is_told }| {
            let duration = TICK * now.wrapping_sub(since);
            let started_at = to_unix_micros(ended.checked_sub(duration).unwrap_or(ended));
            let mut attempt = job.lost_attempt(self.session.id, &self.session.node, started_at);
            attempt.duration = duration;
            (job, attempt, is_told)
        });
        (lost.collect(), held.aside)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
