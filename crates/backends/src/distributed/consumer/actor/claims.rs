//! Which copies are claimed, and when; what runs alone is claimed alone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::{History, TaskId, to_unix_micros};
use tokio::sync::oneshot;

use super::{Actor, CALLS, MOST_CLAIMED};
use crate::distributed::consumer::effects::{Came, Ended, Telling};
use crate::distributed::consumer::held::{Held, Item, Phase, Room};

/// After so many waits a suspect is no longer left to others: what is here ends first, and then it runs.
const INSISTS: u32 = 4;
/// How long copies of a paused execution wait before they are looked at again.
const PAUSED: Duration = Duration::from_secs(5);

impl Actor {
    /// Claims as many copies as slots wait for, and some ahead if tasks are short.
    pub(super) fn claim(&mut self, now: Instant) {
        if self.buffered.is_empty() || self.claims >= CALLS || self.is_alone() {
            return;
        }
        let free = self.waiters.len().saturating_sub(self.ready.len() + self.claiming.len());
        if self.buffered.front().is_some_and(Item::is_suspect) && self.settle_suspect(free) {
            return;
        }
        let ahead = self.lookahead.count(now) as usize;
        let wanted = if ahead == 0 {
            free
        } else {
            // Claimed by halves, so that there are batches.
            let stock = self.ready.len() + self.claiming.len();
            if stock * 2 > ahead { free } else { free + ahead - stock }
        };
        let items = self.pick(wanted.min(MOST_CLAIMED), free);
        // Only what comes alone may be a suspect.
        let suspects = u32::from(items.len() == 1 && free > 0 && self.has_nothing_else());
        self.send_claim(items, suspects);
    }

    /// Takes at most `wanted` from what has come; `free` slots wait for some.
    pub(super) fn pick(&mut self, wanted: usize, free: usize) -> Vec<Item> {
        let mut items: Vec<Item> = Vec::new();
        while items.len() < wanted
            && let Some(mut item) = self.buffered.pop_front()
        {
            let task = item.copy.task.id;
            if !self.sources[item.place.source].is_current(item.place.ticket) {
                // Its connection is gone; the broker has given it to somebody else.
                continue;
            }
            if self.is_known(task) || items.iter().any(|other| other.copy.task.id == task) {
                self.park(item.copy, item.place);
                continue;
            }
            item.is_ahead = items.len() >= free;
            let may_come = match item.room {
                Room::None => true,
                Room::Slot => !item.is_ahead,
                Room::All => false,
            };
            if !may_come {
                // Nor may what is behind it: it could keep all slots from it for ever.
                self.buffered.push_front(item);
                break;
            }
            items.push(item);
        }
        items
    }

    pub(super) fn send_claim(&mut self, items: Vec<Item>, suspects: u32) {
        if items.is_empty() {
            return;
        }
        self.claims += 1;
        self.claiming.extend(items.iter().map(|item| item.copy.task.id));
        self.effects.push(Box::pin(Arc::clone(&self.tools).claim(items, suspects)));
    }

    /// What becomes of a suspect at the head of what has come: it is claimed if nothing else is here;
    /// otherwise others may have the room for it, unless it has waited for long. Whether nothing else
    /// may be claimed now.
    pub(super) fn settle_suspect(&mut self, free: usize) -> bool {
        let is_room = self.has_nothing_else();
        if is_room && free == 0 {
            return true;
        }
        let Some(mut item) = self.buffered.pop_front() else { return false };
        item.is_ahead = false;
        if is_room && !self.is_known(item.copy.task.id) {
            self.send_claim(vec![item], 1);
            return true;
        }
        if item.copy.parks < INSISTS {
            self.park(item.copy, item.place);
            return false;
        }
        self.buffered.push_front(item);
        true
    }

    /// Whether a copy of the task is here already.
    pub(super) fn is_known(&self, task: TaskId) -> bool {
        self.held.contains_key(&task) || self.claiming.contains(&task)
    }

    /// Whether no attempt goes on here, or may be about to.
    pub(super) fn has_nothing_else(&self) -> bool {
        self.claims == 0 && !self.held.values().any(Held::is_active)
    }

    /// Whether free slots are for one task alone, which runs or waits for the others here to end.
    pub(super) fn is_reserved(&mut self) -> bool {
        let insists = |item: &Item| item.is_suspect() && item.copy.parks >= INSISTS;
        self.is_alone() || self.buffered.front().is_some_and(insists) && !self.has_nothing_else()
    }

    /// Whether something goes on here beside which nothing else may.
    pub(super) fn is_alone(&mut self) -> bool {
        let goes_on = |task: &TaskId| self.held.get(task).is_some_and(Held::is_active);
        self.alone = self.alone.filter(goes_on);
        self.alone.is_some()
    }

    pub(super) fn claimed(&mut self, mut item: Item, came: Came) {
        let task = item.copy.task.id;
        tracing::trace!(%task, execution = %item.copy.execution, came = came.word(), "claimed");
        match came {
            Came::Leased { attempt, history } => {
                self.tools.vitals.count(|counters| counters.leased += 1);
                self.hold(item, attempt, history, Phase::Ready);
                self.ready.push_back(task);
            }
            Came::Poisoned { attempt, outcome } => {
                self.tools.vitals.count(|counters| counters.poisoned += 1);
                tracing::warn!(%task, execution = %item.copy.execution, "the task has killed too many workers; it is dead");
                let end = Ended {
                    task,
                    execution: item.copy.execution.clone(),
                    attempt,
                    outcome,
                    has_delayed_copies: item.copy.parks > 0,
                };
                self.hold(item, attempt, History::default(), Phase::Settling);
                self.to_complete.push((end, oneshot::channel().0));
            }
            Came::Busy => self.park(item.copy, item.place),
            // That is no waiting for another session.
            Came::Paused => self.to_park.push((item.copy, item.place, PAUSED)),
            Came::Done { part } => self.to_tell.push(Telling {
                execution: item.copy.execution,
                part,
                task: None,
                place: Some(item.place),
            }),
            Came::Dropped => self.sources[item.place.source].ack(item.place.ticket),
            Came::Later => {
                item.room = if item.is_ahead { Room::Slot } else { Room::All };
                self.buffered.push_front(item);
            }
        }
    }

    pub(super) fn hold(&mut self, item: Item, attempt: u32, history: History, phase: Phase) {
        let held = Held {
            place: Some(item.place),
            attempt,
            history,
            phase,
            since: Instant::now(),
            since_us: to_unix_micros(std::time::SystemTime::now()),
            is_handing_over: false,
            copy: item.copy,
            waits_for: None,
        };
        if held.is_active() && held.runs_alone() {
            self.alone = Some(held.copy.task.id);
        }
        self.held.insert(held.copy.task.id, held);
    }
}
