//! Messages of queues that give no confirms, kept apart: on one channel they hold up all others,
//! since the broker waits for such a queue before it looks at what comes next.

use std::collections::VecDeque;
use std::sync::Arc;

use super::outbox::Job;

/// What waits for queues that were silent. One of them at a time is tried, so that only one lane
/// waits for them.
#[derive(Debug, Default)]
pub(super) struct Aside {
    queues: VecDeque<Silent>,
    is_trying: bool,
}

#[derive(Debug)]
struct Silent {
    queue: Arc<str>,
    jobs: VecDeque<Job>,
}

impl Aside {
    pub(super) fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Where the messages of a queue wait, if it was silent.
    pub(super) fn of(&mut self, queue: &str) -> Option<&mut VecDeque<Job>> {
        // There are few of them.
        self.queues.iter_mut().find(|silent| *silent.queue == *queue).map(|silent| &mut silent.jobs)
    }

    /// A queue was silent about this message.
    pub(super) fn add_first(&mut self, job: Job) {
        let queue = Arc::clone(&job.message.queue.name);
        match self.of(&queue) {
            Some(jobs) => jobs.push_front(job),
            None => self.queues.push_back(Silent { queue, jobs: VecDeque::from([job]) }),
        }
    }

    /// The queue whose turn it is to be tried, until [`tried`](Self::tried).
    pub(super) fn begin(&mut self) -> Option<(Arc<str>, &mut VecDeque<Job>)> {
        if self.is_trying {
            return None;
        }
        for silent in &mut self.queues {
            silent.jobs.retain(|job| !job.is_abandoned());
        }
        self.queues.retain(|silent| !silent.jobs.is_empty());
        let next = self.queues.pop_front()?;
        self.is_trying = true;
        self.queues.push_back(next);
        self.queues.back_mut().map(|silent| (Arc::clone(&silent.queue), &mut silent.jobs))
    }

    /// A queue was tried; if it is well, what else waits for it need not be apart any more.
    pub(super) fn tried(&mut self, queue: &str, is_well: bool) -> VecDeque<Job> {
        self.is_trying = false;
        let place = self.queues.iter().position(|silent| *silent.queue == *queue);
        let silent = place.filter(|_| is_well).and_then(|place| self.queues.remove(place));
        silent.map(|silent| silent.jobs).unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        self.queues.clear();
    }
}
