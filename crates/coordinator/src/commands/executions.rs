//! `coordinator executions`: looks at executions, running and past, and removes them.

mod removal;

pub(crate) use removal::remove;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use backends::store::View;
use protocol::{ExecutionId, to_unix_micros};
use serde::Serialize;

use super::again::{command, resume_command};
use super::backend::{Backend, Needs};
use super::{Stop, print, print_json, standing};
use crate::args::{ExecutionsArgs, ExecutionsCommand};
use crate::cli::Common;
use crate::display::{Evidence, ago, counted, length, moment, table};

pub(crate) fn run(common: &Common, args: &ExecutionsArgs) -> Result<ExitCode, Stop> {
    let is_json = args.output.is_json();
    match &args.command {
        None | Some(ExecutionsCommand::List) => look_at_all(common, is_json)?,
        Some(ExecutionsCommand::Show { id }) => look_at(common, id, is_json)?,
        Some(ExecutionsCommand::Remove(wanted)) => removal::run(common, wanted, is_json)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn look_at_all(common: &Common, is_json: bool) -> Result<(), Stop> {
    let backend = Backend::open(common, Needs::Store)?;
    let control = backend.control();
    let views = backend.block_on(backend.store().list())?;
    let mut looks = Vec::with_capacity(views.len());
    for view in views {
        let flags = backend.block_on(standing::flags(control.as_ref(), &view))?;
        looks.push(Look { status: standing::status(&view, flags), view });
    }
    if is_json { print_json(&looks.iter().map(Shown::of).collect::<Vec<_>>()) } else { list(&looks) }
}

fn look_at(common: &Common, id: &ExecutionId, is_json: bool) -> Result<(), Stop> {
    let backend = Backend::open(common, Needs::Store)?;
    let view = backend.view(id)?;
    let flags = backend.block_on(standing::flags(backend.control().as_ref(), &view))?;
    let look = Look { status: standing::status(&view, flags), view };
    let whole = Whole::of(&look);
    if is_json { print_json(&whole) } else { show(&look.view, &whole, common) }
}

/// An execution and the word for where it is.
struct Look {
    view: View,
    status: &'static str,
}

/// Time spent running; while it runs, up to now.
fn elapsed(view: &View) -> Duration {
    let record = &view.record;
    let running = match view.owner {
        Some(_) => to_unix_micros(SystemTime::now()).saturating_sub(record.updated_at_us),
        None => 0,
    };
    Duration::from_micros(record.elapsed_us + running)
}

/// An execution as JSON.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    execution_id: &'a ExecutionId,
    status: &'static str,
    source: &'a str,
    created_at: String,
    updated_at: String,
    elapsed_s: f64,
    runs: u32,
    owner: Option<&'a str>,
    tasks: protocol::Counts,
}

impl<'a> Shown<'a> {
    fn of(look: &'a Look) -> Self {
        let (view, record) = (&look.view, &look.view.record);
        Self {
            execution_id: &record.id,
            status: look.status,
            source: &record.source,
            created_at: moment(record.created_at_us),
            updated_at: moment(record.updated_at_us),
            elapsed_s: elapsed(view).as_secs_f64(),
            runs: record.incarnation,
            owner: view.owner.as_deref(),
            tasks: record.counts,
        }
    }
}

/// An execution by itself, which has more than one in a list.
#[derive(Debug, Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    shown: Shown<'a>,
    result: Option<&'a protocol::Value>,
    failures: Vec<Evidence>,
}

impl<'a> Whole<'a> {
    fn of(look: &'a Look) -> Self {
        let (view, record) = (&look.view, &look.view.record);
        let tasks = view.dead.iter().filter_map(Evidence::of_task);
        let flows = record.flow_failures.iter().map(|text| Evidence::of_flow(text));
        Self {
            shown: Shown::of(look),
            result: record.result.as_ref(),
            failures: tasks.chain(flows).collect(),
        }
    }
}

fn list(looks: &[Look]) -> Result<(), Stop> {
    let rows = looks.iter().map(|look| {
        let (view, record) = (&look.view, &look.view.record);
        [
            record.id.to_string(),
            look.status.to_owned(),
            format!("{}/{}", record.counts.succeeded, record.counts.expanded),
            record.counts.failed.to_string(),
            length(elapsed(view)),
            ago(record.created_at_us),
            record.source.clone(),
        ]
    });
    let text = table(["EXECUTION", "STATUS", "SUCCEEDED", "FAILED", "ELAPSED", "STARTED", "SPEC"], rows);
    print(|out| writeln!(out, "{text}"))
}

fn show(view: &View, whole: &Whole<'_>, common: &Common) -> Result<(), Stop> {
    let shown = &whole.shown;
    let counts = &shown.tasks;
    print(|out| {
        writeln!(out, "execution: {}", shown.execution_id)?;
        writeln!(out, "status:    {}", shown.status)?;
        if let Some(owner) = shown.owner {
            writeln!(out, "run by:    {owner}")?;
        }
        writeln!(out, "spec:      {}", shown.source)?;
        writeln!(out, "started:   {} ({})", shown.created_at, ago(view.record.created_at_us))?;
        writeln!(out, "elapsed:   {} in {}", length(elapsed(view)), counted(shown.runs.into(), "run"))?;
        writeln!(
            out,
            "tasks:     {} expanded, {} succeeded, {} failed, {} cancelled, {} skipped, {} retried, {} reused",
            counts.expanded,
            counts.succeeded,
            counts.failed,
            counts.cancelled,
            counts.skipped,
            counts.retried,
            counts.reused
        )?;
        for evidence in &whole.failures {
            writeln!(out, "\n{}", evidence.to_text())?;
        }
        if matches!(shown.status, "interrupted" | "failed" | "cancelled") {
            writeln!(out, "\ngo on with: {}", resume_command(common, shown.execution_id))?;
        }
        if shown.status == "paused" {
            writeln!(out, "\ngo on with: {}", command(common, &format!("resume {}", shown.execution_id)))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use protocol::Status;
    use serde_json::json;

    use super::super::standing::testing::view;
    use super::*;

    #[test]
    fn an_execution_has_all_its_keys_whoever_runs_it_and_however_it_ended() {
        let keys = |owner: Option<&str>| -> Vec<String> {
            let look = Look { view: view(Status::Running, owner), status: "running" };
            let whole = json!(Whole::of(&look));
            assert_eq!(whole["owner"], json!(owner));
            whole.as_object().unwrap().keys().cloned().collect()
        };
        assert_eq!(keys(None), keys(Some("a process")));
        for key in ["status", "owner", "tasks", "result", "failures"] {
            assert!(keys(None).contains(&key.to_owned()), "{key}");
        }
    }
}
