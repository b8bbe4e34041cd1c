//! The loop that owns a session's copies: gives leased tasks to slots, tells how they ended, and keeps
//! the broker's deliveries neither too few nor too many.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use protocol::{
    Attempt, ExecutionId, History, IdMap, IdSet, Lease, Outcome, Presence, Running, SemaphoreName,
    SemaphoreWait, TaskId, to_unix_micros,
};
use tokio::sync::{mpsc, oneshot, watch};

use super::effects::{Came, Ended, Event, Opened, Telling, Tools};
use super::held::{Held, Item, Phase, Place, Room};
use super::lookahead::Lookahead;
use super::source::{Arrival, Source};
use crate::broker::{Delivery, Error, Settled};
use crate::distributed::blobs;
use crate::distributed::copy::{self, Copy, Unopened};
use crate::distributed::queues::park_time;
use crate::distributed::vitals::Standing;
use crate::rabbitmq;

/// Copies that wait for a slot longer than this go back to the broker, for others.
const PATIENCE: Duration = Duration::from_millis(100);
/// Most copies that are claimed at once.
const MOST_CLAIMED: usize = 256;
/// Calls of one kind that may be under way at once.
const CALLS: usize = 3;
/// From then on an attempt is named to others as running.
const LONG: Duration = Duration::from_millis(200);
/// How often the list of running attempts is made.
const LISTED: Duration = Duration::from_millis(200);
/// How often it is looked whether others ask about tasks.
const ASKED: Duration = Duration::from_secs(2);
/// The loop turns at least this often.
const TURN: Duration = Duration::from_secs(1);
/// A copy of a long task waits as if it had waited so often before.
const HANDED_OVER: u32 = 9;
/// How long copies of a paused execution wait before they are looked at again.
const PAUSED: Duration = Duration::from_secs(5);

/// After so many waits a suspect is no longer left to others: what is here ends first, and then it runs.
const INSISTS: u32 = 4;
/// After so many waits, some hours in all, nobody will find the bytes of a large task any more.
const MOST_PUT_OFF: u32 = 30;

/// What slots ask for.
pub(super) enum Command {
    Lease {
        reply: oneshot::Sender<Result<Option<Delivery>, Error>>,
    },
    /// A slot does not want what it was given.
    Refuse {
        task: TaskId,
    },
    /// A slot does not wait any more.
    Leave,
    Complete {
        lease: Lease,
        outcome: Box<Outcome>,
        reply: oneshot::Sender<Settled>,
    },
    Retry {
        lease: Lease,
        failed: Box<Attempt>,
        after: Duration,
        reply: oneshot::Sender<Settled>,
    },
    /// What a slot has waits for a semaphore, or for none any more.
    Waits {
        lease: Lease,
        semaphore: Option<SemaphoreName>,
    },
    Decline {
        lease: Lease,
        node: String,
        why: String,
        after: Duration,
        reply: oneshot::Sender<Settled>,
    },
    /// Give back what no slot has, tell what has ended, then stop.
    Close {
        reply: oneshot::Sender<()>,
    },
}

/// How a task goes back to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The delivery itself, to where it was in its queue.
    First,
    /// As a new copy, behind all others, after this delay.
    After(Duration),
}

/// The state of a session.
pub(super) struct Actor {
    pub(super) tools: Arc<Tools>,
    pub(super) sources: Vec<Source>,
    pub(super) hand_over_after: Duration,
    pub(super) lookahead: Lookahead,
    pub(super) waiters: VecDeque<oneshot::Sender<Result<Option<Delivery>, Error>>>,
    /// Come, not claimed.
    pub(super) buffered: VecDeque<Item>,
    pub(super) held: IdMap<TaskId, Held>,
    /// Those of `held` that no slot has yet, in order.
    pub(super) ready: VecDeque<TaskId>,
    pub(super) to_complete: Vec<(Ended, oneshot::Sender<Settled>)>,
    pub(super) replies: IdMap<TaskId, oneshot::Sender<Settled>>,
    pub(super) to_tell: Vec<Telling>,
    pub(super) to_park: Vec<(Copy, Place, Duration)>,
    /// What nobody can take, as it is put aside.
    pub(super) to_bury: Vec<(rabbitmq::Message, Place)>,
    /// The task beside which nothing else may run, if it still does.
    pub(super) alone: Option<TaskId>,
    pub(super) claims: usize,
    /// Tasks about which Redis is being asked.
    pub(super) claiming: IdSet<TaskId>,
    pub(super) completions: usize,
    pub(super) tellings: usize,
    pub(super) effects: FuturesUnordered<BoxFuture<'static, Event>>,
    pub(super) last_given: Instant,
    pub(super) last_listed: Instant,
    pub(super) last_asked: Instant,
    pub(super) closing: Option<oneshot::Sender<()>>,
}

