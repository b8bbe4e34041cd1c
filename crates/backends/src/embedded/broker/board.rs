//! Which tasks wait for a worker, which workers wait for a task, and which tasks wait for their time.
//!
//! Synchronous and without a clock. A task for which a worker waits is handed to that worker at
//! once, so that no wake-up can be lost and no more workers wake than there are tasks.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

use protocol::{ExecutionId, WorkerType};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::job::Job;

/// The tasks that nobody has leased, and the workers that have none.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// One queue for each worker type that was ever seen; few, hence a list.
    queues: Vec<(WorkerType, VecDeque<Job>)>,
    /// Where a consumer of all types looks first, so that no type starves.
    turn: usize,
    waiting: VecDeque<Waiting>,
    delayed: BinaryHeap<Reverse<Delayed>>,
    last_number: u64,
    /// Executions of which no more is to begin.
    stopping: BTreeSet<ExecutionId>,
    is_closed: bool,
}

/// Which worker types a consumer takes; none named means all.
pub(super) type Wanted = std::sync::Arc<[WorkerType]>;

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    wanted: Wanted,
    worker: oneshot::Sender<Job>,
}

#[derive(Debug)]
struct Delayed {
    due: Instant,
    /// Keeps tasks of one moment in the order they came.
    number: u64,
    job: Job,
}

/// A task and the worker that it is for; to be sent once the board is unlocked, since that wakes
/// somebody who will want the board.
#[must_use]
#[derive(Debug)]
pub(super) struct Handover {
    worker: oneshot::Sender<Job>,
    job: Job,
}

impl Handover {
    /// Hands the task over; gives it back if the worker has left meanwhile.
    pub(super) fn send(self) -> Result<(), Job> {
        self.worker.send(self.job)
    }
}

/// What a worker gets that asks for a task.
#[derive(Debug)]
pub(super) enum Answer {
    Job(Job),
    Wait { ticket: u64, job: oneshot::Receiver<Job> },
    Closed,
}

impl Board {
    /// Adds tasks at the end of their queues. After the end of the broker they are dropped.
    pub(super) fn add(&mut self, jobs: impl IntoIterator<Item = Job>) -> Vec<Handover> {
        let mut handovers = Vec::new();
        for job in jobs {
            match self.find_worker(job) {
                Ok(handover) => handovers.push(handover),
                Err(job) => self.queue(&job.task.worker_type).push_back(job),
            }
        }
        handovers
    }

    /// Puts tasks back at the head of their queues, the first one first.
    pub(super) fn add_first(&mut self, jobs: Vec<Job>) -> Vec<Handover> {
        let mut handovers = Vec::new();
        let mut rest = Vec::new();
        for job in jobs {
            match self.find_worker(job) {
                Ok(handover) => handovers.push(handover),
                Err(job) => rest.push(job),
            }
        }
        for job in rest.into_iter().rev() {
            self.queue(&job.task.worker_type).push_front(job);
        }
        handovers
    }

    /// Adds a task that nobody may have before `due`.
    pub(super) fn delay(&mut self, job: Job, due: Instant) {
        let number = self.next_number();
        self.delayed.push(Reverse(Delayed { due, number, job }));
    }

    /// Queues the tasks whose time has come.
    pub(super) fn release_due(&mut self, now: Instant) -> Vec<Handover> {
        let mut due = Vec::new();
        while let Some(Reverse(first)) = self.delayed.peek()
            && first.due <= now
        {
            due.extend(self.delayed.pop().map(|Reverse(delayed)| delayed.job));
        }
        self.add(due)
    }

    /// When the next delayed task is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.delayed.peek().map(|Reverse(first)| first.due)
    }

    /// One task of the wanted types, or a place in the line.
    pub(super) fn ask(&mut self, wanted: &Wanted) -> Answer {
        if self.is_closed {
            return Answer::Closed;
        }
        if let Some(job) = self.take(wanted) {
            return Answer::Job(job);
        }
        let ticket = self.next_number();
        let (worker, job) = oneshot::channel();
        self.waiting.push_back(Waiting { ticket, wanted: wanted.clone(), worker });
        Answer::Wait { ticket, job }
    }

    /// Leaves the line.
    pub(super) fn leave(&mut self, ticket: u64) {
        // Tickets grow along the line.
        if let Ok(at) = self.waiting.binary_search_by_key(&ticket, |waiting| waiting.ticket) {
            self.waiting.remove(at);
        }
    }

    /// Takes back every task of an execution.
    pub(super) fn withdraw(&mut self, execution: &ExecutionId) -> Vec<Job> {
        self.stopping.insert(execution.clone());
        let is_wanted = |job: &Job| job.inbox.execution == *execution;
        let mut taken = Vec::new();
        for (_, queue) in &mut self.queues {
            let (of_it, others) = std::mem::take(queue).into_iter().partition::<VecDeque<_>, _>(is_wanted);
            taken.extend(of_it);
            *queue = others;
        }
        let (of_it, others) = std::mem::take(&mut self.delayed)
            .into_iter()
            .partition::<Vec<_>, _>(|delayed| is_wanted(&delayed.0.job));
        self.delayed = others.into();
        taken.extend(of_it.into_iter().map(|Reverse(delayed)| delayed.job));
        taken
    }

    /// Whether no more of an execution is to begin.
    pub(super) fn is_stopping(&self, execution: &ExecutionId) -> bool {
        self.is_closed || self.stopping.contains(execution)
    }

    /// More of an execution is to begin.
    pub(super) fn goes_on(&mut self, execution: &ExecutionId) {
        self.stopping.remove(execution);
    }

    /// Ends the broker: drops all tasks and sends everybody in the line home.
    pub(super) fn close(&mut self) {
        *self = Self { is_closed: true, ..Self::default() };
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    fn take(&mut self, wanted: &Wanted) -> Option<Job> {
        let count = self.queues.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            let (worker_type, queue) = &mut self.queues[at];
            if is_wanted(wanted, worker_type)
                && let Some(job) = queue.pop_front()
            {
                self.turn = (at + 1) % count;
                return Some(job);
            }
        }
        None
    }

    fn find_worker(&mut self, job: Job) -> Result<Handover, Job> {
        let worker_type = &job.task.worker_type;
        let place = self.waiting.iter().position(|waiting| is_wanted(&waiting.wanted, worker_type));
        match place.and_then(|at| self.waiting.remove(at)) {
            Some(waiting) => Ok(Handover { worker: waiting.worker, job }),
            None => Err(job),
        }
    }

    fn queue(&mut self, worker_type: &WorkerType) -> &mut VecDeque<Job> {
        let known = self.queues.iter().position(|(name, _)| name == worker_type);
        let at = known.unwrap_or_else(|| {
            self.queues.push((worker_type.clone(), VecDeque::new()));
            self.queues.len() - 1
        });
        &mut self.queues[at].1
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

fn is_wanted(wanted: &Wanted, worker_type: &WorkerType) -> bool {
    wanted.is_empty() || wanted.contains(worker_type)
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Delayed {}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.due, self.number).cmp(&(other.due, other.number))
    }
}
