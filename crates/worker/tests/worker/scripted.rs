//! A broker that answers reports when the test says so.

use std::collections::VecDeque;
use std::future::pending;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use backends::broker::{Delivery, Error, Settled, TaskConsumer};
use futures::FutureExt;
use futures::future::BoxFuture;
use protocol::{Attempt, ExecutionId, Lease, Outcome, Spent, Task, TaskId, Token};
use tokio::sync::{oneshot, watch};

use crate::support::{DEADLINE, session};

/// What a report is answered.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    Accepted,
    Stale,
    Fails,
    /// It finds a fault in the worker's own code.
    Panics,
}

/// A broker with some tasks, none of whose answers comes by itself.
pub struct Scripted {
    state: Mutex<State>,
    changes: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    tasks: VecDeque<Task>,
    leased: usize,
    leasing: usize,
    lost_after: Option<usize>,
    reports: Vec<(TaskId, Option<oneshot::Sender<Answer>>)>,
    answered: usize,
    /// Whether reports from now on are answered at once.
    standing: Option<Answer>,
}

/// Somebody waits for a task.
struct Leasing<'a>(&'a Scripted);

impl Drop for Leasing<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.leasing -= 1);
    }
}

impl Scripted {
    pub fn new(tasks: impl IntoIterator<Item = Task>) -> Self {
        let state = State { tasks: tasks.into_iter().collect(), ..State::default() };
        Self { state: Mutex::new(state), changes: watch::Sender::new(()) }
    }

    /// The session counts as lost once so many tasks have been leased.
    pub fn lose_session_after(&self, leased: usize) {
        self.change(|state| state.lost_after = Some(leased));
    }

    /// Answers one report, by its position.
    pub fn answer(&self, number: usize, answer: Answer) {
        let reply = self.change(|state| state.reports[number].1.take()).expect("it is answered once");
        reply.send(answer).expect("somebody waits for the answer");
    }

    /// Answers all that are there and all that come.
    pub fn answer_all(&self, answer: Answer) {
        let replies: Vec<_> = self.change(|state| {
            state.standing = Some(answer);
            state.reports.iter_mut().filter_map(|(_, reply)| reply.take()).collect()
        });
        for reply in replies {
            reply.send(answer).expect("somebody waits for the answer");
        }
    }

    /// The reported tasks, in order.
    pub fn reported(&self) -> Vec<TaskId> {
        self.state().reports.iter().map(|(task, _)| *task).collect()
    }

    pub fn leased(&self) -> usize {
        self.state().leased
    }

    /// Answers that the worker has taken.
    pub fn answered(&self) -> usize {
        self.state().answered
    }

    pub async fn until_reported(&self, count: usize) {
        self.until(|state| state.reports.len() >= count).await;
    }

    pub async fn until_answered(&self, count: usize) {
        self.until(|state| state.answered >= count).await;
    }

    pub async fn until_nobody_leases(&self) {
        self.until(|state| state.leasing == 0).await;
    }

    async fn until(&self, condition: impl Fn(&State) -> bool) {
        let mut changes = self.changes.subscribe();
        let met = async {
            while !condition(&self.state()) {
                changes.changed().await.unwrap();
            }
        };
        tokio::time::timeout(DEADLINE, met).await.expect("the condition is met");
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changes.send_replace(());
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn report(&self, task: TaskId) -> BoxFuture<'_, Result<Settled, Error>> {
        let (reply, answer) = oneshot::channel();
        self.change(|state| {
            let reply = match state.standing {
                Some(answer) => {
                    reply.send(answer).unwrap();
                    None
                }
                None => Some(reply),
            };
            state.reports.push((task, reply));
        });
        async move {
            let answer = answer.await.expect("the test answers");
            self.change(|state| state.answered += 1);
            match answer {
                Answer::Accepted => Ok(Settled::Accepted),
                Answer::Stale => Ok(Settled::Stale),
                Answer::Fails => Err(Error::Closed),
                Answer::Panics => panic!("of all tasks, this one"),
            }
        }
        .boxed()
    }
}

impl TaskConsumer for Scripted {
    fn lease(&self) -> BoxFuture<'_, Result<Option<Delivery>, Error>> {
        self.change(|state| state.leasing += 1);
        let leasing = Leasing(self);
        async move {
            let _leasing = leasing;
            let given = self.change(|state| {
                let task = state.tasks.pop_front();
                state.leased += usize::from(task.is_some());
                task
            });
            if let Some(task) = given {
                return Ok(Some(delivery(task)));
            }
            let is_lost = {
                let state = self.state();
                state.lost_after.is_some_and(|count| state.leased >= count)
            };
            if is_lost {
                return Err(Error::SessionLost);
            }
            pending().await
        }
        .boxed()
    }

    fn complete(&self, lease: Lease, _: Outcome) -> BoxFuture<'_, Result<Settled, Error>> {
        self.report(lease.task)
    }

    fn retry(&self, lease: Lease, _: Attempt, _: Duration) -> BoxFuture<'_, Result<Settled, Error>> {
        self.report(lease.task)
    }

    fn decline(
        &self,
        lease: Lease,
        _: &str,
        _: String,
        _: Duration,
    ) -> BoxFuture<'_, Result<Settled, Error>> {
        self.report(lease.task)
    }

    fn is_wanted<'a>(&'a self, _: &'a Delivery) -> BoxFuture<'a, Result<bool, Error>> {
        async { Ok(true) }.boxed()
    }

    fn holds<'a>(&'a self, _: &'a ExecutionId, _: Lease) -> BoxFuture<'a, Result<bool, Error>> {
        async { Err(Error::Closed) }.boxed()
    }

    fn save_progress<'a>(
        &'a self,
        _: &'a ExecutionId,
        _: Lease,
        _: bytes::Bytes,
    ) -> BoxFuture<'a, Result<Settled, Error>> {
        async { Err(Error::Closed) }.boxed()
    }

    fn saved_progress<'a>(
        &'a self,
        _: &'a ExecutionId,
        _: TaskId,
    ) -> BoxFuture<'a, Result<Option<bytes::Bytes>, Error>> {
        async { Err(Error::Closed) }.boxed()
    }

    fn keep<'a>(&'a self, _: &'a ExecutionId, _: &'a Path) -> BoxFuture<'a, Result<String, Error>> {
        async { Err(Error::Closed) }.boxed()
    }
}

fn delivery(task: Task) -> Delivery {
    let token = Token { attempt: 1, session: session().id };
    Delivery {
        execution: "scripted".parse().unwrap(),
        lease: Lease { task: task.id, token },
        task: Arc::new(task),
        incarnation: 1,
        spent: Spent::default(),
        failed_attempts: Vec::new(),
        declined: 0,
    }
}
