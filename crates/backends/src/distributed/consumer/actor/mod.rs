//! The loop that owns a session's copies: gives leased tasks to slots, tells how they ended, and keeps
//! the broker's deliveries neither too few nor too many.

mod arrivals;
mod attempts;
mod claims;
mod returns;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use protocol::{Attempt, ExecutionId, History, IdMap, IdSet, Lease, Outcome, SemaphoreName, TaskId};
use tokio::sync::{mpsc, oneshot, watch};

use self::attempts::Way;
use super::effects::{Ended, Event, Telling, Tools};
use super::held::{Held, Item, Phase, Place};
use super::lookahead::Lookahead;
use super::source::{Arrival, Source};
use crate::broker::{Delivery, Error, Settled};
use crate::distributed::copy::Copy;
use crate::distributed::vitals::Standing;
use crate::rabbitmq;

/// Copies that wait for a slot longer than this go back to the broker, for others.
const PATIENCE: Duration = Duration::from_millis(100);
/// Most copies that are claimed at once.
const MOST_CLAIMED: usize = 256;
/// Calls of one kind that may be under way at once.
const CALLS: usize = 3;
/// How often the list of running attempts is made.
const LISTED: Duration = Duration::from_millis(200);
/// How often it is looked whether others ask about tasks.
const ASKED: Duration = Duration::from_secs(2);
/// The loop turns at least this often.
const TURN: Duration = Duration::from_secs(1);

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

async fn changed(losses: &mut watch::Receiver<u64>) {
    if losses.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
