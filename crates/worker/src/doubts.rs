//! A worker's doubts about its machine: remembers which tasks failed here, sees what becomes of them elsewhere,
//! and has the worker leave if others succeed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backends::distributed::{Control, Error, Upshot};
use protocol::{ExecutionId, OperationName, TaskId};

use crate::doubt::Row;
use crate::leaving::{Leaving, Reason};
use crate::unfit::Unfit;

/// How often it is looked what has become of tasks.
const LOOK: Duration = Duration::from_millis(500);

/// A worker's doubts about its machine.
#[derive(Debug)]
pub(crate) struct Doubts {
    /// So many tasks that then succeeded elsewhere are too many.
    most: usize,
    leaving: Arc<Leaving>,
    /// A std mutex: held to note something, never across an await.
    standings: Mutex<HashMap<OperationName, Standing>>,
}

/// How an operation does here.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    /// It succeeded when it last ended.
    Proven,
    /// It failed, one task after the other.
    Failing(Row),
}

impl Doubts {
    pub(crate) fn new(most: usize, leaving: Arc<Leaving>) -> Self {
        Self { most, leaving, standings: Mutex::default() }
    }

    /// A task of the operation has succeeded here, which settles all doubts.
    pub(crate) fn succeeded(&self, operation: &OperationName) {
        let mut standings = self.standings();
        match standings.get_mut(operation) {
            Some(Standing::Proven) => {}
            Some(standing) => *standing = Standing::Proven,
            None => drop(standings.insert(operation.clone(), Standing::Proven)),
        }
    }

    /// A task of the operation has failed here; whether the one before it succeeded.
    pub(crate) fn failed(&self, operation: &OperationName) -> bool {
        let mut standings = self.standings();
        let before = standings.get_mut(operation);
        let is_proven = matches!(before, Some(Standing::Proven));
        match before {
            Some(Standing::Failing(_)) => {}
            Some(Standing::Proven) | None => {
                standings.insert(operation.clone(), Standing::Failing(Row::default()));
            }
        }
        is_proven
    }

    /// A task has failed here that another machine is to try.
    pub(crate) fn ask(&self, operation: &OperationName, execution: &ExecutionId, task: TaskId, how: String) {
        if let Some(Standing::Failing(row)) = self.standings().get_mut(operation) {
            row.open.push((execution.clone(), task));
            row.last = how;
        }
    }

    /// Whether no more tasks of the operation are to be tried here for now.
    pub(crate) fn is_suspect(&self, operation: &OperationName) -> bool {
        match self.standings().get(operation) {
            Some(Standing::Failing(row)) => row.is_suspect(self.most),
            Some(Standing::Proven) | None => false,
        }
    }

    /// Looks again and again what has become of tasks that failed here.
    pub(crate) async fn watch(&self, control: &Control) {
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(error) = self.look(control).await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "cannot see how tasks did elsewhere"
                );
            }
        }
    }

    async fn look(&self, control: &Control) -> Result<(), Error> {
        for (execution, tasks) in self.open() {
            let upshots = control.endings(&execution, &tasks).await?;
            for (task, upshot) in tasks.into_iter().zip(upshots) {
                self.heard(&execution, task, upshot);
            }
        }
        Ok(())
    }

    /// All that others have not tried yet, as far as is known here.
    fn open(&self) -> BTreeMap<ExecutionId, Vec<TaskId>> {
        let mut open: BTreeMap<ExecutionId, Vec<TaskId>> = BTreeMap::new();
        for standing in self.standings().values() {
            if let Standing::Failing(row) = standing {
                row.open
                    .iter()
                    .for_each(|(execution, task)| open.entry(execution.clone()).or_default().push(*task));
            }
        }
        open
    }

    fn heard(&self, execution: &ExecutionId, task: TaskId, upshot: Upshot) {
        let mut standings = self.standings();
        for standing in standings.values_mut() {
            let Standing::Failing(row) = standing else { continue };
            let is_it = |(of, open): &(ExecutionId, TaskId)| *open == task && of == execution;
            let Some(at) = row.open.iter().position(is_it) else { continue };
            match upshot {
                Upshot::Open => continue,
                Upshot::Succeeded => row.overruled += 1,
                Upshot::Failed => row.confirmed += 1,
                Upshot::Gone => {}
            }
            row.open.swap_remove(at);
            if row.condemns(self.most) {
                let unfit = Unfit::Overruled { tasks: row.overruled, last: row.last.clone() };
                tracing::error!(%unfit, "other machines do what fails here");
                self.leaving.leave(Reason::Unfit(unfit));
            }
        }
    }

    fn standings(&self) -> MutexGuard<'_, HashMap<OperationName, Standing>> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 3;

    fn operation(name: &str) -> OperationName {
        OperationName::new(name).unwrap()
    }

    fn task(number: usize) -> TaskId {
        TaskId::of_key(&number.to_string())
    }

    fn execution() -> ExecutionId {
        "one".parse().unwrap()
    }

    /// After so many tasks of `command` have failed here.
    fn after(failures: usize) -> (Doubts, Arc<Leaving>) {
        let leaving = Arc::new(Leaving::default());
        let doubts = Doubts::new(MOST, Arc::clone(&leaving));
        (0..failures).for_each(|number| fail(&doubts, number));
        (doubts, leaving)
    }

    fn fail(doubts: &Doubts, number: usize) {
        doubts.failed(&operation("command"));
        doubts.ask(&operation("command"), &execution(), task(number), "no such program".to_owned());
    }

    #[test]
    fn a_worker_whose_failures_are_overruled_leaves_and_says_why() {
        let (doubts, leaving) = after(MOST);
        assert!(doubts.is_suspect(&operation("command")) && !doubts.is_suspect(&operation("echo")));
        for number in 0..MOST {
            assert_eq!(leaving.reason(), None);
            doubts.heard(&execution(), task(number), Upshot::Succeeded);
        }
        let unfit = Unfit::Overruled { tasks: MOST, last: "no such program".to_owned() };
        assert_eq!(leaving.reason(), Some(Reason::Unfit(unfit)));
    }

    #[test]
    fn tasks_that_fail_everywhere_are_no_machines_fault() {
        let (doubts, leaving) = after(0);
        for number in 0..100 {
            fail(&doubts, number);
            doubts.heard(&execution(), task(number), Upshot::Failed);
            assert!(!doubts.is_suspect(&operation("command")));
        }
        assert_eq!((leaving.reason(), doubts.open().len()), (None, 0));
    }

    #[test]
    fn a_success_settles_all_doubts() {
        let (doubts, leaving) = after(MOST);
        doubts.succeeded(&operation("command"));
        assert!(!doubts.is_suspect(&operation("command")));
        (0..MOST).for_each(|number| doubts.heard(&execution(), task(number), Upshot::Succeeded));
        assert_eq!(leaving.reason(), None);
        assert!(doubts.failed(&operation("command")), "it is proven");
        assert!(!doubts.failed(&operation("command")), "it is so no more");
    }

    #[test]
    fn what_nobody_knows_any_more_is_forgotten() {
        let (doubts, leaving) = after(MOST);
        doubts.heard(&execution(), task(0), Upshot::Open);
        assert_eq!(doubts.open()[&execution()].len(), MOST);
        (0..MOST).for_each(|number| doubts.heard(&execution(), task(number), Upshot::Gone));
        assert!(doubts.open().is_empty() && !doubts.is_suspect(&operation("command")));
        assert_eq!(leaving.reason(), None);
    }
}
