//! `coordinator executions`: looks at executions, running and past.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use backends::store::{Store as _, View};
use protocol::{ExecutionId, Status, to_unix_micros};
use serde::Serialize;

use super::{Stop, input, print, print_json, resume_command};
use crate::cli::{Common, ExecutionsArgs, ExecutionsCommand};
use crate::display::{Evidence, ago, counted, length, moment, table};

pub(crate) fn run(common: &Common, args: &ExecutionsArgs) -> Result<ExitCode, Stop> {
    let store = input::store(common)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting")?;
    match &args.command {
        None | Some(ExecutionsCommand::List) => {
            let views = runtime.block_on(store.list())?;
            if args.json {
                print_json(&views.iter().map(|view| Shown::of(view, false)).collect::<Vec<_>>())?;
            } else {
                list(&views)?;
            }
        }
        Some(ExecutionsCommand::Show { id }) => {
            let view = match runtime.block_on(store.view(id)) {
                Err(backends::store::Error::Unknown { .. }) => {
                    let problem = format!("error: no execution is named {id}; see `coordinator executions`");
                    return Err(Stop::Usage(problem));
                }
                other => other?,
            };
            let shown = Shown::of(&view, true);
            if args.json { print_json(&shown)? } else { show(&view, &shown, &resume_command(common, id))? }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The word for where an execution is; one that was killed is still recorded as running.
fn status(view: &View) -> &'static str {
    match (view.record.status, &view.owner) {
        (Status::Running, None) => "interrupted",
        (status, _) => status.as_str(),
    }
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
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    tasks: protocol::Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a protocol::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<Vec<Evidence>>,
}

impl<'a> Shown<'a> {
    fn of(view: &'a View, is_whole: bool) -> Self {
        let record = &view.record;
        let failures = || {
            let tasks = view.dead.iter().filter_map(Evidence::of_task);
            tasks.chain(record.flow_failures.iter().map(|text| Evidence::of_flow(text))).collect()
        };
        Self {
            execution_id: &record.id,
            status: status(view),
            source: &record.source,
            created_at: moment(record.created_at_us),
            updated_at: moment(record.updated_at_us),
            elapsed_s: elapsed(view).as_secs_f64(),
            runs: record.incarnation,
            owner: view.owner.as_deref(),
            tasks: record.counts,
            result: record.result.as_ref().filter(|_| is_whole),
            failures: is_whole.then(failures),
        }
    }
}

fn list(views: &[View]) -> Result<(), Stop> {
    let rows = views.iter().map(|view| {
        let record = &view.record;
        [
            record.id.to_string(),
            status(view).to_owned(),
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

fn show(view: &View, shown: &Shown<'_>, resume_command: &str) -> Result<(), Stop> {
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
        for evidence in shown.failures.iter().flatten() {
            writeln!(out, "\n{}", evidence.to_text())?;
        }
        if matches!(shown.status, "interrupted" | "failed" | "cancelled") {
            writeln!(out, "\ngo on with: {resume_command}")?;
        }
        Ok(())
    })
}
