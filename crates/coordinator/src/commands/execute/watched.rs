//! A producer that knows which worker types its tasks are for, so that it can be said when nobody
//! takes them, or somebody who puts them aside.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backends::broker::{Error, News, Receipt, TaskProducer};
use backends::distributed::Worker;
use futures::future::BoxFuture;
use protocol::{IdMap, Task, TaskId, WorkerType};

/// What is said of a worker that cannot take what this process sends.
const STRANGER: &str = "has another signing key than this coordinator, or only one of them has one, so it puts \
                        this execution's tasks aside; give the same OTAMAN_SIGNING_KEY to all, or stop it";

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
    /// What of that is amiss now, most important first, in short.
    troubles: Vec<String>,
    /// What has been said.
    said: BTreeSet<String>,
}

impl Watched {
    pub(super) fn new(inner: Arc<dyn TaskProducer>) -> Self {
        Self { inner, ledger: Mutex::default() }
    }

    /// Compares who is alive with what is wanted. Gives what is to be said about that and has not been yet.
    pub(super) fn call_the_roll(&self, workers: &[Worker]) -> Vec<String> {
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

    fn call_the_roll(&mut self, workers: &[Worker]) -> Vec<String> {
        let mut texts = Vec::new();
        self.troubles.clear();
        let wanted: Vec<_> =
            self.types.iter().filter(|(_, count)| *count > 0).map(|(kind, _)| kind).collect();
        for kind in &wanted {
            if !workers.iter().any(|worker| !worker.is_stranger && worker.takes(kind)) {
                self.troubles.push(format!("no worker takes tasks of type {kind}"));
                texts.push(format!(
                    "no worker takes tasks of type {kind} yet; start one with: worker --queue {kind}"
                ));
            }
        }
        let strangers = workers.iter().filter(|worker| worker.is_stranger);
        for worker in strangers.filter(|worker| wanted.iter().any(|kind| worker.takes(kind))) {
            let who = worker.name();
            texts.push(format!("{who} {STRANGER}"));
            self.troubles.push(format!("{who} has another signing key"));
        }
        let said = &mut self.said;
        texts.into_iter().filter(|text| said.insert(text.clone())).collect()
    }

    fn trouble(&self) -> Option<String> {
        self.troubles.first().cloned()
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
        let said = ledger.call_the_roll(&workers);
        assert!(said.len() == 1 && said[0].contains("worker --queue gpu"), "{said:?}");
        assert_eq!(ledger.call_the_roll(&workers), [""; 0]);
        assert!(ledger.trouble().unwrap().contains("gpu"));

        ledger.remove(gpu.id);
        ledger.remove(gpu.id);
        assert_eq!(ledger.call_the_roll(&workers), [""; 0]);
        assert_eq!(ledger.trouble(), None);

        // The last worker for what is still out has left.
        let said = ledger.call_the_roll(&[]);
        assert!(said.len() == 1 && said[0].contains("worker --queue cpu"), "{said:?}");
        ledger.remove(cpu.id);
        assert_eq!(ledger.call_the_roll(&[]), [""; 0]);
    }

    #[test]
    fn a_worker_with_another_key_takes_nothing_and_is_named_once() {
        let mut ledger = Ledger::default();
        ledger.add(&task(1, "cpu"));
        let friend = worker("one", 1, &["cpu"]);
        let stranger = |kind| Worker { is_stranger: true, ..worker("two", 2, &[kind]) };
        let said = ledger.call_the_roll(&[stranger("cpu")]);
        assert!(
            said.len() == 2 && said[0].contains("no worker") && said[1].contains("worker 2 on two"),
            "{said:?}"
        );
        assert!(ledger.trouble().unwrap().contains("no worker"));
        assert_eq!(ledger.call_the_roll(&[friend.clone(), stranger("cpu")]), [""; 0]);
        assert!(ledger.trouble().unwrap().contains("another signing key"));
        assert_eq!(ledger.call_the_roll(&[friend, stranger("gpu")]), [""; 0]);
        assert_eq!(ledger.trouble(), None);
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
