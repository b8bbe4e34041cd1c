//! A producer that knows which worker types its tasks are for, so that it can be said when nobody
//! takes them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backends::broker::{Error, News, Receipt, TaskProducer};
use backends::distributed::Worker;
use futures::future::BoxFuture;
use protocol::{IdMap, Task, TaskId, WorkerType};

/// Passes everything on, and counts.
pub(super) struct Watched {
    inner: Arc<dyn TaskProducer>,
    /// A std mutex: held for a few instructions.
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    /// Tasks without an outcome, each with the position of its worker type.
    out: IdMap<TaskId, u16>,
    /// Worker types, each with the number of its tasks without an outcome.
    types: Vec<(WorkerType, usize)>,
    /// Types that have tasks, but nobody who takes them.
    deserted: Vec<WorkerType>,
    /// Those of which has been said so.
    said: BTreeSet<WorkerType>,
}

impl Watched {
    pub(super) fn new(inner: Arc<dyn TaskProducer>) -> Self {
        Self { inner, ledger: Mutex::default() }
    }

    /// Compares who is alive with what is wanted. Gives the worker types that nobody takes and of
    /// which that has not been said yet.
    pub(super) fn call_the_roll(&self, workers: &[Worker]) -> Vec<WorkerType> {
        self.ledger().call_the_roll(workers)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    fn add(&mut self, task: &Task) {
        // Most tasks are of the latest types.
        let known = self.types.iter().rposition(|(kind, _)| *kind == task.worker_type);
        let position = known.unwrap_or_else(|| {
            self.types.push((task.worker_type.clone(), 0));
            self.types.len() - 1
        });
        let number = u16::try_from(position).unwrap_or(u16::MAX);
        if usize::from(number) == position && self.out.insert(task.id, number).is_none() {
            self.types[position].1 += 1;
        }
    }

    fn remove(&mut self, task: TaskId) {
        if let Some(number) = self.out.remove(&task) {
            self.types[usize::from(number)].1 -= 1;
        }
    }

    fn call_the_roll(&mut self, workers: &[Worker]) -> Vec<WorkerType> {
        let is_taken = |kind: &WorkerType| {
            workers.iter().any(|worker| {
                !worker.presence.is_draining && worker.presence.session.worker_types.contains(kind)
            })
        };
        let wanted = self.types.iter().filter(|(_, count)| *count > 0).map(|(kind, _)| kind);
        self.deserted = wanted.filter(|kind| !is_taken(kind)).cloned().collect();
        let said = &mut self.said;
        self.deserted.iter().filter(|kind| said.insert((*kind).clone())).cloned().collect()
    }

    fn trouble(&self) -> Option<String> {
        let first = self.deserted.first()?;
        Some(format!("no worker takes tasks of type {first}"))
    }
}

impl TaskProducer for Watched {
    fn publish(&self, tasks: Vec<Arc<Task>>) -> BoxFuture<'_, Result<(), Error>> {
        let mut ledger = self.ledger();
        tasks.iter().for_each(|task| ledger.add(task));
        drop(ledger);
        self.inner.publish(tasks)
    }

    fn withdraw(&self) -> BoxFuture<'_, Result<Vec<TaskId>, Error>> {
        Box::pin(async move {
            let withdrawn = self.inner.withdraw().await?;
            let mut ledger = self.ledger();
            withdrawn.iter().for_each(|task| ledger.remove(*task));
            Ok(withdrawn)
        })
    }

    fn news(&self) -> BoxFuture<'_, Result<News, Error>> {
        Box::pin(async move {
            let news = self.inner.news().await?;
            let mut ledger = self.ledger();
            news.outcomes.iter().for_each(|outcome| ledger.remove(outcome.task));
            Ok(news)
        })
    }

    fn acknowledge(&self, receipt: Receipt) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.acknowledge(receipt)
    }

    fn end(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.end()
    }

    fn trouble(&self) -> Option<String> {
        self.inner.trouble().or_else(|| self.ledger().trouble())
    }
}

#[cfg(test)]
mod tests {
    use protocol::{OperationName, Value};

    use super::*;
    use crate::commands::announced::testing::worker;

    fn task(number: u64, worker_type: &str) -> Task {
        let arguments = Value::encode(&number).unwrap();
        let name = OperationName::new("work").unwrap();
        Task::new(name, "1.0.0".parse().unwrap(), arguments).on(worker_type.parse().unwrap())
    }

    #[test]
    fn a_worker_type_is_missed_once_while_it_has_tasks_and_nobody_takes_them() {
        let mut ledger = Ledger::default();
        let (cpu, gpu) = (task(1, "cpu"), task(2, "gpu"));
        [&cpu, &gpu, &gpu].into_iter().for_each(|task| ledger.add(task));
        let workers = [worker("one", 1, &["cpu"])];
        assert_eq!(ledger.call_the_roll(&workers), std::slice::from_ref(&gpu.worker_type));
        assert_eq!(ledger.call_the_roll(&workers), []);
        assert!(ledger.trouble().unwrap().contains("gpu"));

        ledger.remove(gpu.id);
        ledger.remove(gpu.id);
        assert_eq!(ledger.call_the_roll(&workers), []);
        assert_eq!(ledger.trouble(), None);

        // The last worker for what is still out has left.
        assert_eq!(ledger.call_the_roll(&[]), std::slice::from_ref(&cpu.worker_type));
    }

    #[test]
    fn a_worker_that_leaves_takes_nothing() {
        let mut ledger = Ledger::default();
        ledger.add(&task(1, "cpu"));
        let mut leaving = worker("one", 1, &["cpu"]);
        leaving.presence.is_draining = true;
        assert_eq!(ledger.call_the_roll(&[leaving]).len(), 1);
    }
}
