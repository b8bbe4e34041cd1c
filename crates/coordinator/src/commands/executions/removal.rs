//! `coordinator executions remove`: forgets executions that nobody runs.

use std::time::Duration;

use backends::distributed::Worker;
use backends::store::{self, View};
use protocol::{ExecutionId, Status};
use serde_json::json;

use super::super::backend::{Backend, Needs, taken};
use super::super::{Stop, print, print_json};
use crate::args::RemoveArgs;
use crate::cli::Common;
use crate::display::{age, counted};

pub(super) fn run(common: &Common, args: &RemoveArgs, is_json: bool) -> Result<(), Stop> {
    let backend = Backend::open(common, Needs::All)?;
    let mut removed = Vec::new();
    let outcome = remove_all(common, &backend, args, &mut removed);
    // What is gone is told also if something failed then.
    if is_json {
        print_json(&json!({"removed": removed}))?;
    } else {
        print(|out| {
            for id in &removed {
                writeln!(out, "removed {id}")?;
            }
            if removed.is_empty() && outcome.is_ok() {
                writeln!(out, "nothing to remove")?;
            }
            Ok(())
        })?;
    }
    outcome
}

fn remove_all(
    common: &Common,
    backend: &Backend,
    args: &RemoveArgs,
    removed: &mut Vec<ExecutionId>,
) -> Result<(), Stop> {
    let busy = |error| taken(error, common, backend);
    let Some(least) = args.older_than else {
        // A wrong name ends it before anything is gone.
        for id in &args.ids {
            let view = backend.view(id)?;
            if let Some(owner) = view.owner {
                return Err(busy(store::Error::Busy { id: id.clone(), owner }));
            }
        }
        for id in &args.ids {
            if !removed.contains(id) {
                remove(backend, id).map_err(busy)?;
                removed.push(id.clone());
            }
        }
        return Ok(());
    };
    let views = backend.block_on(backend.store().list())?;
    for view in views.iter().filter(|view| is_old(view, least.0)) {
        match remove(backend, &view.record.id) {
            Ok(()) => removed.push(view.record.id.clone()),
            // It was taken up or removed since we looked, or workers still run some of it.
            Err(store::Error::Busy { .. } | store::Error::Unknown { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn is_old(view: &View, least: Duration) -> bool {
    let has_ended = match view.record.status {
        Status::Succeeded | Status::Failed | Status::Cancelled => view.owner.is_none(),
        Status::Running => false,
    };
    has_ended && age(view.record.updated_at_us) >= least
}

/// Removes an execution, unless somebody runs it or any of its tasks.
///
/// # Errors
/// If somebody does, there is no such execution, or it cannot be removed.
pub(crate) fn remove(backend: &Backend, id: &ExecutionId) -> Result<(), store::Error> {
    backend.block_on(async {
        let removal = backend.store().take_to_remove(id).await?;
        if let Some(control) = backend.control() {
            let failed = |error: backends::distributed::Error| store::Error::Medium {
                action: "remove",
                place: format!("what belongs to execution {id}"),
                source: error.into(),
            };
            let workers = control.workers().await.map_err(failed)?;
            if let Some(owner) = at_work(&workers, id) {
                return Err(store::Error::Busy { id: id.clone(), owner });
            }
            // The record goes last: until then this can be tried again.
            control.forget(id, removal.incarnation()).await.map_err(failed)?;
        }
        removal.finish().await
    })
}

/// Who still runs tasks of an execution, as far as workers have told: what they have just begun they tell a
/// little later.
fn at_work(workers: &[Worker], id: &ExecutionId) -> Option<String> {
    let running =
        |worker: &&Worker| worker.presence.running.iter().filter(|task| task.execution == *id).count();
    let busy: Vec<_> = workers.iter().filter(|worker| running(worker) > 0).collect();
    let first = busy.first()?.name();
    let tasks = counted(busy.iter().map(|worker| running(worker) as u64).sum(), "task");
    let others = match busy.len() - 1 {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    Some(format!("workers that still have {tasks} of it: {first}{others}"))
}

#[cfg(test)]
mod tests {
    use protocol::{Running, TaskId, to_unix_micros};

    use super::super::super::announced::testing::worker;
    use super::super::super::standing::testing::view;
    use super::*;

    #[test]
    fn workers_that_have_tasks_of_it_are_named() {
        let (id, other): (ExecutionId, ExecutionId) = ("nightly".parse().unwrap(), "other".parse().unwrap());
        let with = |pid, execution: &ExecutionId| {
            let mut worker = worker("node-7", pid, &["cpu"]);
            let (execution, task) = (execution.clone(), TaskId::from_u128(pid.into()));
            worker.presence.running =
                vec![Running { execution, task, attempt: 1, since_us: 0, waits_for: None }; 2];
            worker
        };
        assert_eq!(at_work(&[with(1, &other), worker("node-7", 2, &["cpu"])], &id), None);
        let told = at_work(&[with(1, &other), with(2, &id), with(3, &id)], &id).unwrap();
        assert!(told.contains("4 tasks of it: worker 2 on node-7 and 1 more"), "{told}");
    }

    #[test]
    fn only_what_has_ended_long_ago_is_old() {
        let hour = Duration::from_secs(3600);
        let aged = |status, owner, ago: Duration| {
            let mut view = view(status, owner);
            view.record.updated_at_us = to_unix_micros(std::time::SystemTime::now() - ago);
            view
        };
        for status in [Status::Succeeded, Status::Failed, Status::Cancelled] {
            assert!(is_old(&aged(status, None, 2 * hour), hour), "{status:?}");
            assert!(!is_old(&aged(status, None, hour / 2), hour), "{status:?}");
            assert!(!is_old(&aged(status, Some("a coordinator"), 2 * hour), hour), "{status:?}");
        }
        assert!(!is_old(&aged(Status::Running, None, 2 * hour), hour), "it may be resumed");
    }
}
