//! A worker's side of the broker in memory.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use protocol::{Attempt, Cause, Decision, Ending, ExecutionId, IdSet, Lease, Outcome, TaskId};
use tokio::time::Instant;

use super::board::Wanted;
use super::handle::Broker;
use super::job::Job;
use super::lease;
use super::slots::{Released, Slots};
use crate::broker::{Delivery, Error, Settled, TaskConsumer};
use crate::progress;

/// Leases tasks for one session.
#[derive(Debug)]
pub struct EmbeddedConsumer {
    pub(super) broker: Arc<Broker>,
    pub(super) slots: Arc<Slots>,
    pub(super) wanted: Wanted,
    pub(super) kept: PathBuf,
    /// Tasks of which progress is remembered. A std mutex: held to look one up.
    pub(super) progressed: Mutex<IdSet<TaskId>>,
}

impl TaskConsumer for EmbeddedConsumer {
    fn lease(&self) -> BoxFuture<'_, Result<Option<Delivery>, Error>> {
        Box::pin(async move {
            while let Some(job) = lease::next_job(&self.broker, &self.wanted).await {
                if let Some(delivery) = self.slots.lease(job, self.broker.now(), deliver) {
                    return Ok(Some(delivery));
                }
            }
            Ok(None)
        })
    }

    fn complete(&self, lease: Lease, outcome: Outcome) -> BoxFuture<'_, Result<Settled, Error>> {
        Box::pin(async move {
            let Some(Released { job, unblocked, .. }) = self.slots.release(&lease) else {
                return Ok(Settled::Stale);
            };
            self.forget_progress(&job);
            job.inbox.report(outcome);
            self.unblock(unblocked);
            Ok(Settled::Accepted)
        })
    }

    fn retry(&self, lease: Lease, failed: Attempt, after: Duration) -> BoxFuture<'_, Result<Settled, Error>> {
        Box::pin(async move { Ok(self.hand_back(lease, after, |job| job.charge(failed))) })
    }

    fn decline(
        &self,
        lease: Lease,
        _: &str,
        _: String,
        after: Duration,
    ) -> BoxFuture<'_, Result<Settled, Error>> {
        Box::pin(async move { Ok(self.hand_back(lease, after, Job::decline)) })
    }

    fn keep<'a>(&'a self, _: &'a ExecutionId, file: &'a Path) -> BoxFuture<'a, Result<String, Error>> {
        Box::pin(crate::kept::keep(self.kept.clone(), file.to_owned()))
    }

    fn is_wanted<'a>(&'a self, delivery: &'a Delivery) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move { Ok(!self.broker.board().is_stopping(&delivery.execution)) })
    }

    fn holds<'a>(&'a self, _: &'a ExecutionId, lease: Lease) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move { Ok(self.slots.holds(&lease)) })
    }

    fn save_progress<'a>(
        &'a self,
        execution: &'a ExecutionId,
        lease: Lease,
        progress: Bytes,
    ) -> BoxFuture<'a, Result<Settled, Error>> {
        Box::pin(async move {
            Error::check_progress(&progress)?;
            if !self.slots.holds(&lease) {
                return Ok(Settled::Stale);
            }
            self.has_progress(lease.task);
            let (kept, execution) = (self.kept.clone(), execution.clone());
            let save = move || progress::save(&kept, &execution, lease.task, &progress);
            off_thread(save).await?;
            Ok(Settled::Accepted)
        })
    }

    fn saved_progress<'a>(
        &'a self,
        execution: &'a ExecutionId,
        task: TaskId,
    ) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        Box::pin(async move {
            let (kept, execution) = (self.kept.clone(), execution.clone());
            let saved = off_thread(move || progress::load(&kept, &execution, task)).await?;
            if saved.is_some() {
                self.has_progress(task);
            }
            Ok(saved.map(Bytes::from))
        })
    }
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| Err(std::io::Error::other(panic))).map_err(Error::server)
}

impl EmbeddedConsumer {
    /// Takes a task from this session and queues it anew after a delay.
    fn hand_back(&self, lease: Lease, after: Duration, note: impl FnOnce(&mut Job)) -> Settled {
        let Some(Released { mut job, was_told, unblocked }) = self.slots.release(&lease) else {
            return Settled::Stale;
        };
        note(&mut job);
        if was_told {
            job.inbox.tell_released(job.task.id);
        }
        if after.is_zero() {
            let handovers = self.broker.board().add([job]);
            self.broker.hand_over(handovers);
        } else {
            self.broker.board().delay(job, Instant::now() + after);
            self.broker.sweeper.start(&self.broker);
            self.broker.sweeper.wake();
        }
        self.unblock(unblocked);
        Settled::Accepted
    }

    fn has_progress(&self, task: TaskId) {
        self.progressed.lock().unwrap_or_else(PoisonError::into_inner).insert(task);
    }

    fn forget_progress(&self, job: &Job) {
        if self.progressed.lock().unwrap_or_else(PoisonError::into_inner).remove(&job.task.id) {
            progress::forget(&self.kept, &job.inbox.execution, job.task.id);
        }
    }

    fn unblock(&self, jobs: Vec<Job>) {
        if !jobs.is_empty() {
            self.broker.queue_first(jobs);
        }
    }
}

impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        self.broker.remove(&self.slots);
        let (lost, mut back) = self.slots.lose_all(self.broker.now());
        for (mut job, attempt, was_told) in lost {
            let failure = attempt.failure.clone();
            let (started_at_us, duration) = (attempt.started_at_us, attempt.duration);
            let earlier = job.failed_attempts();
            job.charge(attempt);
            let default_policy = Default::default();
            let policy = job.task.retry.as_deref().unwrap_or(&default_policy);
            match policy.decide(Cause::Lost, &job.spent(), 0.0) {
                Decision::Retry { .. } => {
                    if was_told {
                        job.inbox.tell_released(job.task.id);
                    }
                    back.push(job);
                }
                // Taken to be what kills its workers.
                Decision::Dead => job.inbox.report(Outcome {
                    task: job.task.id,
                    ending: Ending::Failed(failure),
                    attempt: job.attempts,
                    retries: job.spent().total().saturating_sub(1),
                    session: Some(self.slots.session.id),
                    started_at_us,
                    duration,
                    failed_attempts: earlier,
                }),
            }
        }
        self.unblock(back);
    }
}

fn deliver(job: &Job, lease: Lease) -> Delivery {
    Delivery {
        execution: job.inbox.execution.clone(),
        task: Arc::clone(&job.task),
        lease,
        incarnation: 0,
        spent: job.spent(),
        failed_attempts: job.failed_attempts(),
        declined: job.declined(),
    }
}
