//! `coordinator retry`: tries dead tasks again.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use backends::lease::Flags;
use backends::store::View;
use protocol::{Counts, ExecutionId, Status, TaskId, Value};
use serde::Serialize;

use super::again::resume_command;
use super::backend::{Backend, Needs};
use super::{Stop, execute, print_json, say, standing};
use crate::args::{ExecuteArgs, RetryArgs, RunArgs};
use crate::cli::Common;
use crate::display::Evidence;
use crate::embedded::StartWorker;

pub(crate) fn run(
    common: &Common,
    args: RetryArgs,
    start_worker: Arc<dyn StartWorker>,
) -> Result<ExitCode, Stop> {
    replay(common, args.id, Vec::new(), args.how, start_worker)
}

/// Tries these dead tasks again, or all if none are named, and goes on with the execution.
pub(super) fn replay(
    common: &Common,
    id: ExecutionId,
    tasks: Vec<TaskId>,
    how: RunArgs,
    start_worker: Arc<dyn StartWorker>,
) -> Result<ExitCode, Stop> {
    let backend = Backend::open(common, Needs::Store)?;
    let view = backend.view(&id)?;
    match plan(&view, tasks) {
        Plan::Nothing(why) => {
            let more = match view.record.status {
                Status::Running | Status::Cancelled => {
                    format!("; what is left of it goes on with: {}", resume_command(common, &id))
                }
                Status::Succeeded | Status::Failed => String::new(),
            };
            if !common.quiet {
                say(&format!("execution {id} {why}{more}"));
            }
            if how.output.is_json() {
                let flags = backend.block_on(standing::flags(backend.control().as_ref(), &view))?;
                print_json(&Untouched::of(&view, flags))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Plan::Refuse(problem) => Err(Stop::Usage(format!("error: execution {id} {problem}"))),
        Plan::Run(only) => {
            // It connects by itself.
            drop(backend);
            let args = ExecuteArgs { resume: Some(id), how, only, ..ExecuteArgs::default() };
            execute::run(common, args, start_worker)
        }
    }
}

/// An execution without dead tasks as JSON, with the keys of the document that running it would give.
#[derive(Debug, Serialize)]
struct Untouched<'a> {
    execution_id: &'a ExecutionId,
    status: &'static str,
    elapsed_s: f64,
    tasks: Counts,
    result: Option<&'a Value>,
    failures: [Evidence; 0],
}

impl<'a> Untouched<'a> {
    fn of(view: &'a View, flags: Flags) -> Self {
        let record = &view.record;
        Self {
            execution_id: &record.id,
            status: standing::status(view, flags),
            elapsed_s: Duration::from_micros(record.elapsed_us).as_secs_f64(),
            tasks: record.counts,
            result: record.result.as_ref(),
            failures: [],
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Nothing(&'static str),
    Refuse(String),
    /// Go on with these dead tasks only, or with all.
    Run(Option<Vec<TaskId>>),
}

fn plan(view: &View, tasks: Vec<TaskId>) -> Plan {
    if let Some(owner) = &view.owner {
        return Plan::Refuse(format!(
            "is being run by {owner}; its dead tasks can be tried again when it has ended"
        ));
    }
    let record = &view.record;
    // Counts of a run that was killed may be a moment old; dead tasks are as recorded.
    if view.dead.is_empty() && record.counts.failed == 0 && record.flow_failures.is_empty() {
        return Plan::Nothing("has no dead tasks");
    }
    if tasks.is_empty() {
        return Plan::Run(None);
    }
    // A view names a thousand; of more it cannot be said that one is not among them.
    let is_whole = view.dead.len() as u64 >= record.counts.failed;
    let unknown =
        tasks.iter().find(|task| is_whole && !view.dead.iter().any(|entry| entry.task.id == **task));
    match unknown {
        Some(task) => {
            Plan::Refuse(format!("has no dead task {task}; see `coordinator dead list {}`", record.id))
        }
        None => Plan::Run(Some(tasks)),
    }
}

#[cfg(test)]
mod tests {
    use backends::store::Entry;
    use protocol::{Cause, Ending, Failure, OperationName, Outcome, Task};
    use serde_json::{Value as Json, json};

    use super::super::standing::testing::view;
    use super::*;
    use crate::display::Document;

    fn failed_with(tasks: u64) -> View {
        let mut view = view(Status::Failed, None);
        view.record.counts.failed = tasks;
        view.dead = (0..tasks)
            .map(|number| {
                let arguments = Value::encode(&number).unwrap();
                let task =
                    Task::new(OperationName::new("work").unwrap(), "1.0.0".parse().unwrap(), arguments);
                let mut outcome = Outcome::cancelled(task.id);
                outcome.ending = Ending::Failed(Failure::new(Cause::Permanent, "no"));
                Entry { task: Arc::new(task), outcome: Arc::new(outcome) }
            })
            .collect();
        view
    }

    #[test]
    fn nothing_dead_is_nothing_to_do() {
        assert_eq!(plan(&view(Status::Succeeded, None), Vec::new()), Plan::Nothing("has no dead tasks"));
    }

    #[test]
    fn nothing_to_do_is_told_with_the_keys_of_an_end() {
        let view = view(Status::Succeeded, None);
        let id = &view.record.id;
        let end = Document {
            execution_id: id,
            status: Status::Succeeded,
            elapsed_s: 0.0,
            tasks: Counts::default(),
            result: None,
            failures: Vec::new(),
        };
        let told: Json = json!(Untouched::of(&view, Flags::default()));
        assert_eq!(told, json!(end));
    }

    #[test]
    fn all_dead_tasks_or_some_of_them_are_tried_again() {
        let view = failed_with(3);
        let one = view.dead[1].task.id;
        assert_eq!(plan(&view, Vec::new()), Plan::Run(None));
        assert_eq!(plan(&view, vec![one]), Plan::Run(Some(vec![one])));
    }

    #[test]
    fn tasks_that_are_not_dead_and_executions_that_run_are_refused() {
        let mut view = failed_with(1);
        assert!(matches!(plan(&view, vec![TaskId::of_key("other")]), Plan::Refuse(_)));
        view.owner = Some("process 7 on there".to_owned());
        let Plan::Refuse(problem) = plan(&view, Vec::new()) else { panic!("it was accepted") };
        assert!(problem.contains("process 7 on there"));
    }
}