impl Actor {
    /// Runs until closed, or until nobody is left to ask anything.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::UnboundedReceiver<Command>,
        mut arrivals: mpsc::UnboundedReceiver<Arrival>,
    ) {
        let vitals = Arc::clone(&self.tools.vitals);
        let mut standing = vitals.standing.subscribe();
        let mut losses = vitals.losses.subscribe();
        loop {
            vitals.turned();
            if *standing.borrow_and_update() == Standing::Ended {
                self.give_up(&mut commands).await;
                return;
            }
            self.advance();
            if self.is_done() {
                return;
            }
            let wake = self.wake_in();
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(command) => {
                        self.asked(command);
                        // Whatever else has come is handled before anything is sent.
                        for _ in 0..MOST_CLAIMED {
                            let Ok(command) = commands.try_recv() else { break };
                            self.asked(command);
                        }
                    }
                    // Nobody is left; the deliveries go back with the subscriptions.
                    None => return,
                },
                Some(event) = self.effects.next() => self.happened(event),
                Some(arrival) = arrivals.recv() => {
                    self.came(arrival).await;
                    for _ in 0..MOST_CLAIMED {
                        let Ok(arrival) = arrivals.try_recv() else { break };
                        self.came(arrival).await;
                    }
                }
                _ = changed(&mut losses) => self.assert(),
                _ = standing.changed() => {}
                () = tokio::time::sleep(wake) => {}
            }
        }
    }

    fn asked(&mut self, command: Command) {
        match command {
            Command::Lease { reply } => {
                if self.closing.is_some() {
                    let _ = reply.send(Ok(None));
                } else {
                    self.waiters.push_back(reply);
                }
            }
            Command::Leave => self.waiters.retain(|waiter| !waiter.is_closed()),
            Command::Refuse { task } => self.make_ready_again(task),
            Command::Complete { lease, outcome, reply } => self.complete(lease, *outcome, reply),
            Command::Waits { lease, semaphore } => self.waits(lease, semaphore),
            Command::Retry { lease, failed, after, reply } => {
                // Whoever is to try it next is not to wait for all that is queued: what it finds out may
                // concern the rest.
                let goes_first = failed.failure.is_doubted && after.is_zero();
                let note = |history: &mut History| history.charge(*failed);
                self.end_attempt(lease, note, if goes_first { Way::First } else { Way::After(after) }, reply);
            }
            Command::Decline { lease, node, why, after, reply } => {
                let note = |history: &mut History| history.decline(&node, why);
                self.end_attempt(
                    lease,
                    note,
                    if after.is_zero() { Way::First } else { Way::After(after) },
                    reply,
                );
            }
            Command::Close { reply } => {
                self.tools.vitals.drain();
                self.closing = Some(reply);
                for waiter in self.waiters.drain(..) {
                    let _ = waiter.send(Ok(None));
                }
            }
        }
    }

    async fn came(&mut self, arrival: Arrival) {
        let Arrival { source, delivery } = arrival;
        self.sources[source].came(delivery.ticket);
        self.tools.vitals.count(|counters| counters.delivered += 1);
        let queue = self.sources[source].queue.clone();
        if copy::is_by_reference(&delivery) {
            self.effects.push(Box::pin(Arc::clone(&self.tools).open(source, queue, delivery)));
        } else {
            let opened = self.tools.copies.open(&queue, &delivery).await;
            self.opened(Opened { source, delivery, opened });
        }
    }

    fn opened(&mut self, Opened { source, delivery, opened }: Opened) {
        let place = Place { source, ticket: delivery.ticket };
        let copy = match opened {
            Ok(copy) => copy,
            Err(Unopened::Refused(refused)) => return self.bury(place, &delivery, refused.to_string()),
            Err(Unopened::Blob(error)) => return self.put_off(place, delivery, &error),
        };
        let task = copy.task.id;
        tracing::trace!(%task, execution = %copy.execution, ticket = ?place.ticket, redelivered = delivery.is_redelivered, parks = copy.parks, "a copy has come");
        match self.held.get_mut(&task) {
            Some(held) if held.copy.execution != copy.execution => self.park(copy, place),
            // Those of an earlier run of the execution may be dropped, so the later one obliges us.
            Some(held) if copy.incarnation > held.copy.incarnation && !held.is_handing_over => {
                held.copy = copy;
                if let Some(known) = held.place.replace(place) {
                    self.sources[known.source].ack(known.ticket);
                }
            }
            Some(held) => match held.place {
                // A second copy; the first obliges us as well.
                Some(known) if self.sources[known.source].is_current(known.ticket) => {
                    self.sources[source].ack(place.ticket);
                }
                // The connection of the first one is gone, and it has come again.
                Some(_) => held.place = Some(place),
                // It was handed over; this is the copy that obliges us, so it must stay somewhere.
                None => self.park(copy, place),
            },
            None if self.claiming.contains(&task) => self.park(copy, place),
            None => self.buffered.push_back(Item::new(copy, place)),
        }
    }

    /// The bytes of a large task cannot be reached: others may have more luck, or we later.
    fn put_off(&mut self, place: Place, delivery: rabbitmq::Delivery, error: &blobs::Error) {
        let parks = copy::parks(&delivery);
        if !error.is_transient() || parks >= MOST_PUT_OFF {
            return self.bury(place, &delivery, error.to_string());
        }
        let wait = park_time(parks);
        tracing::warn!(error = error as &dyn std::error::Error, again_in = ?wait, "cannot read a large task");
        let queue = self.sources[place.source].queue.clone();
        self.tools.vitals.count(|counters| counters.parked += 1);
        self.effects.push(Box::pin(Arc::clone(&self.tools).put_off(queue, delivery, place, wait)));
    }

    fn bury(&mut self, place: Place, delivery: &rabbitmq::Delivery, reason: String) {
        let mut count = 0;
        self.tools.vitals.count(|counters| {
            counters.refused += 1;
            count = counters.refused;
        });
        self.lookahead.learn_of_junk(delivery.body.len());
        // A flood of them must not flood the log.
        if count.is_power_of_two() {
            tracing::warn!(queue = %self.sources[place.source].queue, reason, count, "a message cannot be taken; it is put aside");
        }
        let queue = &self.sources[place.source].queue;
        self.to_bury.push((self.tools.copies.dead(queue, &reason, &delivery.body), place));
    }

    /// Does whatever can be done now.
    fn advance(&mut self) {
        let now = Instant::now();
        self.serve(now);
        self.claim(now);
        self.send();
        self.hand_over(now);
        self.hand_back(now);
        self.adjust(now);
        self.list(now);
        self.answer(now);
    }

    /// Looks whether others ask about tasks.
    fn answer(&mut self, now: Instant) {
        if self.closing.is_none() && now.duration_since(self.last_asked) >= ASKED {
            self.last_asked = now;
            self.effects.push(Box::pin(Arc::clone(&self.tools).questions()));
        }
    }

    /// Gives up what we are said to have and have not.
    fn were_asked(&mut self, mut tasks: Vec<(ExecutionId, TaskId)>) {
        tasks.retain(|(_, task)| !self.is_known(*task));
        if !tasks.is_empty() {
            // What comes meanwhile has to wait: it would be leased as the attempt that is given up.
            self.claiming.extend(tasks.iter().map(|(_, task)| *task));
            self.effects.push(Box::pin(Arc::clone(&self.tools).disown(tasks)));
        }
    }

    /// Gives leased tasks to waiting slots.
    fn serve(&mut self, now: Instant) {
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

    /// Claims as many copies as slots wait for, and some ahead if tasks are short.
    fn claim(&mut self, now: Instant) {
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
    fn pick(&mut self, wanted: usize, free: usize) -> Vec<Item> {
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

    fn send_claim(&mut self, items: Vec<Item>, suspects: u32) {
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
    fn settle_suspect(&mut self, free: usize) -> bool {
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
    fn is_known(&self, task: TaskId) -> bool {
        self.held.contains_key(&task) || self.claiming.contains(&task)
    }

    /// Whether no attempt goes on here, or may be about to.
    fn has_nothing_else(&self) -> bool {
        self.claims == 0 && !self.held.values().any(Held::is_active)
    }

    /// Whether free slots are for one task alone, which runs or waits for the others here to end.
    fn is_reserved(&mut self) -> bool {
        let insists = |item: &Item| item.is_suspect() && item.copy.parks >= INSISTS;
        self.is_alone() || self.buffered.front().is_some_and(insists) && !self.has_nothing_else()
    }

    /// Gives back what has come and may not run beside the one task that has all slots.
    fn leave_to_others(&mut self, now: Instant) {
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

    /// Whether something goes on here beside which nothing else may.
    fn is_alone(&mut self) -> bool {
        let goes_on = |task: &TaskId| self.held.get(task).is_some_and(Held::is_active);
        self.alone = self.alone.filter(goes_on);
        self.alone.is_some()
    }

    /// Puts a copy aside because somebody has the task.
    fn park(&mut self, copy: Copy, place: Place) {
        let wait = park_time(copy.parks);
        self.to_park.push((copy.parked(), place, wait));
    }

    /// Sends what has gathered.
    fn send(&mut self) {
        if !self.to_complete.is_empty() && self.completions < CALLS {
            let count = self.to_complete.len().min(MOST_CLAIMED);
            let mut batch = Vec::with_capacity(count);
            for (end, reply) in self.to_complete.drain(..count) {
                self.replies.insert(end.task, reply);
                batch.push(end);
            }
            self.completions += 1;
            self.effects.push(Box::pin(Arc::clone(&self.tools).complete(batch)));
        }
        if !self.to_tell.is_empty() && self.tellings < CALLS {
            self.tellings += 1;
            let batch = std::mem::take(&mut self.to_tell);
            self.effects.push(Box::pin(Arc::clone(&self.tools).tell(batch)));
        }
        if !self.to_park.is_empty() {
            let batch = std::mem::take(&mut self.to_park);
            self.tools.vitals.count(|counters| counters.parked += batch.len() as u64);
            self.effects.push(Box::pin(Arc::clone(&self.tools).park(batch)));
        }
        if !self.to_bury.is_empty() {
            let batch = std::mem::take(&mut self.to_bury);
            self.effects.push(Box::pin(Arc::clone(&self.tools).bury(batch)));
        }
    }

    /// Puts copies of long tasks aside, so that no delivery is held for long.
    fn hand_over(&mut self, now: Instant) {
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
    fn hand_back(&mut self, now: Instant) {
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

    fn adjust(&mut self, now: Instant) {
        self.adjust_to(now, false);
    }

    /// Asks the broker for as many deliveries as can be used.
    fn adjust_to(&mut self, now: Instant, is_urgent: bool) {
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

    /// Lists running attempts for the heartbeat.
    fn list(&mut self, now: Instant) {
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

    fn waits(&mut self, lease: Lease, semaphore: Option<SemaphoreName>) {
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

    fn complete(&mut self, lease: Lease, outcome: Outcome, reply: oneshot::Sender<Settled>) {
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
    fn end_attempt(
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

    fn happened(&mut self, event: Event) {
        match event {
            Event::Opened(opened) => self.opened(*opened),
            Event::Claimed(items, came) => {
                self.claims -= 1;
                items.iter().for_each(|item| {
                    self.claiming.remove(&item.copy.task.id);
                });
                match came {
                    Some(came) => {
                        for (item, came) in items.into_iter().zip(came) {
                            self.claimed(item, came);
                        }
                    }
                    None => items.into_iter().rev().for_each(|item| self.buffered.push_front(item)),
                }
            }
            Event::Completed(settled) => {
                self.completions -= 1;
                for (task, settled, part) in settled {
                    self.completed(task, settled, part);
                }
            }
            Event::Told(done) => {
                self.tellings -= 1;
                for (task, place) in done {
                    if let Some(place) = place {
                        self.sources[place.source].ack(place.ticket);
                    }
                    if let Some(task) = task {
                        self.let_go(task);
                    }
                }
            }
            // Handed back without another copy: the delivery itself goes back.
            Event::Released(task, Settled::Accepted) => {
                if let Some(held) = self.held.remove(&task) {
                    match held.place {
                        Some(place) => self.sources[place.source].requeue(place.ticket),
                        None => {
                            let effect = Arc::clone(&self.tools).send_back(held.copy, Duration::ZERO);
                            self.effects.push(Box::pin(effect));
                        }
                    }
                }
            }
            Event::Released(task, Settled::Stale) => self.stale(task),
            Event::Returned(task) => self.let_go(task),
            Event::Parked(places) => {
                for place in places {
                    self.sources[place.source].ack(place.ticket);
                }
            }
            Event::HandedOver(task, place) => {
                self.sources[place.source].ack(place.ticket);
                if let Some(held) = self.held.get_mut(&task) {
                    held.is_handing_over = false;
                    // It may have come again meanwhile, on another connection.
                    if held.place.is_some_and(|known| known.ticket == place.ticket) {
                        held.place = None;
                    }
                }
            }
            Event::Asked(tasks) => self.were_asked(tasks),
            Event::Disowned(tasks) => self.claiming.retain(|task| !tasks.contains(task)),
            Event::Asserted(answers) => {
                for (task, is_ours) in answers {
                    if !is_ours {
                        tracing::warn!(%task, "after Redis lost writes, another session has the task");
                    }
                }
            }
        }
    }

    fn claimed(&mut self, mut item: Item, came: Came) {
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

    fn hold(&mut self, item: Item, attempt: u32, history: History, phase: Phase) {
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

    fn completed(&mut self, task: TaskId, settled: Settled, part: bytes::Bytes) {
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
    fn stale(&mut self, task: TaskId) {
        self.tools.vitals.count(|counters| counters.stale += 1);
        if let Some(held) = self.held.remove(&task)
            && let Some(place) = held.place
        {
            self.to_park.push((held.copy.parked(), place, park_time(0)));
        }
    }

    /// The task is done with: whatever delivery obliged us is acknowledged.
    fn let_go(&mut self, task: TaskId) {
        if let Some(held) = self.held.remove(&task)
            && let Some(place) = held.place
        {
            self.sources[place.source].ack(place.ticket);
        }
    }

    fn make_ready_again(&mut self, task: TaskId) {
        if let Some(held) = self.held.get_mut(&task)
            && held.phase == Phase::Running
        {
            held.phase = Phase::Ready;
            self.ready.push_front(task);
        }
    }

    /// Redis lost writes: what is ours must stay ours.
    fn assert(&mut self) {
        let held: Vec<(ExecutionId, TaskId, u32)> = self
            .held
            .iter()
            .filter(|(_, held)| held.phase != Phase::Settling)
            .map(|(task, held)| (held.copy.execution.clone(), *task, held.attempt))
            .collect();
        if !held.is_empty() {
            self.effects.push(Box::pin(Arc::clone(&self.tools).assert(held)));
        }
    }

    fn is_done(&mut self) -> bool {
        let is_quiet = self.held.is_empty() && self.effects.is_empty() && self.buffered.is_empty();
        if self.closing.is_some()
            && is_quiet
            && self.to_tell.is_empty()
            && self.to_park.is_empty()
            && self.to_bury.is_empty()
        {
            if let Some(reply) = self.closing.take() {
                let _ = reply.send(());
            }
            return true;
        }
        false
    }

    /// When to look again though nothing happens.
    fn wake_in(&self) -> Duration {
        let is_waiting = !self.buffered.is_empty() || !self.ready.is_empty();
        let is_changing = self.sources.iter().any(Source::is_changing);
        if is_waiting || is_changing {
            PATIENCE / 2
        } else if !self.held.is_empty() {
            LISTED.min(self.hand_over_after / 4)
        } else {
            TURN
        }
    }

    /// The session is over: others have the tasks. Everything that ends now is too late.
    async fn give_up(&mut self, commands: &mut mpsc::UnboundedReceiver<Command>) {
        for waiter in self.waiters.drain(..) {
            let _ = waiter.send(Err(Error::SessionLost));
        }
        for (_, reply) in self.to_complete.drain(..) {
            let _ = reply.send(Settled::Stale);
        }
        for (_, reply) in self.replies.drain() {
            let _ = reply.send(Settled::Stale);
        }
        // The deliveries go back to the broker, which gives them to others.
        self.sources.clear();
        self.effects.clear();
        let mut stale = self.held.len() as u64;
        self.held.clear();
        while let Some(command) = commands.recv().await {
            match command {
                Command::Lease { reply } => drop(reply.send(Err(Error::SessionLost))),
                Command::Complete { reply, .. }
                | Command::Retry { reply, .. }
                | Command::Decline { reply, .. } => {
                    stale = stale.saturating_sub(1);
                    self.tools.vitals.count(|counters| counters.stale += 1);
                    let _ = reply.send(Settled::Stale);
                }
                Command::Refuse { .. } | Command::Leave | Command::Waits { .. } => {}
                Command::Close { reply } => {
                    let _ = reply.send(());
                    return;
                }
            }
        }
    }
}

fn refuse(reply: oneshot::Sender<Settled>) {
    // Whoever asked may not wait any more.
    let _ = reply.send(Settled::Stale);
}

async fn changed(losses: &mut watch::Receiver<u64>) {
    if losses.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
