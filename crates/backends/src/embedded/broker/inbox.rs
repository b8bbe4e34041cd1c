//! What one execution's coordinator has to hear, and which of its tasks the broker holds.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::{ExecutionId, IdSet, Outcome, TaskId};
use tokio::sync::Notify;

use crate::broker::{Error, News, Receipt};

/// The news of one execution.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) execution: ExecutionId,
    /// A std mutex: held for a few instructions, never across an await.
    desk: Mutex<Desk>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Desk {
    /// Tasks without an outcome, wherever in the broker they are.
    in_hand: IdSet<TaskId>,
    news: News,
    last: Receipt,
    /// Outcomes that were told but are not durable yet, oldest first.
    unacknowledged: VecDeque<(Receipt, Vec<Outcome>)>,
    is_closed: bool,
}

impl Inbox {
    pub(super) fn new(execution: ExecutionId) -> Self {
        Self { execution, desk: Mutex::default(), arrived: Notify::new() }
    }

    /// Notes tasks as in hand; keeps in `ids` those that were not.
    pub(super) fn take_in<T>(&self, tasks: &mut Vec<T>, id: impl Fn(&T) -> TaskId) {
        let mut desk = self.desk();
        tasks.retain(|task| desk.in_hand.insert(id(task)));
    }

    /// Forgets tasks that were taken back.
    pub(super) fn give_back(&self, ids: &[TaskId]) {
        let mut desk = self.desk();
        for id in ids {
            desk.in_hand.remove(id);
        }
    }

    /// Tells how a task ended.
    pub(super) fn report(&self, outcome: Outcome) {
        self.change(|desk| {
            desk.in_hand.remove(&outcome.task);
            desk.news.outcomes.push(outcome);
        });
    }

    /// Tells that a task has been leased for a while.
    pub(super) fn tell_leased(&self, task: TaskId) {
        self.change(|desk| toggle(&mut desk.news.released, &mut desk.news.leased, task));
    }

    /// Tells that a task told as leased is no longer.
    pub(super) fn tell_released(&self, task: TaskId) {
        self.change(|desk| toggle(&mut desk.news.leased, &mut desk.news.released, task));
    }

    /// Everything since the last news, once there is anything.
    pub(super) async fn news(&self) -> Result<News, Error> {
        loop {
            if let Some(news) = self.take_news()? {
                return Ok(news);
            }
            // A stale permit only costs one more turn: what counts is the desk.
            self.arrived.notified().await;
        }
    }

    /// Forgets outcomes up to this news.
    pub(super) fn acknowledge(&self, receipt: Receipt) {
        let done: Vec<_> = {
            let mut desk = self.desk();
            let count = desk.unacknowledged.partition_point(|(told, _)| *told <= receipt);
            desk.unacknowledged.drain(..count).collect()
        };
        // Dropping many outcomes takes a while; others need not wait for it.
        drop(done);
    }

    /// Makes everything that was told but not acknowledged news again.
    pub(super) fn rewind(&self) {
        self.change(|desk| {
            let told = std::mem::take(&mut desk.unacknowledged);
            let mut outcomes: Vec<_> = told.into_iter().flat_map(|(_, outcomes)| outcomes).collect();
            outcomes.append(&mut desk.news.outcomes);
            desk.news = News { outcomes, ..News::default() };
        });
    }

    /// Ends the news after what is there.
    pub(super) fn close(&self) {
        self.desk().is_closed = true;
        self.arrived.notify_one();
    }

    fn take_news(&self) -> Result<Option<News>, Error> {
        let mut news = {
            let mut desk = self.desk();
            if is_empty(&desk.news) {
                return if desk.is_closed { Err(Error::Closed) } else { Ok(None) };
            }
            desk.last.0 += 1;
            News { receipt: desk.last, ..std::mem::take(&mut desk.news) }
        };
        if !news.outcomes.is_empty() {
            // Cloned outside the lock, which workers need to report.
            let kept = news.outcomes.clone();
            let kept = std::mem::replace(&mut news.outcomes, kept);
            self.desk().unacknowledged.push_back((news.receipt, kept));
        }
        Ok(Some(news))
    }

    /// Changes the desk; wakes the coordinator only when there was nothing to hear before.
    fn change(&self, change: impl FnOnce(&mut Desk)) {
        let mut desk = self.desk();
        let was_empty = is_empty(&desk.news);
        change(&mut desk);
        let must_wake = was_empty && !is_empty(&desk.news);
        drop(desk);
        if must_wake {
            self.arrived.notify_one();
        }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        // Nothing panics while it is held; were it otherwise, each step leaves the desk whole.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_empty(news: &News) -> bool {
    news.outcomes.is_empty() && news.leased.is_empty() && news.released.is_empty()
}

/// Adds `task` to one list, unless the opposite is still untold; then the two cancel out.
fn toggle(opposite: &mut Vec<TaskId>, list: &mut Vec<TaskId>, task: TaskId) {
    match opposite.iter().position(|id| *id == task) {
        Some(at) => drop(opposite.swap_remove(at)),
        None => list.push(task),
    }
}
