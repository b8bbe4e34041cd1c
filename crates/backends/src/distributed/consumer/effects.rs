//! What a session asks of the servers: claims, completions, reports, parking. Each is a future that
//! says in the end what has become of it.

use std::sync::Arc;
use std::time::Duration;

use protocol::{Attempt, Cause, Ending, ExecutionId, Failure, History, Outcome, SessionId, Spent, TaskId};
use serde_bytes::ByteBuf;

use super::held::{Item, Place};
use crate::broker::Settled;
use crate::distributed::blobs;
use crate::distributed::copy::{self, Copies, Copy, MakeError, Unopened};
use crate::distributed::crash;
use crate::distributed::vitals::{Standing, Vitals};
use crate::lease::{
    self, Answer, Arbiter, Assertion, Claim, Completed, Completion, Grant, Held, Record, Release, Released,
    State,
};
use crate::rabbitmq::{self, Delivery, Message, Queue, Rabbit};

/// How long the record of an ended task stays, so that late copies are told that it has ended. Longer
/// than a copy of it may be under way in a delayed queue.
pub(super) const REMEMBERED: Duration = Duration::from_secs(120);
/// The same for a task of which copies wait in delayed queues.
pub(super) const REMEMBERED_LONG: Duration = Duration::from_secs(40 * 60);
/// Most bytes of outcomes in a message.
const MOST_BYTES: usize = 768 * 1024;
/// Most outcomes in a message.
const MOST_OUTCOMES: usize = 512;
/// Pause before something that failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// What effects work with.
pub(super) struct Tools {
    pub(super) session: SessionId,
    pub(super) arbiter: Arbiter,
    pub(super) rabbit: Rabbit,
    pub(super) copies: Copies,
    pub(super) delayed: Vec<Arc<Queue>>,
    pub(super) vitals: Arc<Vitals>,
}

/// The end of an attempt that is to be told.
pub(super) struct Ended {
    pub(super) task: TaskId,
    pub(super) execution: ExecutionId,
    pub(super) attempt: u32,
    pub(super) outcome: Outcome,
    pub(super) has_delayed_copies: bool,
}

/// An outcome on its way to the coordinator.
pub(super) struct Telling {
    pub(super) execution: ExecutionId,
    pub(super) part: bytes::Bytes,
    /// The task that is done with when it is told, if we hold it.
    pub(super) task: Option<TaskId>,
    /// Otherwise the copy that is.
    pub(super) place: Option<Place>,
}

/// A delivery, with what was in it.
pub(super) struct Opened {
    /// Number of its subscription.
    pub(super) source: usize,
    pub(super) delivery: Delivery,
    pub(super) opened: Result<Copy, Unopened>,
}

/// What became of an effect.
pub(super) enum Event {
    /// A delivery was read whose body is elsewhere.
    Opened(Box<Opened>),
    /// Copies were claimed: what each came to. `None`: Redis cannot be reached.
    Claimed(Vec<Item>, Option<Vec<Came>>),
    /// Attempts' ends were recorded or refused, with the outcome to tell.
    Completed(Vec<(TaskId, Settled, bytes::Bytes)>),
    /// Outcomes have been told.
    Told(Vec<(Option<TaskId>, Option<Place>)>),
    /// An attempt was handed back.
    Released(TaskId, Settled),
    /// Copies were put aside; the originals may be acknowledged.
    Parked(Vec<Place>),
    /// A long task's copy was put aside.
    HandedOver(TaskId, Place),
    /// A fresh copy of a task that was handed back is in its queue.
    Returned(TaskId),
    /// Which tasks are still ours after Redis lost writes.
    Asserted(Vec<(TaskId, bool)>),
    /// Others ask whether these are ours.
    Asked(Vec<(ExecutionId, TaskId)>),
    /// Leases were given up that nobody here had.
    Disowned(Vec<TaskId>),
}

