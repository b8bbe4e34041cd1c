//! Messages that wait to be published, and the receipts of those who wait for them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::aside::Aside;
use super::error::Error;
use super::message::Message;

/// Most messages that one window takes: each confirm for many scans all that are under way.
const MOST: usize = 1_024;
/// Enough bytes for one window; one larger message makes a window of its own.
const ENOUGH: usize = 4 << 20;

/// All that waits.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    // Std: never held across an await.
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// Messages of queues that gave no confirm.
    aside: Aside,
    is_closed: bool,
}

/// Messages to publish together.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) jobs: Vec<Job>,
    /// The queue that all of them are for, if it was silent: say with [`Outbox::tried`] how it is.
    pub(super) tries: Option<Arc<str>>,
}

/// Whether there are queues that gave no confirm when they were last tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    Over,
    GoesOn,
}

/// A message to publish.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) message: Message,
    /// Not with others: the broker ended a channel on which it was one of several.
    pub(super) is_alone: bool,
    receipt: Arc<Receipt>,
}

/// What the messages of one call have in common.
#[derive(Debug)]
struct Receipt {
    left: AtomicUsize,
    // Std: never held across an await. Empty once it is answered.
    answer: Mutex<Option<oneshot::Sender<Result<(), Error>>>>,
}

impl Outbox {
    /// Adds messages; the answer comes when all of them are confirmed, and never if it was closed.
    pub(super) fn add(&self, messages: Vec<Message>) -> oneshot::Receiver<Result<(), Error>> {
        let (answer, answered) = oneshot::channel();
        let receipt = Receipt { left: AtomicUsize::new(messages.len()), answer: Mutex::new(Some(answer)) };
        if messages.is_empty() {
            receipt.answer(Ok(()));
            return answered;
        }
        let receipt = Arc::new(receipt);
        let jobs = messages.into_iter().map(|message| Job {
            message,
            is_alone: false,
            receipt: Arc::clone(&receipt),
        });
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return answered;
        }
        if waiting.aside.is_empty() {
            waiting.jobs.extend(jobs);
        } else {
            jobs.for_each(|job| waiting.place(&job).push_back(job));
        }
        drop(waiting);
        self.arrived.notify_one();
        answered
    }

    /// Waits for messages and takes a window of them. Dropping the future takes none.
    pub(super) async fn take(&self) -> Window {
        loop {
            let arrived = self.arrived.notified();
            if let Some(window) = self.try_take() {
                return window;
            }
            arrived.await;
        }
    }

    fn try_take(&self) -> Option<Window> {
        let mut waiting = self.waiting();
        let window = match waiting.aside.begin() {
            Some((queue, jobs)) => Window { jobs: take_from(jobs), tries: Some(queue) },
            None => Window { jobs: take_from(&mut waiting.jobs), tries: None },
        };
        if !waiting.jobs.is_empty() {
            // For the next lane.
            self.arrived.notify_one();
        }
        Some(window).filter(|window| !window.jobs.is_empty())
    }

    /// Puts messages back that are to be published again, before all others.
    pub(super) fn put_back(&self, jobs: Vec<Job>) {
        self.change(|waiting| jobs.into_iter().rev().for_each(|job| waiting.place(&job).push_front(job)));
    }

    /// Puts messages back that no confirm came for; from now on apart from those of other queues.
    pub(super) fn set_aside(&self, jobs: Vec<Job>) {
        self.change(|waiting| jobs.into_iter().rev().for_each(|job| waiting.aside.add_first(job)));
    }

    /// A queue that was silent was tried again.
    pub(super) fn tried(&self, queue: &str, is_well: bool) -> Silence {
        let mut silence = Silence::Over;
        self.change(|waiting| {
            for job in waiting.aside.tried(queue, is_well).into_iter().rev() {
                waiting.jobs.push_front(job);
            }
            if !waiting.aside.is_empty() {
                silence = Silence::GoesOn;
            }
        });
        silence
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return;
        }
        change(&mut waiting);
        drop(waiting);
        self.arrived.notify_one();
    }

    /// Drops all that waits, and all that comes.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.is_closed = true;
        waiting.jobs.clear();
        waiting.aside.clear();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Where a message waits.
    fn place(&mut self, job: &Job) -> &mut VecDeque<Job> {
        match self.aside.of(&job.message.queue.name) {
            Some(jobs) => jobs,
            None => &mut self.jobs,
        }
    }
}

fn take_from(waiting: &mut VecDeque<Job>) -> Vec<Job> {
    let mut window: Vec<Job> = Vec::with_capacity(waiting.len().min(MOST));
    let mut bytes = 0;
    while let Some(job) = waiting.pop_front() {
        if job.is_abandoned() {
            continue;
        }
        let size = job.message.body.len();
        let is_full = window.len() == MOST || bytes + size > ENOUGH;
        if !window.is_empty() && (is_full || job.is_alone) {
            waiting.push_front(job);
            break;
        }
        bytes += size;
        let is_alone = job.is_alone;
        window.push(job);
        if is_alone {
            break;
        }
    }
    window
}

