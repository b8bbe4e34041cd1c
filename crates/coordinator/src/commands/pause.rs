//! `coordinator pause` and `coordinator resume`: whether tasks of an execution are started.

use std::process::ExitCode;

use backends::store::View;
use protocol::Status;
use serde_json::json;

use super::again::{command, resume_command};
use super::backend::Backend;
use super::{Stop, print, print_json};
use crate::args::ExecutionArgs;
use crate::cli::Common;

const EMBEDDED: &str =
    "; an execution without servers is stopped by Ctrl-C and goes on with `coordinator execute --resume ID`";

/// Starts no more tasks.
pub(crate) fn pause(common: &Common, args: &ExecutionArgs) -> Result<ExitCode, Stop> {
    let backend = Backend::need_servers(common, EMBEDDED)?;
    let control = backend.control().expect("servers were asked for");
    let id = &args.id;
    let view = backend.view(id)?;
    if view.record.status != Status::Running {
        let status = view.record.status.as_str();
        return Err(Stop::Usage(format!(
            "error: execution {id} has ended: {status}; there is nothing to pause"
        )));
    }
    backend.block_on(control.pause(id))?;
    let text = format!(
        "execution {id} is paused: running tasks finish, no more are started; go on with: {}",
        command(common, &format!("resume {id}"))
    );
    told(args, &view, true, &text)
}

/// Starts tasks again.
pub(crate) fn unpause(common: &Common, args: &ExecutionArgs) -> Result<ExitCode, Stop> {
    let backend = Backend::need_servers(common, EMBEDDED)?;
    let control = backend.control().expect("servers were asked for");
    let id = &args.id;
    let view = backend.view(id)?;
    let was_paused = backend.block_on(control.flags(id))?.is_paused;
    backend.block_on(control.unpause(id))?;
    let mut text = if was_paused {
        format!("execution {id} is paused no longer")
    } else {
        format!("execution {id} was not paused")
    };
    if view.owner.is_none() && view.record.status != Status::Succeeded {
        text.push_str("; no coordinator runs it, so take it up with: ");
        text.push_str(&resume_command(common, id));
    }
    told(args, &view, false, &text)
}

fn told(args: &ExecutionArgs, view: &View, is_paused: bool, text: &str) -> Result<ExitCode, Stop> {
    if args.output.is_json() {
        print_json(&json!({
            "execution_id": args.id, "paused": is_paused, "status": view.record.status, "owner": view.owner
        }))?;
    } else {
        print(|out| writeln!(out, "{text}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
