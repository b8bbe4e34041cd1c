//! What this machine lacks is no task's fault: the attempt goes to others, and a worker that meets
//! shortages again and again leaves.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use protocol::{Attempt, Cause, Failure, SessionId, TaskId};

use crate::leaving::{Leaving, Reason};
use crate::unfit::{Unfit, WINDOW};

/// After how long a task that met a shortage is offered again, and how long its slot rests.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// So many shortages within that time are too many, be they of one task only.
const MOST: usize = 10;

/// A task that ran on so many workers that then were short of something is taken to be why.
const MOST_WORKERS: usize = 3;

/// Decides when a worker has met too many shortages.
#[derive(Debug)]
pub(crate) struct Fitness {
    /// So many different tasks within the window are too many.
    most_tasks: usize,
    leaving: Arc<Leaving>,
    /// A std mutex: held for a count, never across an await.
    met: Mutex<Met>,
}

/// Shortages that were met within the window, oldest first.
#[derive(Debug, Default)]
struct Met(VecDeque<(Instant, TaskId)>);

impl Fitness {
    pub(crate) fn new(most_tasks: usize, leaving: Arc<Leaving>) -> Self {
        Self { most_tasks, leaving, met: Mutex::default() }
    }

    /// Judges a failure that this machine's shortage brought about: the task is handed back at no
    /// cost, unless it has met shortages wherever it ran. Says so, and has the worker leave if it is
    /// once too often.
    pub(crate) fn judge(&self, task: TaskId, earlier: &[Attempt], mut failure: Failure) -> Failure {
        let workers = short_workers(earlier);
        if workers >= MOST_WORKERS {
            let message = format!("{workers} workers have run short of something while they ran it");
            failure.cause = Cause::Transient;
            return failure.caused_by(message);
        }
        let lack = failure.summary();
        tracing::error!(
            lack,
            "this machine is short of something; the task goes to other workers, at no cost"
        );
        failure.cause = Cause::Preempted;
        failure.messages.insert(0, "the worker's machine was short of something".to_owned());
        let (times, tasks) =
            self.met.lock().unwrap_or_else(PoisonError::into_inner).add(task, Instant::now());
        if times >= MOST || tasks >= self.most_tasks {
            self.leaving.leave(Reason::Unfit(Unfit::Short { times, tasks, last: lack }));
        }
        failure
    }
}

impl Met {
    /// Adds one; how many there are by now, and of how many tasks.
    fn add(&mut self, task: TaskId, now: Instant) -> (usize, usize) {
        self.0.push_back((now, task));
        while self.0.front().is_some_and(|(moment, _)| now.duration_since(*moment) > WINDOW) {
            self.0.pop_front();
        }
        let tasks: HashSet<&TaskId> = self.0.iter().map(|(_, task)| task).collect();
        (self.0.len(), tasks.len())
    }
}

/// On how many workers a task met shortages.
fn short_workers(attempts: &[Attempt]) -> usize {
    let short = attempts.iter().filter(|attempt| attempt.failure.is_shortage);
    short.map(|attempt| attempt.session).collect::<HashSet<SessionId>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(number: u8) -> TaskId {
        TaskId::of_key(&number.to_string())
    }

    fn short() -> Failure {
        Failure { is_shortage: true, ..Failure::new(Cause::Transient, "no room") }
    }

    fn attempt(worker: u128, failure: Failure) -> Attempt {
        Attempt {
            number: 1,
            session: SessionId::from_uuid(uuid::Uuid::from_u128(worker)),
            node: "there".to_owned(),
            started_at_us: 0,
            duration: Duration::ZERO,
            failure,
        }
    }

    fn fitness() -> (Fitness, Arc<Leaving>) {
        let leaving = Arc::new(Leaving::default());
        (Fitness::new(3, Arc::clone(&leaving)), leaving)
    }

    #[test]
    fn a_shortage_costs_the_task_nothing() {
        let failure = fitness().0.judge(task(1), &[], short());
        assert_eq!(failure.cause, Cause::Preempted);
        assert_eq!(failure.summary(), "the worker's machine was short of something: no room");
    }

    #[test]
    fn three_different_tasks_are_enough_to_leave() {
        let (fitness, leaving) = fitness();
        for number in [1, 2, 2, 1] {
            fitness.judge(task(number), &[], short());
            assert_eq!(leaving.reason(), None);
        }
        fitness.judge(task(3), &[], short());
        let unfit = Unfit::Short { times: 5, tasks: 3, last: "no room".to_owned() };
        assert_eq!(leaving.reason(), Some(Reason::Unfit(unfit)));
        assert!(leaving.stop.is_cancelled());
    }

    #[test]
    fn one_task_alone_is_enough_in_the_end() {
        let (fitness, leaving) = fitness();
        for times in 1..=MOST {
            fitness.judge(task(1), &[], short());
            assert_eq!(leaving.reason().is_some(), times == MOST);
        }
    }

    #[test]
    fn what_is_long_ago_counts_no_more() {
        let (mut met, start) = (Met::default(), Instant::now());
        assert_eq!(met.add(task(1), start), (1, 1));
        assert_eq!(met.add(task(2), start + WINDOW), (2, 2));
        assert_eq!(met.add(task(2), start + WINDOW + Duration::from_secs(1)), (2, 1));
    }

    #[test]
    fn a_task_that_meets_shortages_everywhere_is_charged() {
        let (fitness, leaving) = fitness();
        let other = || Failure::new(Cause::Transient, "other");
        let two = [attempt(1, short()), attempt(2, short()), attempt(2, short()), attempt(3, other())];
        assert_eq!(fitness.judge(task(1), &two, short()).cause, Cause::Preempted);
        let three = [attempt(1, short()), attempt(2, short()), attempt(3, short())];
        for number in 2..9 {
            let failure = fitness.judge(task(number), &three, short());
            assert_eq!(failure.cause, Cause::Transient);
            assert!(failure.summary().contains("3 workers have run short"), "{}", failure.summary());
        }
        assert_eq!(leaving.reason(), None, "that is not this machine's fault");
    }
}
