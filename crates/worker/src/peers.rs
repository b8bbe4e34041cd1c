//! What a worker does because there may be others: it leaves tasks to them, and neither charges tasks with what
//! may be its machine's fault.

use std::sync::Arc;
use std::time::Duration;

use backends::broker::Delivery;
use protocol::{Cause, DurationText, Failure, Task};

use crate::colleagues::Colleagues;
use crate::decline::{self, Decline};
use crate::doubt::{self, Earlier, Failed};
use crate::doubts::Doubts;
use crate::learned::Learned;
use crate::lifetime::{Choice, Facts, Lifetime, choose};
use crate::probe;
use crate::shortage::{self, Fitness};

/// How long a slot takes nothing after a failure that another machine is to judge, so that it gets the task.
const AFTER_DOUBT: Duration = Duration::from_millis(200);

/// The same after a task was left to others for want of time. Others of the queue may fit.
const AFTER_DECLINE: Duration = Duration::from_millis(100);

/// The same, on average, after one that is for another machine.
const FOR_OTHERS: Duration = Duration::from_secs(1);

/// What a worker knows and minds of others.
pub(crate) struct Peers {
    pub(crate) colleagues: Colleagues,
    /// Sees to it that others get what this machine lacks the means for.
    pub(crate) fitness: Arc<Fitness>,
    pub(crate) doubts: Arc<Doubts>,
    pub(crate) learned: Arc<Learned>,
    /// Absent if the worker goes on for ever.
    pub(crate) lifetime: Option<Lifetime>,
}

/// A failure, and what is known of its cause.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) failure: Failure,
    /// Whether rules have found the cause.
    pub(crate) is_inferred: bool,
}

/// A failure with what follows from it beyond the task's policy.
#[derive(Debug)]
pub(crate) struct Spared {
    pub(crate) failure: Failure,
    /// When others are to have the task.
    pub(crate) put_off: Option<Duration>,
    /// How long the slot takes nothing.
    pub(crate) rest: Duration,
}

impl Spared {
    /// A failure from which nothing more follows.
    pub(crate) fn no(failure: Failure) -> Self {
        Self { failure, put_off: None, rest: Duration::ZERO }
    }
}

impl Peers {
    /// Why and how a task is left to others before it is begun, if it is.
    pub(crate) async fn leave(&self, delivery: &Delivery) -> Option<Decline> {
        match self.leave_for_doubts(delivery).await {
            None => self.leave_for_want_of_time(delivery).await,
            decline => decline,
        }
    }

    async fn leave_for_want_of_time(&self, delivery: &Delivery) -> Option<Decline> {
        let lifetime = self.lifetime.as_ref()?;
        let expected = self.expected(delivery)?;
        let (left, declined) = (lifetime.left(), delivery.declined);
        let mut facts = Facts { expected, left, whole: lifetime.whole(), declined, fits_elsewhere: true };
        if choose(&facts) == Choice::Decline {
            facts.fits_elsewhere = self.colleagues.have_time(&delivery.task, expected).await;
        }
        let text = |duration: Duration| DurationText(Duration::from_secs(duration.as_secs()));
        match choose(&facts) {
            Choice::Begin => None,
            Choice::BeginAnyway => {
                tracing::warn!(
                    expected = %text(expected), left = %text(left), declined,
                    "the task will hardly end in the time that this worker has left, and no other has more; it runs all the same"
                );
                None
            }
            Choice::Decline => {
                let why = format!(
                    "it takes up to {}, and the worker goes on for {} only",
                    text(expected),
                    text(left)
                );
                Some(Decline { why, after: decline::delay(declined), rest: AFTER_DECLINE })
            }
        }
    }

    /// How long the task takes in all likelihood: as others of its operation, and longer than an attempt that
    /// was stopped because its worker left.
    fn expected(&self, delivery: &Delivery) -> Option<Duration> {
        let stopped = |failure: &Failure| {
            failure.cause == Cause::Preempted && !failure.is_doubted && !failure.is_shortage
        };
        let attempts = delivery.failed_attempts.iter().filter(|attempt| stopped(&attempt.failure));
        let longest = attempts.map(|attempt| attempt.duration).max();
        self.learned.expected(&delivery.task).max(longest.filter(|longest| !longest.is_zero()))
    }

    async fn leave_for_doubts(&self, delivery: &Delivery) -> Option<Decline> {
        let Delivery { task, failed_attempts, declined, .. } = delivery;
        let earlier = Earlier::of(failed_attempts, self.colleagues.node());
        let is_suspect = self.doubts.is_suspect(&task.operation);
        let why = doubt::reserved_for_others(earlier, is_suspect, *declined)?;
        if !self.colleagues.are_elsewhere(task).await {
            return None;
        }
        // At the head of the queue the next one that has room gets it. Two workers must not keep step, or
        // each would get its own again and again.
        let rest = FOR_OTHERS.mul_f64(0.5 + rand::random::<f64>());
        let after = declined.checked_sub(decline::AT_HEAD).map_or(Duration::ZERO, decline::delay);
        Some(Decline { why: why.to_owned(), after, rest })
    }

    /// An attempt has ended with a value.
    pub(crate) fn succeeded(&self, task: &Task, took: Duration) {
        self.doubts.succeeded(&task.operation);
        self.learned.add(task, took);
    }

    /// What becomes of a failed attempt if this machine is to blame, or may be.
    pub(crate) async fn spare(&self, judged: Judged, delivery: &Delivery, took: Duration) -> Spared {
        let Judged { mut failure, is_inferred } = judged;
        match failure.cause {
            Cause::Transient | Cause::Permanent | Cause::OutOfMemory => {}
            Cause::Timeout | Cause::Lost | Cause::Preempted => return Spared::no(failure),
        }
        if !failure.is_shortage {
            let Some(lack) = probe::lack().await else {
                return self.doubt(Judged { failure, is_inferred }, delivery, took).await;
            };
            failure.is_shortage = true;
            failure.messages.insert(0, lack);
        }
        let failure = self.fitness.judge(delivery.task.id, &delivery.failed_attempts, failure);
        let put_off = (failure.cause == Cause::Preempted).then_some(shortage::PAUSE);
        Spared { failure, put_off, rest: shortage::PAUSE }
    }

    /// Has another machine try what may have failed because of this one.
    async fn doubt(&self, judged: Judged, delivery: &Delivery, took: Duration) -> Spared {
        let Judged { mut failure, is_inferred } = judged;
        let task = &delivery.task;
        let earlier = Earlier::of(&delivery.failed_attempts, self.colleagues.node());
        let is_proven = self.doubts.failed(&task.operation);
        let failed = Failed { cause: failure.cause, is_inferred, took, earlier, is_proven };
        if !doubt::is_doubtful(&failed) || !self.colleagues.are_elsewhere(task).await {
            return Spared::no(failure);
        }
        let how = failure.summary();
        tracing::warn!(
            how,
            "the task has failed; another machine is to try it, in case this one is to blame"
        );
        self.doubts.ask(&task.operation, &delivery.execution, task.id, how);
        let cause = failure.cause.as_str();
        failure.messages.insert(0, format!("failed ({cause}), but another machine is to try it"));
        failure.cause = Cause::Preempted;
        failure.is_doubted = true;
        Spared { failure, put_off: None, rest: AFTER_DOUBT }
    }
}
