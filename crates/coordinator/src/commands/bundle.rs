//! `coordinator bundle`: a dead task as a file, with which it can be run by itself.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use anyhow::Context as _;
use backends::store::{Entry, View};
use protocol::{Bundle, Envelope, TaskId};

use super::backend::{Backend, Needs};
use super::{Stop, dead, print};
use crate::args::BundleArgs;
use crate::cli::Common;

pub(crate) fn run(common: &Common, args: &BundleArgs) -> Result<ExitCode, Stop> {
    if std::io::stdout().is_terminal() {
        let text = format!(
            "error: a bundle is not for reading; write it to a file: coordinator bundle {} > task.bundle",
            args.task
        );
        return Err(Stop::Usage(text));
    }
    let backend = Backend::open(common, Needs::Store)?;
    let views = match &args.execution {
        Some(id) => vec![backend.view(id)?],
        None => dead::with_dead(&backend)?,
    };
    let Some((view, entry)) = views.iter().find_map(|view| Some((view, find(view, args.task)?))) else {
        let place = args.execution.as_ref().map_or_else(String::new, |id| format!(" in execution {id}"));
        let text = format!("error: there is no dead task {}{place}; see `coordinator dead list`", args.task);
        return Err(Stop::Usage(text));
    };
    let body = Bundle { task: (*entry.task).clone(), outcome: (*entry.outcome).clone() };
    let bytes = Envelope { execution: view.record.id.clone(), body }.encode_large();
    let bytes = bytes.context("packing the task")?;
    print(|out| out.write_all(&bytes))?;
    Ok(ExitCode::SUCCESS)
}

fn find(view: &View, task: TaskId) -> Option<&Entry> {
    view.dead.iter().find(|entry| entry.task.id == task)
}
