//! One attempt of one task: found, run within its limits, ended one way or another.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use backends::broker::{Delivery, TaskConsumer};
use futures::future::FusedFuture;
use otaman::driver::{ContextParts, Rules};
use otaman::{Context, Isolation, Operational, Permit, Registry, Resources};
use protocol::{Cause, DurationText, Failure, SemaphoreName, Task, Value, to_unix_micros};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::activity::Tally;
use crate::attempt::Reports;
use crate::colleagues::PUT_OFF;
use crate::decline::Decline;
use crate::isolated::{Assignment, Isolates};
use crate::panics::Guarded;
use crate::peers::{Judged, Peers, Spared};
use crate::places::Places;
use crate::semaphores::MachineSemaphores;
use crate::unknown;

/// After a shorter wait it is not asked whether the task is still to begin.
const SHORT_WAIT: Duration = Duration::from_millis(100);
/// How often that is asked during a wait.
const LOOK: Duration = Duration::from_secs(2);
/// When a task that was not to begin is offered again: a coordinator that stops has taken it back by then.
const UNWANTED: Duration = Duration::from_secs(10);

/// What attempts are made with.
pub(crate) struct Executor {
    pub(crate) registry: Arc<Registry>,
    pub(crate) resources: Arc<Resources>,
    pub(crate) consumer: Arc<dyn TaskConsumer>,
    pub(crate) stop_grace: Duration,
    pub(crate) isolates: Arc<Isolates>,
    /// What there is to mind of other workers; nothing where all runs in one process.
    pub(crate) peers: Option<Peers>,
    /// What failures mean about which operations say nothing.
    pub(crate) rules: Rules,
    pub(crate) semaphores: Arc<MachineSemaphores>,
    /// Cancelled when nothing more is to be begun.
    pub(crate) leaving: CancellationToken,
}

/// What has become of a leased task.
pub(crate) enum Ended {
    /// It was not begun, and is for others.
    Declined(Decline),
    Attempted(Attempted),
}

/// How an attempt ended.
pub(crate) struct Attempted {
    pub(crate) started_at_us: u64,
    pub(crate) duration: Duration,
    pub(crate) result: Result<Value, Failure>,
    /// It did not fail but is for others, who are to have it after this delay.
    pub(crate) put_off: Option<Duration>,
    /// How long the slot is to take nothing.
    pub(crate) rest: Duration,
}

/// Why an attempt was told to stop.
#[derive(Clone, Copy)]
enum Stop {
    Limit(Duration),
    Drain,
}

impl Ended {
    /// Of an attempt whose operation was not begun.
    fn before_it_began(failure: Failure, put_off: Option<Duration>) -> Self {
        let started_at_us = to_unix_micros(SystemTime::now());
        let (duration, rest) = (Duration::ZERO, Duration::ZERO);
        Self::Attempted(Attempted { started_at_us, duration, result: Err(failure), put_off, rest })
    }

    /// Of a task that belongs to others.
    fn of_others(why: String) -> Self {
        Self::Declined(Decline { why, after: PUT_OFF, rest: Duration::ZERO })
    }
}

