//! `coordinator dead`: dead tasks, their evidence, and another try.

use std::process::ExitCode;
use std::sync::Arc;

use backends::store::{Entry, View};
use protocol::{ExecutionId, TaskId};
use serde::Serialize;

use super::backend::{Backend, Needs};
use super::{Stop, print, print_json, retry, say};
use crate::args::{DeadArgs, DeadCommand};
use crate::cli::Common;
use crate::display::{Evidence, ago, moment, table};
use crate::embedded::StartWorker;

/// Characters of a failure's message in a list.
const MESSAGE_WIDTH: usize = 100;

pub(crate) fn run(
    common: &Common,
    args: DeadArgs,
    start_worker: Arc<dyn StartWorker>,
) -> Result<ExitCode, Stop> {
    match args.command {
        DeadCommand::List { id, output } => {
            let backend = Backend::open(common, Needs::Store)?;
            let views = match &id {
                Some(id) => vec![backend.view(id)?],
                None => with_dead(&backend)?,
            };
            views.iter().filter(|_| !common.quiet).for_each(note_running);
            let dead: Vec<_> = views.iter().flat_map(Dead::all).collect();
            if output.is_json() {
                print_json(&dead)?
            } else {
                list(&dead)?
            }
            Ok(ExitCode::SUCCESS)
        }
        DeadCommand::Show { id, tasks, output } => {
            let view = Backend::open(common, Needs::Store)?.view(&id)?;
            if !common.quiet {
                note_running(&view);
            }
            let evidence = evidence(&view, &tasks)?;
            if output.is_json() {
                print_json(&evidence)?;
            } else {
                print(|out| {
                    evidence.iter().try_for_each(|evidence| writeln!(out, "{}\n", evidence.to_text()))
                })?;
            }
            Ok(ExitCode::SUCCESS)
        }
        DeadCommand::Replay { id, tasks, how } => retry::replay(common, id, tasks, how, start_worker),
    }
}

/// All executions that have dead tasks, with these; newest first.
pub(super) fn with_dead(backend: &Backend) -> Result<Vec<View>, Stop> {
    let briefs = backend.block_on(backend.store().list())?;
    let has_dead = |brief: &&View| brief.record.counts.failed > 0;
    briefs.iter().filter(has_dead).map(|brief| backend.view(&brief.record.id)).collect()
}

fn note_running(view: &View) {
    let (id, failed) = (&view.record.id, view.record.counts.failed);
    if let (Some(owner), true, 1..) = (&view.owner, view.dead.is_empty(), failed) {
        say(&format!(
            "execution {id} is being run by {owner}; its dead tasks, {failed} so far, can be seen when it has ended"
        ));
    }
}

/// A dead task in a list.
#[derive(Debug, Serialize)]
struct Dead<'a> {
    execution_id: &'a ExecutionId,
    task: TaskId,
    operation: String,
    cause: &'static str,
    attempts: u32,
    ended_at: String,
    #[serde(skip)]
    ended_at_us: u64,
    message: String,
}

impl<'a> Dead<'a> {
    fn all(view: &'a View) -> impl Iterator<Item = Self> {
        view.dead.iter().filter_map(|entry| Self::of(&view.record.id, entry))
    }

    fn of(execution_id: &'a ExecutionId, entry: &Entry) -> Option<Self> {
        let failure = entry.outcome.failure()?;
        let ended_at_us = entry.outcome.started_at_us + entry.outcome.duration.as_micros() as u64;
        Some(Self {
            execution_id,
            task: entry.task.id,
            operation: entry.task.operation.to_string(),
            cause: failure.cause.as_str(),
            attempts: entry.outcome.attempt,
            ended_at: moment(ended_at_us),
            ended_at_us,
            message: failure.summary(),
        })
    }
}

fn list(dead: &[Dead<'_>]) -> Result<(), Stop> {
    let rows = dead.iter().map(|dead| {
        [
            dead.execution_id.to_string(),
            dead.task.to_string(),
            dead.operation.clone(),
            dead.cause.to_owned(),
            dead.attempts.to_string(),
            ago(dead.ended_at_us),
            one_line(&dead.message),
        ]
    });
    let text = table(["EXECUTION", "TASK", "OPERATION", "CAUSE", "ATTEMPTS", "ENDED", "MESSAGE"], rows);
    print(|out| writeln!(out, "{text}"))
}

fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MESSAGE_WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn evidence(view: &View, tasks: &[TaskId]) -> Result<Vec<Evidence>, Stop> {
    if let Some(unknown) = tasks.iter().find(|task| !view.dead.iter().any(|entry| entry.task.id == **task)) {
        let id = &view.record.id;
        return Err(Stop::Usage(format!(
            "error: execution {id} has no dead task {unknown}; see `coordinator dead list {id}`"
        )));
    }
    let is_asked = |entry: &&Entry| tasks.is_empty() || tasks.contains(&entry.task.id);
    Ok(view.dead.iter().filter(is_asked).filter_map(Evidence::of_task).collect())
}
