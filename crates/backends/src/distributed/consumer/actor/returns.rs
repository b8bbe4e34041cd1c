//! What goes back to the broker, and how much is asked of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{Actor, PATIENCE};
use crate::distributed::consumer::held::{Item, Phase};
use crate::distributed::queues::park_time;

/// A copy of a long task waits as if it had waited so often before.
const HANDED_OVER: u32 = 9;

impl Actor {
    /// Puts copies of long tasks aside, so that no delivery is held for long.
    pub(super) fn hand_over(&mut self, now: Instant) {
        for held in self.held.values_mut() {
            let Some(place) = held.place else { continue };
            let is_due = held.phase != Phase::Ready && now.duration_since(held.since) >= self.hand_over_after;
            if is_due && !held.is_handing_over && self.sources[place.source].is_current(place.ticket) {
                held.is_handing_over = true;
                // The session is alive, so others need not ask soon.
                held.copy.parks = held.copy.parks.max(HANDED_OVER);
                let wait = park_time(held.copy.parks);
                let effect = Arc::clone(&self.tools).hand_over(held.copy.clone(), place, wait);
                self.effects.push(Box::pin(effect));
                self.tools.vitals.count(|counters| counters.handed_over += 1);
            }
        }
    }

    /// Gives back what waits for a slot for too long.
    pub(super) fn hand_back(&mut self, now: Instant) {
        let is_closing = self.closing.is_some();
        let is_idle = self.waiters.is_empty() && now.duration_since(self.last_given) >= PATIENCE;
        if !is_closing && !is_idle {
            if self.is_reserved() {
                self.leave_to_others(now);
            }
            return;
        }
        if self.buffered.is_empty() && self.ready.is_empty() {
            return;
        }
        if self.lookahead.count(now) > 0 {
            self.lookahead.was_wrong(now);
        }
        // Fewer are asked for before any goes back, so that the same do not come again.
        self.adjust_to(now, true);
        tracing::trace!(buffered = self.buffered.len(), ready = self.ready.len(), "what waits goes back");
        for item in self.buffered.drain(..) {
            self.sources[item.place.source].requeue(item.place.ticket);
        }
        for task in std::mem::take(&mut self.ready) {
            if let Some(held) = self.held.get_mut(&task) {
                held.phase = Phase::Settling;
                let (copy, attempt, history) = (held.copy.clone(), held.attempt, held.history.clone());
                self.effects.push(Box::pin(Arc::clone(&self.tools).release(copy, attempt, history, |_| ())));
            }
        }
    }

    /// Gives back what has come and may not run beside the one task that has all slots.
    pub(super) fn leave_to_others(&mut self, now: Instant) {
        if self.buffered.iter().all(Item::is_suspect) {
            return;
        }
        self.adjust_to(now, true);
        for item in std::mem::take(&mut self.buffered) {
            if item.is_suspect() {
                self.buffered.push_back(item);
            } else {
                self.sources[item.place.source].requeue(item.place.ticket);
            }
        }
    }

    pub(super) fn adjust(&mut self, now: Instant) {
        self.adjust_to(now, false);
    }

    /// Asks the broker for as many deliveries as can be used.
    pub(super) fn adjust_to(&mut self, now: Instant, is_urgent: bool) {
        let ahead = self.lookahead.count(now);
        let is_leaving = self.closing.is_some() || self.tools.vitals.is_draining();
        let wanted = if is_leaving || self.is_reserved() { 0 } else { self.waiters.len() as u32 + ahead };
        let mut held = vec![0u32; self.sources.len()];
        for entry in self.held.values().filter(|held| held.phase != Phase::Settling) {
            if let Some(place) = entry.place {
                held[place.source] += 1;
            }
        }
        let mut is_subscribed = false;
        for (source, held) in self.sources.iter_mut().zip(held) {
            source.want(held + wanted, now, is_urgent || is_leaving);
            is_subscribed |= source.allowed() > 0;
        }
        self.tools.vitals.subscribed.store(is_subscribed || self.waiters.is_empty(), Ordering::Relaxed);
    }
}
