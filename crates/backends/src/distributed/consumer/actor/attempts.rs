//! Attempts: given to slots, listed while they run, and how they end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::{
    History, Lease, Outcome, Presence, Running, SemaphoreName, SemaphoreWait, TaskId, to_unix_micros,
};
use tokio::sync::oneshot;

use super::{Actor, LISTED};
use crate::broker::Settled;
use crate::distributed::consumer::effects::{Ended, Event, Telling};
use crate::distributed::consumer::held::Phase;
use crate::distributed::queues::park_time;

/// From then on an attempt is named to others as running.
const LONG: Duration = Duration::from_millis(200);

/// How a task goes back to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The delivery itself, to where it was in its queue.
    First,
    /// As a new copy, behind all others, after this delay.
    After(Duration),
}

impl Actor {
    /// Gives leased tasks to waiting slots.
    pub(super) fn serve(&mut self, now: Instant) {
        while let Some(task) = self.ready.front().copied() {
            let Some(waiter) = self.waiters.pop_front() else { return };
            let Some(held) = self.held.get_mut(&task) else {
                self.ready.pop_front();
                self.waiters.push_front(waiter);
                continue;
            };
            held.since = now;
            held.since_us = to_unix_micros(std::time::SystemTime::now());
            let delivery = held.delivery(self.tools.session);
            if waiter.send(Ok(Some(delivery))).is_ok() {
                held.phase = Phase::Running;
                self.ready.pop_front();
                self.last_given = now;
            }
        }
    }

    pub(super) fn make_ready_again(&mut self, task: TaskId) {
        if let Some(held) = self.held.get_mut(&task)
            && held.phase == Phase::Running
        {
            held.phase = Phase::Ready;
            self.ready.push_front(task);
        }
    }

    /// Lists running attempts for the heartbeat.
    pub(super) fn list(&mut self, now: Instant) {
        if now.duration_since(self.last_listed) < LISTED {
            return;
        }
        self.last_listed = now;
        let long = self
            .held
            .iter()
            .filter(|(_, held)| held.phase == Phase::Running && now.duration_since(held.since) >= LONG);
        let running: Vec<_> = long
            .take(Presence::MOST_RUNNING)
            .map(|(task, held)| Running {
                execution: held.copy.execution.clone(),
                task: *task,
                attempt: held.attempt,
                since_us: held.since_us,
                waits_for: held.waits_for.clone(),
            })
            .collect();
        *self.tools.vitals.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = running;
    }

    pub(super) fn waits(&mut self, lease: Lease, semaphore: Option<SemaphoreName>) {
        let session = self.tools.session;
        if let Some(held) = self.held.get_mut(&lease.task)
            && held.token(session) == lease.token
        {
            let since_us = to_unix_micros(std::time::SystemTime::now());
            // Once it waits no longer it begins.
            held.since_us = since_us;
            held.waits_for = semaphore.map(|semaphore| SemaphoreWait { semaphore, since_us });
        }
    }

    pub(super) fn complete(&mut self, lease: Lease, outcome: Outcome, reply: oneshot::Sender<Settled>) {
        let session = self.tools.session;
        let Some(held) = self.held.get_mut(&lease.task) else { return refuse(reply) };
        if held.phase != Phase::Running || held.token(session) != lease.token {
            return refuse(reply);
        }
        held.phase = Phase::Settling;
        self.lookahead.learn(held.since.elapsed());
        let end = Ended {
            task: lease.task,
            execution: held.copy.execution.clone(),
            attempt: held.attempt,
            outcome,
            has_delayed_copies: held.copy.parks > 0,
        };
        self.to_complete.push((end, reply));
    }

    /// Ends an attempt that is not the last one.
    pub(super) fn end_attempt(
        &mut self,
        lease: Lease,
        note: impl FnOnce(&mut History),
        way: Way,
        reply: oneshot::Sender<Settled>,
    ) {
        let session = self.tools.session;
        let Some(held) = self.held.get_mut(&lease.task) else { return refuse(reply) };
        if held.phase != Phase::Running || held.token(session) != lease.token {
            return refuse(reply);
        }
        held.phase = Phase::Settling;
        note(&mut held.history);
        let (copy, attempt, history) = (held.copy.clone(), held.attempt, held.history.clone());
        let spent = history.spent;
        let tools = Arc::clone(&self.tools);
        self.tools.vitals.count(|counters| counters.released += 1);
        if way == Way::First {
            // Fewer are asked for before it goes back, so that it does not come again at once.
            self.adjust_to(Instant::now(), true);
        }
        self.effects.push(Box::pin(async move {
            let event = Arc::clone(&tools)
                .release(copy.clone(), attempt, history, |settled| {
                    let _ = reply.send(settled);
                })
                .await;
            match (event, way) {
                (Event::Released(_, Settled::Accepted), Way::After(after)) => {
                    let copy = tools.routed(copy, &spent).await;
                    tools.send_back(copy, after).await
                }
                (event, Way::First | Way::After(_)) => event,
            }
        }));
    }

    pub(super) fn completed(&mut self, task: TaskId, settled: Settled, part: bytes::Bytes) {
        if let Some(reply) = self.replies.remove(&task) {
            let _ = reply.send(settled);
        }
        match settled {
            Settled::Accepted => {
                self.tools.vitals.count(|counters| counters.completed += 1);
                if let Some(held) = self.held.get(&task) {
                    let execution = held.copy.execution.clone();
                    self.to_tell.push(Telling { execution, part, task: Some(task), place: None });
                }
            }
            Settled::Stale => self.stale(task),
        }
    }

    /// The lease was lost. The copy stays in the broker, since nobody has said that it may go.
    pub(super) fn stale(&mut self, task: TaskId) {
        self.tools.vitals.count(|counters| counters.stale += 1);
        if let Some(held) = self.held.remove(&task)
            && let Some(place) = held.place
        {
            self.to_park.push((held.copy.parked(), place, park_time(0)));
        }
    }

    /// The task is done with: whatever delivery obliged us is acknowledged.
    pub(super) fn let_go(&mut self, task: TaskId) {
        if let Some(held) = self.held.remove(&task)
            && let Some(place) = held.place
        {
            self.sources[place.source].ack(place.ticket);
        }
    }
}

fn refuse(reply: oneshot::Sender<Settled>) {
    // Whoever asked may not wait any more.
    let _ = reply.send(Settled::Stale);
}