impl Executor {
    /// Runs one attempt. When `cut` is done, the attempt is to stop because the worker leaves. While it
    /// waits before it begins, its place is lent and `tally` knows.
    pub(crate) async fn execute(
        &self,
        delivery: &Delivery,
        places: &Arc<Places>,
        tally: &Tally,
        cut: Pin<&mut (impl FusedFuture<Output = ()> + Send)>,
    ) -> Ended {
        let task = &delivery.task;
        let attempt = delivery.lease.token.attempt;
        let span = tracing::info_span!(
            "task", execution = %delivery.execution, task = %task.id, operation = %task.operation, attempt
        );
        if let Some(why) = belongs_elsewhere(delivery) {
            return Ended::of_others(why);
        }
        let Some(operation) = self.registry.operation(&task.operation, &task.version) else {
            return self.lack(task).instrument(span).await;
        };
        if let Some(peers) = &self.peers
            && let Some(decline) = peers.leave(delivery).instrument(span.clone()).await
        {
            return Ended::Declined(decline);
        }
        if let Some(unknown) = self.semaphores.lack(task)
            && let Some(peers) = &self.peers
            && peers.colleagues.have_semaphores(task).await
        {
            return Ended::of_others(unknown.to_string());
        }
        let mut permits = Vec::new();
        if !task.semaphores.is_empty() {
            match self.permits(delivery, places, tally).instrument(span.clone()).await {
                Ok(all) => permits = all,
                Err((failure, put_off)) => return Ended::before_it_began(failure, put_off),
            }
        }
        let started_at_us = to_unix_micros(SystemTime::now());
        let start = Instant::now();
        let attempted = async {
            let result = self.run(operation, delivery, places, permits, cut).await;
            let duration = start.elapsed();
            match result {
                Ok(value) => {
                    tracing::info!(took = ?duration, "succeeded");
                    if let Some(peers) = &self.peers {
                        peers.succeeded(task, duration);
                    }
                    let (put_off, rest) = (None, Duration::ZERO);
                    Attempted { started_at_us, duration, result: Ok(value), put_off, rest }
                }
                Err(judged) => {
                    let (cause, why) = (judged.failure.cause.as_str(), judged.failure.summary());
                    tracing::info!(took = ?duration, cause, "failed: {why}");
                    let Spared { failure, put_off, rest } = match &self.peers {
                        Some(peers) => peers.spare(judged, delivery, duration).await,
                        None => Spared::no(judged.failure),
                    };
                    Attempted { started_at_us, duration, result: Err(failure), put_off, rest }
                }
            }
        };
        Ended::Attempted(attempted.instrument(span).await)
    }

    /// What becomes of a task whose operation is not here.
    async fn lack(&self, task: &Task) -> Ended {
        let failure = unknown::failure(&self.registry, task);
        match &self.peers {
            Some(peers) if peers.colleagues.have(task).await => Ended::of_others(failure.summary()),
            Some(_) | None => Ended::before_it_began(failure, None),
        }
    }

    /// The places that the task is to have while it runs. The wait is no part of the attempt, and ends
    /// as soon as the worker is to leave, since others can begin the task sooner, or as the task is not to
    /// begin any more.
    async fn permits(
        &self,
        delivery: &Delivery,
        places: &Places,
        tally: &Tally,
    ) -> Result<Vec<Permit>, (Failure, Option<Duration>)> {
        let _waits = tally.wait();
        let begun = Instant::now();
        let unwanted = || {
            let message = "its execution is paused or stopped; the task still waited for its semaphores";
            (Failure::new(Cause::Preempted, message), Some(UNWANTED))
        };
        let tell = |semaphore: Option<&SemaphoreName>| self.consumer.waits(delivery.lease, semaphore);
        tokio::select! {
            biased;
            permits = places.lent_during(self.semaphores.of_task(&delivery.task, &tell)) => {
                let permits = permits.map_err(|error| (error.into_failure(), None))?;
                if begun.elapsed() < SHORT_WAIT || self.is_wanted(delivery).await {
                    Ok(permits)
                } else {
                    Err(unwanted())
                }
            }
            () = self.leaving.cancelled() => {
                let message = "the worker is leaving; the task still waited for its semaphores";
                Err((Failure::new(Cause::Preempted, message), None))
            }
            () = self.no_longer_wanted(delivery) => Err(unwanted()),
        }
    }

    /// Waits until a task is not to begin any more.
    async fn no_longer_wanted(&self, delivery: &Delivery) {
        loop {
            tokio::time::sleep(LOOK).await;
            if !self.is_wanted(delivery).await {
                return;
            }
        }
    }

    async fn is_wanted(&self, delivery: &Delivery) -> bool {
        // Whoever cannot be asked has wanted it so far.
        self.consumer.is_wanted(delivery).await.unwrap_or(true)
    }

