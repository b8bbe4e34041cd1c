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
use crate::colleagues::{Colleagues, PUT_OFF};
use crate::isolated::{Assignment, Isolates};
use crate::panics::Guarded;
use crate::places::Places;
use crate::semaphores::MachineSemaphores;
use crate::shortage::{self, Fitness};
use crate::{probe, unknown};

/// What attempts are made with.
pub(crate) struct Executor {
    pub(crate) registry: Arc<Registry>,
    pub(crate) resources: Arc<Resources>,
    pub(crate) consumer: Arc<dyn TaskConsumer>,
    pub(crate) stop_grace: Duration,
    pub(crate) isolates: Arc<Isolates>,
    /// Who else may have an operation; nobody where all runs in one process.
    pub(crate) colleagues: Option<Colleagues>,
    /// What failures mean about which operations say nothing.
    pub(crate) rules: Rules,
    /// Hands back what this machine lacks the means for; absent where nobody else could have it.
    pub(crate) fitness: Option<Arc<Fitness>>,
    pub(crate) semaphores: Arc<MachineSemaphores>,
    /// Cancelled when nothing more is to be begun.
    pub(crate) leaving: CancellationToken,
}

/// How an attempt ended.
pub(crate) struct Ended {
    pub(crate) started_at_us: u64,
    pub(crate) duration: Duration,
    pub(crate) result: Result<Value, Failure>,
    /// It did not fail but is for others, who are to have it after this delay.
    pub(crate) put_off: Option<Duration>,
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
        Self { started_at_us, duration: Duration::ZERO, result: Err(failure), put_off }
    }
}

impl Executor {
    /// Runs one attempt. When `cut` is done, the attempt is to stop because the worker leaves. While it
    /// waits before it begins, its place is lent and `tally` knows.
    pub(crate) async fn execute(
        &self,
        delivery: &Delivery,
        places: &Places,
        tally: &Tally,
        cut: Pin<&mut (impl FusedFuture<Output = ()> + Send)>,
    ) -> Ended {
        let task = &delivery.task;
        let attempt = delivery.lease.token.attempt;
        let span = tracing::info_span!(
            "task", execution = %delivery.execution, task = %task.id, operation = %task.operation, attempt
        );
        if let Some((failure, put_off)) = self.belongs_elsewhere(delivery) {
            return Ended::before_it_began(failure, put_off);
        }
        let Some(operation) = self.registry.operation(&task.operation, &task.version) else {
            let (failure, put_off) = self.lack(task).instrument(span).await;
            return Ended::before_it_began(failure, put_off);
        };
        let mut permits = Vec::new();
        if !task.semaphores.is_empty() {
            match self.permits(delivery, places, tally).instrument(span.clone()).await {
                Ok(all) => permits = all,
                Err(failure) => return Ended::before_it_began(failure, None),
            }
        }
        let started_at_us = to_unix_micros(SystemTime::now());
        let start = Instant::now();
        let (result, put_off) = async {
            match self.run(operation, delivery, permits, cut).await {
                Ok(value) => (Ok(value), None),
                Err(failure) => {
                    let (failure, put_off) = self.spared(failure, delivery).await;
                    (Err(failure), put_off)
                }
            }
        }
        .instrument(span)
        .await;
        Ended { started_at_us, duration: start.elapsed(), result, put_off }
    }

    /// Why a copy is for other workers: it was published before an attempt ran out of memory.
    fn belongs_elsewhere(&self, delivery: &Delivery) -> Option<(Failure, Option<Duration>)> {
        let worker_type = delivery.task.worker_type_after(&delivery.spent);
        if *worker_type == delivery.task.worker_type {
            return None;
        }
        let message = format!("it has run out of memory and is for workers of type {worker_type}");
        Some((Failure::new(Cause::Preempted, message), Some(PUT_OFF)))
    }

    /// What becomes of a failed attempt, and after which delay others are to have it, if this machine is
    /// to blame.
    async fn spared(&self, mut failure: Failure, delivery: &Delivery) -> (Failure, Option<Duration>) {
        let Some(fitness) = &self.fitness else { return (failure, None) };
        match failure.cause {
            Cause::Transient | Cause::Permanent | Cause::OutOfMemory => {}
            Cause::Timeout | Cause::Lost | Cause::Preempted => return (failure, None),
        }
        if !failure.is_shortage {
            let Some(lack) = probe::lack().await else { return (failure, None) };
            failure.is_shortage = true;
            failure.messages.insert(0, lack);
        }
        let failure = fitness.judge(delivery.task.id, &delivery.failed_attempts, failure);
        let put_off = (failure.cause == Cause::Preempted).then_some(shortage::PAUSE);
        (failure, put_off)
    }

    /// What becomes of a task whose operation is not here.
    async fn lack(&self, task: &Task) -> (Failure, Option<Duration>) {
        let failure = unknown::failure(&self.registry, task);
        match &self.colleagues {
            Some(colleagues) if colleagues.have(task).await => {
                (Failure { cause: Cause::Preempted, ..failure }, Some(PUT_OFF))
            }
            Some(_) | None => (failure, None),
        }
    }

    /// The places that the task is to have while it runs. The wait is no part of the attempt, and ends
    /// as soon as the worker is to leave: others can begin the task sooner.
    async fn permits(
        &self,
        delivery: &Delivery,
        places: &Places,
        tally: &Tally,
    ) -> Result<Vec<Permit>, Failure> {
        let _waits = tally.wait();
        let tell = |semaphore: Option<&SemaphoreName>| self.consumer.waits(delivery.lease, semaphore);
        tokio::select! {
            biased;
            permits = places.lent_during(self.semaphores.of_task(&delivery.task, &tell)) => permits.map_err(otaman::Error::into_failure),
            () = self.leaving.cancelled() => {
                let message = "the worker is leaving; the task still waited for its semaphores";
                Err(Failure::new(Cause::Preempted, message))
            }
        }
    }

    async fn run(
        &self,
        operation: &Operational,
        delivery: &Delivery,
        permits: Vec<Permit>,
        cut: Pin<&mut (impl FusedFuture<Output = ()> + Send)>,
    ) -> Result<Value, Failure> {
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
        ended.map_err(|mut failure| {
            if failure.tail.is_empty() {
                failure = failure.with_tail(&reports.tail());
            }
            failure
        })
    }

    async fn within_limits(
        &self,
        mut running: Guarded<otaman::Result<Value>>,
        limit: Option<Duration>,
        cancellation: &CancellationToken,
        cut: Pin<&mut (impl FusedFuture<Output = ()> + Send)>,
    ) -> Result<Value, Failure> {
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
                Err(Failure::new(Cause::Permanent, message))
            }
        };
        ended.map_err(|failure| stopped(failure, stop))
    }

    /// The end of an operation, a panic included, with the cause of its failure.
    fn judged(&self, ended: otaman::Result<otaman::Result<Value>>) -> Result<Value, Failure> {
        ended.flatten().map_err(|error| error.judged_by(&self.rules))
    }
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