impl Job {
    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.receipt.is_abandoned()
    }

    /// The broker has it.
    pub(super) fn confirm(self) {
        if self.receipt.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.receipt.answer(Ok(()));
        }
    }

    /// The broker will never take it.
    pub(super) fn refuse(self, error: Error) {
        self.receipt.answer(Err(error));
    }
}

impl Receipt {
    fn answer(&self, answer: Result<(), Error>) {
        if let Some(waiting) = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Whoever waited may have gone.
            let _ = waiting.send(answer);
        }
    }

    fn is_abandoned(&self) -> bool {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner);
        answer.as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::rabbitmq::Queue;

    fn messages(count: usize, size: usize) -> Vec<Message> {
        let queue = Arc::new(Queue::shared("q"));
        let message = |number: usize| Message {
            queue: Arc::clone(&queue),
            id: number.to_string(),
            body: vec![0; size].into(),
            headers: Vec::new(),
        };
        (0..count).map(message).collect()
    }

    fn take(outbox: &Outbox) -> Vec<Job> {
        outbox.try_take().map(|window| window.jobs).unwrap_or_default()
    }

    #[test]
    fn the_answer_comes_with_the_last_confirm() {
        let outbox = Outbox::default();
        let mut answer = outbox.add(messages(MOST + 1, 1));

        take(&outbox).into_iter().for_each(Job::confirm);
        assert!(answer.try_recv().is_err(), "one is not confirmed yet");
        take(&outbox).into_iter().for_each(Job::confirm);

        assert!(answer.try_recv().unwrap().is_ok());
    }

    #[test]
    fn a_window_is_bounded_in_number_and_bytes() {
        let outbox = Outbox::default();
        let _many = outbox.add(messages(2 * MOST, 1));
        assert_eq!(take(&outbox).len(), MOST);
        let _large = outbox.add(messages(2, ENOUGH));
        assert_eq!(take(&outbox).len(), MOST);
        assert_eq!(take(&outbox).len(), 1);
        assert_eq!(take(&outbox).len(), 1);
        assert!(take(&outbox).is_empty());
    }

    #[test]
    fn what_nobody_waits_for_is_not_published() {
        let outbox = Outbox::default();
        drop(outbox.add(messages(3, 1)));
        let _kept = outbox.add(messages(1, 1));

        assert_eq!(take(&outbox).len(), 1);
    }

    #[test]
    fn what_must_go_alone_goes_alone_and_first() {
        let outbox = Outbox::default();
        let _answer = outbox.add(messages(3, 1));
        let mut window = take(&outbox);
        window.iter_mut().for_each(|job| job.is_alone = true);
        let _later = outbox.add(messages(1, 1));
        outbox.put_back(window);

        let ids = std::iter::from_fn(|| Some(take(&outbox)).filter(|window| !window.is_empty()));
        let ids: Vec<Vec<_>> =
            ids.map(|window| window.into_iter().map(|job| job.message.id).collect()).collect();
        assert_eq!(ids, [["0"], ["1"], ["2"], ["0"]]);
    }

    #[test]
    fn a_silent_queue_is_tried_by_one_lane_while_others_go_on() {
        let outbox = Outbox::default();
        let mut answer = outbox.add(messages(3, 1));
        outbox.set_aside(take(&outbox));
        let _later = outbox.add(messages(2, 1));
        let mut other = messages(1, 1);
        other[0].queue = Arc::new(Queue::shared("other"));
        let _other = outbox.add(other);

        let silent = outbox.try_take().unwrap();
        assert_eq!(silent.tries.as_deref(), Some("q"));
        assert_eq!(silent.jobs.len(), 5);
        let well = outbox.try_take().unwrap();
        assert_eq!((well.tries, well.jobs.len()), (None, 1));
        assert!(outbox.try_take().is_none());

        outbox.set_aside(silent.jobs);
        assert_eq!(outbox.tried("q", false), Silence::GoesOn);
        let silent = outbox.try_take().unwrap();
        assert_eq!(silent.tries.as_deref(), Some("q"));
        silent.jobs.into_iter().for_each(Job::confirm);
        assert_eq!(outbox.tried("q", true), Silence::Over);
        assert!(answer.try_recv().unwrap().is_ok());
        let _again = outbox.add(messages(1, 1));
        assert_eq!(outbox.try_take().unwrap().tries, None);
    }

    #[test]
    fn closing_answers_nobody_and_takes_nothing() {
        let outbox = Outbox::default();
        let before = outbox.add(messages(1, 1));
        outbox.close();
        let after = outbox.add(messages(1, 1));

        assert!(take(&outbox).is_empty());
        assert!(before.now_or_never().unwrap().is_err());
        assert!(after.now_or_never().unwrap().is_err());
    }
}
