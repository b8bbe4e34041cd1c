//! Gathers what is known, and tells what is concluded.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use backends::store::View;
use otaman::{Registry, Resolve};
use protocol::{Task, TaskId, to_unix_micros};
use serde_json::json;

use super::facts::{Commands, Facts, TaskFacts};
use super::{execution, task};
use crate::args::ExplainArgs;
use crate::cli::Common;
use crate::commands::again::{command, resume_command};
use crate::commands::backend::Backend;
use crate::commands::catalog::Known;
use crate::commands::input::{self, Text};
use crate::commands::{Stop, print, print_json, queues};

const EMBEDDED: &str = "; of an execution without servers, `coordinator executions show` tells all there is";

/// How many tasks of a spec are looked through for one.
const MOST_TASKS: u64 = 1_000_000;

/// Runs the command.
pub(crate) fn run(common: &Common, args: &ExplainArgs) -> Result<ExitCode, Stop> {
    let backend = Backend::need_servers(common, EMBEDDED)?;
    let view = backend.view(&args.id)?;
    let facts = gather(common, args, &backend, view)?;
    let explanation = match args.task {
        None => execution::explain(&facts),
        Some(id) => task::explain(&facts, &gather_task(&backend, &facts.view, id)?),
    };
    if args.output.is_json() {
        print_json(&json!({
            "execution_id": args.id, "task": args.task, "state": explanation.state, "reasons": explanation.reasons
        }))?;
    } else {
        let what = args.task.map_or_else(|| format!("execution {}", args.id), |task| task.to_string());
        print(|out| {
            writeln!(out, "{what}: {}", explanation.state)?;
            explanation
                .reasons
                .iter()
                .try_for_each(|reason| writeln!(out, "  {}", reason.replace('\n', "\n  ")))
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

fn gather(common: &Common, args: &ExplainArgs, backend: &Backend, view: View) -> Result<Facts, Stop> {
    let control = backend.control().expect("servers were asked for");
    let workers = backend.block_on(control.workers())?;
    let flags = backend.block_on(control.flags(&args.id))?;
    let mut types = queues::named(&view.record.spec);
    if types.is_empty() {
        types.insert(protocol::WorkerType::default());
    }
    let mut asked = types.clone();
    asked.extend(workers.iter().flat_map(|worker| worker.presence.session.worker_types.iter().cloned()));
    let queues = backend.block_on(queues::look(&control, asked, vec![args.id.clone()], &workers))?;
    let replay = match args.task {
        Some(task) => format!("dead replay {} {task}", args.id),
        None => format!("retry {}", args.id),
    };
    let commands = Commands {
        take_up: resume_command(common, &args.id),
        unpause: command(common, &format!("resume {}", args.id)),
        replay: command(common, &replay),
    };
    let trouble = backend.block_on(control.look_for_trouble());
    Ok(Facts { view, flags, workers, queues, types, trouble, commands })
}

fn gather_task(backend: &Backend, view: &View, id: TaskId) -> Result<TaskFacts, Stop> {
    let control = backend.control().expect("servers were asked for");
    let lease = backend.block_on(control.leases(&view.record.id, &[id]))?.pop().flatten();
    let dead = view.dead.iter().find(|entry| entry.task.id == id).cloned();
    let task = match &dead {
        Some(entry) => Some(Arc::clone(&entry.task)),
        None => met(&input::registry()?, backend, view, id),
    };
    Ok(TaskFacts { lease, dead, task, now_ms: to_unix_micros(SystemTime::now()) / 1000 })
}

/// The task, if a walk through the spec meets it; a spec that cannot be walked here meets nothing.
fn met(registry: &Arc<Registry>, backend: &Backend, view: &View, id: TaskId) -> Option<Arc<Task>> {
    let record = &view.record;
    if let Some(directory) = &record.directory {
        // Where the execution was started on another machine, patterns match what is here.
        let _ = std::env::set_current_dir(directory);
    }
    let known = Known::of(registry, backend).ok()?;
    let text = Text { name: record.source.clone(), bytes: record.spec.clone().into_bytes() };
    let spec = known.parse(&text, &record.variables).ok()?;
    let resolver: Arc<dyn Resolve> = Arc::new(known.catalog);
    let walk = crate::plan::find(crate::root::call(&spec.root), &resolver, id, MOST_TASKS);
    backend.block_on(walk).ok().flatten()
}
