//! Gathers what is known, and tells what is concluded.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use backends::distributed::Control;
use backends::lease::State;
use backends::store::View;
use protocol::{Status, TaskId, WorkerType};
use serde_json::json;

use super::facts::{Commands, Facts, TaskFacts};
use super::walk::{Walk, needed};
use super::{execution, task};
use crate::args::ExplainArgs;
use crate::cli::Common;
use crate::commands::again::{command, resume_command};
use crate::commands::backend::{Backend, Needs};
use crate::commands::{Stop, print, print_json, queues};

const EMBEDDED: &str = "; of an execution without servers, `coordinator executions show` tells all there is";

/// So many tasks of an execution are asked for what holds them up.
const MOST_LOOKED_AT: u64 = 10_000;

/// Runs the command.
pub(crate) fn run(common: &Common, args: &ExplainArgs) -> Result<ExitCode, Stop> {
    let backend = Backend::need_servers(common, Needs::Store, EMBEDDED)?;
    let control = backend.control().expect("servers were asked for");
    let question = Question { common, args, backend: &backend, control };
    let view = backend.view(&args.id)?;
    let explanation = match args.task {
        None => {
            let (types, held_up) = match &view.owner {
                Some(_) => {
                    let walk = question.walk(&view)?;
                    (types(&view, walk.as_ref()), question.held_up(&view, walk.as_ref())?)
                }
                // A coordinator is missing first of all.
                None => (BTreeSet::new(), Vec::new()),
            };
            execution::explain(&question.gather(view, types)?, &held_up)
        }
        Some(id) => {
            let walk = question.walk(&view)?;
            let task = question.gather_task(&view, walk.as_ref(), id)?;
            let types = match &task.task {
                Some(task) => task.worker_types().cloned().collect(),
                None => types(&view, walk.as_ref()),
            };
            task::explain(&question.gather(view, types)?, &task)
        }
    };
    if args.output.is_json() {
        print_json(&json!({
            "execution_id": args.id, "task": args.task, "status": explanation.status, "reasons": explanation.reasons
        }))?;
    } else {
        let what = args.task.map_or_else(|| format!("execution {}", args.id), |task| task.to_string());
        print(|out| {
            writeln!(out, "{what}: {}", explanation.status)?;
            explanation
                .reasons
                .iter()
                .try_for_each(|reason| writeln!(out, "  {}", reason.replace('\n', "\n  ")))
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Worker types that the execution needs; none if it has ended.
fn types(view: &View, walk: Option<&Walk>) -> BTreeSet<WorkerType> {
    match view.record.status {
        Status::Running => needed(walk.and_then(Walk::plan).as_ref(), &view.record),
        Status::Succeeded | Status::Failed | Status::Cancelled => BTreeSet::new(),
    }
}

/// What is to be explained, and who can be asked.
struct Question<'a> {
    common: &'a Common,
    args: &'a ExplainArgs,
    backend: &'a Backend,
    control: Control,
}

impl Question<'_> {
    fn walk(&self, view: &View) -> Result<Option<Walk>, Stop> {
        Walk::of(self.common, self.backend, &view.record)
    }

    fn gather(&self, view: View, types: BTreeSet<WorkerType>) -> Result<Facts, Stop> {
        let Self { common, args, backend, control } = self;
        let workers = backend.block_on(control.workers())?;
        let flags = backend.block_on(control.flags(&args.id))?;
        let mut asked = types.clone();
        asked.extend(workers.iter().flat_map(|worker| worker.presence.session.worker_types.iter().cloned()));
        let trouble = backend.block_on(control.look_for_trouble());
        let queues = match &trouble {
            Some(trouble) if trouble.is_away => Vec::new(),
            Some(_) | None => {
                backend.block_on(queues::look(control, asked, vec![args.id.clone()], &workers))?
            }
        };
        let trouble = trouble.map(|trouble| trouble.text);
        let replay = match args.task {
            Some(task) => format!("dead replay {} {task}", args.id),
            None => format!("retry {}", args.id),
        };
        let commands = Commands {
            take_up: resume_command(common, &args.id),
            unpause: command(common, &format!("resume {}", args.id)),
            replay: command(common, &replay),
            show: command(common, &format!("executions show {}", args.id)),
            list_dead: command(common, &format!("dead list {}", args.id)),
        };
        Ok(Facts { view, flags, workers, queues, types, trouble, commands })
    }

    /// Tasks that no worker has and that some have had, of the first that a walk meets.
    fn held_up(&self, view: &View, walk: Option<&Walk>) -> Result<Vec<TaskFacts>, Stop> {
        let tasks = walk.map_or_else(Vec::new, |walk| walk.first(self.backend, MOST_LOOKED_AT));
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
        let leases = self.backend.block_on(self.control.leases(&view.record.id, &ids))?;
        let now_ms = self.control.now_ms();
        let facts = tasks.into_iter().zip(leases).map(|(task, lease)| TaskFacts {
            id: task.id,
            lease,
            dead: None,
            task: Some(task),
            now_ms,
        });
        let is_free = |facts: &TaskFacts| {
            facts.lease.as_ref().is_some_and(|record| matches!(record.state, State::Free { .. }))
        };
        Ok(facts.filter(is_free).collect())
    }

    fn gather_task(&self, view: &View, walk: Option<&Walk>, id: TaskId) -> Result<TaskFacts, Stop> {
        let mut leases = self.backend.block_on(self.control.leases(&view.record.id, &[id]))?;
        let lease = leases.pop().flatten();
        let dead = view.dead.iter().find(|entry| entry.task.id == id).cloned();
        let task = match &dead {
            Some(entry) => Some(Arc::clone(&entry.task)),
            None => walk.and_then(|walk| walk.find(self.backend, id)),
        };
        Ok(TaskFacts { id, lease, dead, task, now_ms: self.control.now_ms() })
    }
}