/// What a claim came to.
pub(super) enum Came {
    /// Ours to run.
    Leased { attempt: u32, history: History },
    /// Ours to end: it has killed too many workers.
    Poisoned { attempt: u32, outcome: Outcome },
    /// Others run it.
    Busy,
    /// It has ended: tell its outcome again.
    Done { part: bytes::Bytes },
    /// Nobody wants it any more.
    Dropped,
    /// Not now: an earlier owner died, and it needs a slot, or must be run alone.
    Later,
    /// Its execution is paused.
    Paused,
}

impl Came {
    /// A word for it, for logs.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Leased { .. } => "leased",
            Self::Poisoned { .. } => "poisoned",
            Self::Busy => "busy",
            Self::Done { .. } => "done",
            Self::Dropped => "dropped",
            Self::Later => "later",
            Self::Paused => "paused",
        }
    }
}

impl Tools {
    /// Reads a delivery whose body is elsewhere.
    pub(super) async fn open(self: Arc<Self>, source: usize, queue: String, delivery: Delivery) -> Event {
        let opened = self.copies.open(&queue, &delivery).await;
        Event::Opened(Box::new(Opened { source, delivery, opened }))
    }

    pub(super) async fn claim(self: Arc<Self>, items: Vec<Item>, suspects: u32) -> Event {
        let claims = items.iter().map(|item| Claim {
            execution: &item.copy.execution,
            task: item.copy.task.id,
            incarnation: item.copy.incarnation,
            max_losses: item.copy.max_losses(),
            is_ahead: item.is_ahead,
        });
        let answers = self.arbiter.claim(self.session, &claims.collect::<Vec<_>>(), suspects).await;
        crash::point("claimed");
        let answers = match answers {
            Ok(answers) if answers.contains(&Answer::SessionDead) => {
                // The heartbeat finds it out, too; there is nothing more to lease.
                self.vitals.standing.send_replace(Standing::Ended);
                return Event::Claimed(items, None);
            }
            Ok(answers) => answers,
            Err(error) => {
                tracing::warn!(error = crate::in_full(&error), "cannot lease tasks now; trying again");
                tokio::time::sleep(PAUSE).await;
                return Event::Claimed(items, None);
            }
        };
        let mut came = Vec::with_capacity(answers.len());
        for (item, answer) in items.iter().zip(answers) {
            came.push(self.came(item, answer).await);
        }
        Event::Claimed(items, Some(came))
    }

    async fn came(&self, item: &Item, answer: Answer) -> Came {
        match answer {
            Answer::Granted(grant) | Answer::Mine(grant) => {
                Came::Leased { attempt: grant.attempt, history: self.history(&grant).await }
            }
            Answer::Poison(grant) => {
                let history = self.history(&grant).await;
                let outcome = poisoned(item.copy.task.id, grant.attempt, history);
                Came::Poisoned { attempt: grant.attempt, outcome }
            }
            Answer::Busy { .. } => Came::Busy,
            Answer::Done { outcome } => Came::Done { part: outcome.into() },
            Answer::Dropped => Came::Dropped,
            Answer::Later => Came::Later,
            Answer::Paused | Answer::SessionDead => Came::Paused,
        }
    }

    /// What is known of earlier attempts, with those whose workers died.
    async fn history(&self, grant: &Grant) -> History {
        let mut history: History = if grant.history.is_empty() {
            History::default()
        } else {
            protocol::decode_part(&grant.history).unwrap_or_else(|error| {
                tracing::warn!(%error, "left a damaged history of attempts aside");
                History::default()
            })
        };
        for loss in &grant.losses {
            // Evidence without the node's name is better than none.
            let node = self.arbiter.node(loss.session).await.ok().flatten();
            history.charge(Attempt {
                number: loss.attempt,
                session: loss.session,
                node: node.unwrap_or_else(|| "unknown".to_owned()),
                started_at_us: loss.since_ms * 1000,
                duration: Duration::from_millis(loss.until_ms.saturating_sub(loss.since_ms)),
                failure: Failure::new(Cause::Lost, "the worker ended without settling the task"),
            });
        }
        history.spent.lost = grant.lost;
        history
    }

