//! A worker's side of the broker in memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use protocol::{Attempt, Cause, Decision, Ending, ExecutionId, Lease, Outcome};
use tokio::time::Instant;

use super::board::Wanted;
use super::handle::Broker;
use super::job::Job;
use super::lease;
use super::slots::{Released, Slots};
use crate::broker::{Delivery, Error, Settled, TaskConsumer};

/// Leases tasks for one session.
#[derive(Debug)]
pub struct EmbeddedConsumer {
    pub(super) broker: Arc<Broker>,
    pub(super) slots: Arc<Slots>,
    pub(super) wanted: Wanted,
    pub(super) kept: PathBuf,
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
            job.inbox.report(outcome);
            self.unblock(unblocked);
            Ok(Settled::Accepted)
        })
    }

    fn retry(&self, lease: Lease, failed: Attempt, after: Duration) -> BoxFuture<'_, Result<Settled, Error>> {
        Box::pin(async move {
            let Some(Released { mut job, was_told, unblocked }) = self.slots.release(&lease) else {
                return Ok(Settled::Stale);
            };
            job.charge(failed);
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
            Ok(Settled::Accepted)
        })
    }

    fn keep<'a>(&'a self, _: &'a ExecutionId, file: &'a Path) -> BoxFuture<'a, Result<String, Error>> {
        Box::pin(crate::kept::keep(self.kept.clone(), file.to_owned()))
    }
}

impl EmbeddedConsumer {
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
        spent: job.spent(),
        failed_attempts: job.failed_attempts(),
    }
}