    async fn run(
        &self,
        operation: &Operational,
        delivery: &Delivery,
        places: &Arc<Places>,
        permits: Vec<Permit>,
        cut: Pin<&mut (impl FusedFuture<Output = ()> + Send)>,
    ) -> Result<Value, Judged> {
        let task = &delivery.task;
        let cancellation = CancellationToken::new();
        let reports =
            Arc::new(Reports::new(delivery.execution.clone(), delivery.lease, Arc::clone(&self.consumer)));
        let context = Context::new(ContextParts {
            execution: delivery.execution.clone(),
            task: Arc::clone(task),
            attempt: delivery.lease.token.attempt,
            cancellation: cancellation.clone(),
            resources: Arc::clone(&self.resources),
            reporter: Arc::clone(&reports) as _,
            place: Arc::clone(places) as _,
            semaphores: Arc::clone(&self.semaphores) as _,
            permits,
        });
        let running = match isolation(task) {
            Isolation::None => operation.entry.run(task.arguments.clone(), context),
            Isolation::Thread => {
                let running = operation.entry.run(task.arguments.clone(), context.clone());
                Box::pin(async move { context.blocking(|_| Handle::current().block_on(running)).await })
            }
            Isolation::Process => {
                let assignment = Assignment {
                    execution: delivery.execution.clone(),
                    task: Task::clone(task),
                    attempt: delivery.lease.token.attempt,
                };
                let reporter = Arc::clone(&reports) as _;
                let isolates = Arc::clone(&self.isolates);
                Box::pin(isolates.run(assignment, reporter, cancellation.clone(), self.stop_grace))
            }
        };
        let running = Guarded::new(running);
        let ended = self.within_limits(running, task.runtime_limit, &cancellation, cut).await;
        ended.map_err(|mut judged| {
            if judged.failure.tail.is_empty() {
                judged.failure = judged.failure.with_tail(&reports.tail());
            }
            judged
        })
    }

    async fn within_limits(
        &self,
        mut running: Guarded<otaman::Result<Value>>,
        limit: Option<Duration>,
        cancellation: &CancellationToken,
        cut: Pin<&mut (impl FusedFuture<Output = ()> + Send)>,
    ) -> Result<Value, Judged> {
        let expiry = async {
            match limit {
                Some(limit) => {
                    tokio::time::sleep(limit).await;
                    Stop::Limit(limit)
                }
                None => std::future::pending().await,
            }
        };
        // The operation comes first: most end at their first poll, and nothing else is looked at.
        let stop = tokio::select! {
            biased;
            ended = &mut running => return self.judged(ended),
            stop = expiry => stop,
            () = cut => Stop::Drain,
        };
        cancellation.cancel();
        let ended = match tokio::time::timeout(self.stop_grace, &mut running).await {
            // A value counts though it is late: the work is done.
            Ok(ended) => self.judged(ended),
            Err(_) => {
                tracing::warn!(grace = ?self.stop_grace, "the operation did not stop when told to; it is abandoned");
                let message =
                    format!("told to stop, it did not within {:?}, and was abandoned", self.stop_grace);
                Err(Judged { failure: Failure::new(Cause::Permanent, message), is_inferred: false })
            }
        };
        ended.map_err(|judged| Judged { failure: stopped(judged.failure, stop), is_inferred: false })
    }

    /// The end of an operation, a panic included, with the cause of its failure.
    fn judged(&self, ended: otaman::Result<otaman::Result<Value>>) -> Result<Value, Judged> {
        ended.flatten().map_err(|error| {
            let is_inferred = error.is_inferred();
            Judged { failure: error.judged_by(&self.rules), is_inferred }
        })
    }
}

/// Why a copy is for other workers: it was published before an attempt ran out of memory.
fn belongs_elsewhere(delivery: &Delivery) -> Option<String> {
    let worker_type = delivery.task.worker_type_after(&delivery.spent);
    (*worker_type != delivery.task.worker_type)
        .then(|| format!("it has run out of memory and is for workers of type {worker_type}"))
}

/// What the task shares with the worker. Only of a process can the memory be limited.
fn isolation(task: &Task) -> Isolation {
    if task.memory_limit.is_some() { Isolation::Process } else { task.isolation }
}

/// Whatever an operation says after it was told to stop, that is why it failed.
fn stopped(mut failure: Failure, stop: Stop) -> Failure {
    let message = match stop {
        Stop::Limit(limit) => {
            failure.cause = Cause::Timeout;
            format!("took longer than its runtime limit of {}", DurationText(limit))
        }
        Stop::Drain => {
            failure.cause = Cause::Preempted;
            "stopped because the worker is leaving".to_owned()
        }
    };
    failure.messages.insert(0, message);
    failure
}