    pub(super) async fn complete(self: Arc<Self>, ended: Vec<Ended>) -> Event {
        let (long, short): (Vec<_>, Vec<_>) = ended.into_iter().partition(|end| end.has_delayed_copies);
        let mut results = Vec::new();
        for (batch, remembered) in [(short, REMEMBERED), (long, REMEMBERED_LONG)] {
            let mut parts = Vec::with_capacity(batch.len());
            for end in &batch {
                parts.push(bytes::Bytes::from(self.part(end).await));
            }
            let settled = self.settle(&batch, &parts, remembered).await;
            let ends = batch.into_iter().map(|end| end.task).zip(settled).zip(parts);
            results.extend(ends.map(|((task, settled), part)| (task, settled, part)));
        }
        crash::point("completed");
        Event::Completed(results)
    }

    async fn settle(&self, ended: &[Ended], parts: &[bytes::Bytes], remembered: Duration) -> Vec<Settled> {
        let completions = ended.iter().zip(parts).map(|(end, part)| Completion {
            execution: &end.execution,
            task: end.task,
            attempt: end.attempt,
            outcome: part,
        });
        let completions: Vec<_> = completions.collect();
        while !completions.is_empty() && !self.has_ended() {
            match self.arbiter.complete(self.session, &completions, remembered).await {
                Ok(answers) => {
                    let settled = |answer| match answer {
                        Completed::Accepted | Completed::Already => Settled::Accepted,
                        Completed::Stale => Settled::Stale,
                    };
                    return answers.into_iter().map(settled).collect();
                }
                Err(error) => {
                    tracing::warn!(error = crate::in_full(&error), "cannot record outcomes now; trying again")
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        vec![Settled::Stale; completions.len()]
    }

    fn has_ended(&self) -> bool {
        *self.vitals.standing.borrow() == Standing::Ended
    }

    /// An outcome as it travels: its bytes, or a reference to them. One that cannot travel becomes a
    /// failure that says so.
    async fn part(&self, end: &Ended) -> Vec<u8> {
        loop {
            let encoded = match protocol::encode_part(&end.outcome) {
                Ok(bytes) => bytes,
                Err(error) => return untold(&end.outcome, &format!("its outcome cannot be told: {error}")),
            };
            match self.copies.blobs.put(&end.execution, encoded).await {
                Ok(part) => return part,
                Err(error @ (blobs::Error::Redis(_) | blobs::Error::File { .. })) => {
                    tracing::warn!(task = %end.task, error = &error as &dyn std::error::Error,
                        "cannot put a large value aside now; trying again");
                    if self.has_ended() {
                        return untold(&end.outcome, "its value could not be put aside");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return untold(&end.outcome, &error.to_string()),
            }
        }
    }

    pub(super) async fn tell(self: Arc<Self>, tellings: Vec<Telling>) -> Event {
        let mut messages = Vec::new();
        let mut done = Vec::with_capacity(tellings.len());
        let mut by_execution: Vec<(ExecutionId, Vec<ByteBuf>, usize)> = Vec::new();
        for Telling { execution, part, task, place } in tellings {
            done.push((task, place));
            let at = match by_execution.iter().position(|(known, ..)| *known == execution) {
                Some(at) => at,
                None => {
                    by_execution.push((execution, Vec::new(), 0));
                    by_execution.len() - 1
                }
            };
            let (execution, parts, size) = &mut by_execution[at];
            if *size + part.len() > MOST_BYTES || parts.len() >= MOST_OUTCOMES {
                messages.push(self.copies.report(execution, std::mem::take(parts)));
                *size = 0;
            }
            *size += part.len();
            parts.push(ByteBuf::from(part.to_vec()));
        }
        let last = |(execution, parts, _): (ExecutionId, _, _)| self.copies.report(&execution, parts);
        messages.extend(by_execution.into_iter().map(last));
        self.publish(messages).await;
        crash::point("told");
        Event::Told(done)
    }

    pub(super) async fn release(
        self: Arc<Self>,
        copy: Copy,
        attempt: u32,
        history: History,
        reply: impl FnOnce(Settled) + Send,
    ) -> Event {
        let task = copy.task.id;
        let bytes = protocol::encode_part(&history).expect("a history is bounded and plain");
        let lost = history.spent.lost;
        let release = Release { execution: &copy.execution, task, attempt, lost, history: &bytes };
        let mut result = Settled::Stale;
        while !self.has_ended() {
            match self.arbiter.release(self.session, &release).await {
                Ok(Released::Accepted | Released::Already) => {
                    result = Settled::Accepted;
                    break;
                }
                Ok(Released::Stale) => break,
                Err(error) => tracing::warn!(
                    error = crate::in_full(&error),
                    "cannot hand a task back now; trying again"
                ),
            }
            tokio::time::sleep(PAUSE).await;
        }
        crash::point("released");
        reply(result);
        Event::Released(task, result)
    }

    /// Puts copies aside for others' sake.
    pub(super) async fn park(self: Arc<Self>, copies: Vec<(Copy, Place, Duration)>) -> Event {
        let now = self.vitals.store_now_ms();
        let message =
            |(copy, _, wait): &(Copy, Place, Duration)| self.copies.to_wait(&self.delayed, copy, now, *wait);
        self.publish(copies.iter().map(message).collect()).await;
        crash::point("parked");
        Event::Parked(copies.into_iter().map(|(_, place, _)| place).collect())
    }

    /// Puts a delivery aside that cannot be read now.
    pub(super) async fn put_off(
        self: Arc<Self>,
        queue: String,
        delivery: Delivery,
        place: Place,
        wait: Duration,
    ) -> Event {
        let now = self.vitals.store_now_ms();
        self.publish(vec![copy::put_off(&self.delayed, &queue, &delivery, now, wait)]).await;
        Event::Parked(vec![place])
    }

    /// Puts a copy of a long task aside, so that its delivery need not be held.
    pub(super) async fn hand_over(self: Arc<Self>, copy: Copy, place: Place, wait: Duration) -> Event {
        let now = self.vitals.store_now_ms();
        self.publish(vec![self.copies.to_wait(&self.delayed, &copy.parked(), now, wait)]).await;
        crash::point("handed-over");
        Event::HandedOver(copy.task.id, place)
    }

    /// Sends a copy back to its queue, at once or after a delay.
    pub(super) async fn send_back(self: Arc<Self>, copy: Copy, after: Duration) -> Event {
        let message = if after.is_zero() {
            self.copies.to_work(&copy)
        } else {
            self.copies.to_wait(&self.delayed, &copy, self.vitals.store_now_ms(), after)
        };
        self.publish(vec![message]).await;
        crash::point("sent-back");
        Event::Returned(copy.task.id)
    }

    /// The copy for the workers that are to run its task after attempts that ended like this.
    pub(super) async fn routed(&self, copy: Copy, spent: &Spent) -> Copy {
        let worker_type = copy.task.worker_type_after(spent);
        if *worker_type == copy.task.worker_type {
            return copy;
        }
        while !self.has_ended() {
            match self.copies.moved(&copy, worker_type.clone()).await {
                Ok(moved) => return moved,
                Err(MakeError::Blob(error @ (blobs::Error::Redis(_) | blobs::Error::File { .. }))) => {
                    tracing::warn!(task = %copy.task.id, error = &error as &dyn std::error::Error,
                        "cannot put a large task aside now; trying again");
                }
                Err(error) => {
                    tracing::error!(task = %copy.task.id, %worker_type, error = &error as &dyn std::error::Error,
                        "the task cannot go to other workers; it goes back to its own");
                    break;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        copy
    }

    /// Puts messages aside that nobody can take.
    pub(super) async fn bury(self: Arc<Self>, batch: Vec<(Message, Place)>) -> Event {
        let (messages, places) = batch.into_iter().unzip();
        self.publish(messages).await;
        Event::Parked(places)
    }

    pub(super) async fn assert(self: Arc<Self>, held: Vec<(ExecutionId, TaskId, u32)>) -> Event {
        let claims: Vec<_> = held
            .iter()
            .map(|(execution, task, attempt)| Held { execution, task: *task, attempt: *attempt })
            .collect();
        while !self.has_ended() {
            match self.arbiter.assert_held(self.session, &claims).await {
                Ok(answers) => {
                    let answers = answers.into_iter().map(|answer| answer == Assertion::Held);
                    return Event::Asserted(held.iter().map(|(_, task, _)| *task).zip(answers).collect());
                }
                Err(error) => {
                    tracing::warn!(error = crate::in_full(&error), "cannot assert leases now; trying again")
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        Event::Asserted(Vec::new())
    }

    /// What others ask of the session.
    pub(super) async fn questions(self: Arc<Self>) -> Event {
        Event::Asked(self.arbiter.questions(self.session).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "cannot see what others ask");
            Vec::new()
        }))
    }

    /// Gives up leases that are recorded for this session and that it does not have.
    pub(super) async fn disown(self: Arc<Self>, tasks: Vec<(ExecutionId, TaskId)>) -> Event {
        for (execution, task) in &tasks {
            // Whoever waits for the task asks again.
            if let Err(error) = self.disown_one(execution, *task).await {
                tracing::debug!(%error, %task, "cannot give up a lease");
            }
        }
        Event::Disowned(tasks.into_iter().map(|(_, task)| task).collect())
    }

    async fn disown_one(&self, execution: &ExecutionId, task: TaskId) -> Result<(), lease::Error> {
        let record = self.arbiter.look(execution, &[task]).await?.pop().flatten();
        let Some(Record { state: State::Leased { history, .. }, session, attempt, lost, losses, .. }) =
            record
        else {
            return Ok(());
        };
        if session != self.session {
            return Ok(());
        }
        let history = self.history(&Grant { attempt, lost, losses, history }).await;
        let history = protocol::encode_part(&history).expect("a history is bounded and plain");
        let release = Release { execution, task, attempt, lost, history: &history };
        if self.arbiter.release(self.session, &release).await? == Released::Accepted {
            tracing::warn!(%task, %execution, attempt, "Redis had lost that this task ended here; it is free again");
        }
        Ok(())
    }

    /// Publishes until confirmed. It does not end when the connection is closed for good, or the
    /// session is over: what was to follow then does not happen, and the broker gives the deliveries to
    /// others.
    async fn publish(&self, messages: Vec<Message>) {
        while let Err(error) = self.rabbit.publish(messages.clone()).await {
            if matches!(error, rabbitmq::Error::Closed) || self.has_ended() {
                tracing::debug!(%error, "not published");
                std::future::pending::<()>().await;
            }
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the broker refuses a message; trying again"
            );
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The outcome of a task that has killed as many workers as it may.
fn poisoned(task: TaskId, attempt: u32, mut history: History) -> Outcome {
    let last = history.failed_attempts.pop();
    let (failure, session, started_at_us, duration) = match last {
        Some(last) => {
            let failure = last.failure.caused_by(format!(
                "poison: {} of its workers died while they ran it, the last one on {}",
                history.spent.lost, last.node
            ));
            (failure, Some(last.session), last.started_at_us, last.duration)
        }
        None => {
            let message = format!("poison: {} of its workers died while they ran it", history.spent.lost);
            (Failure::new(Cause::Lost, message), None, 0, Duration::ZERO)
        }
    };
    Outcome {
        task,
        ending: Ending::Failed(failure),
        attempt,
        retries: history.spent.total().saturating_sub(1),
        session,
        started_at_us,
        duration,
        failed_attempts: history.failed_attempts,
    }
}

/// A failure in place of an outcome that cannot be told.
fn untold(outcome: &Outcome, why: &str) -> Vec<u8> {
    let ending = Ending::Failed(Failure::new(Cause::Permanent, why));
    let failed = Outcome { ending, failed_attempts: Vec::new(), ..outcome.clone() };
    protocol::encode_part(&failed).expect("a failure is small and plain")
}
