//! `coordinator pause` and `coordinator resume`: whether tasks of an execution are started.

use std::process::ExitCode;

use backends::lease::Flags;
use backends::store::View;
use protocol::{ExecutionId, Status};
use serde::Serialize;

use super::again::{command, resume_command};
use super::backend::{Backend, Needs};
use super::{Stop, print, print_json, standing};
use crate::args::ExecutionArgs;
use crate::cli::Common;

const EMBEDDED: &str =
    "; an execution without servers is stopped by Ctrl-C and goes on with `coordinator execute --resume ID`";

/// Starts no more tasks.
pub(crate) fn pause(common: &Common, args: &ExecutionArgs) -> Result<ExitCode, Stop> {
    let backend = Backend::need_servers(common, Needs::Store, EMBEDDED)?;
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
    let flags = backend.block_on(control.flags(id))?;
    let text = format!(
        "execution {id} is paused: running tasks finish, no more are started; go on with: {}",
        command(common, &format!("resume {id}"))
    );
    told(args, &view, Flags { is_paused: true, ..flags }, &text)
}

/// Starts tasks again.
pub(crate) fn unpause(common: &Common, args: &ExecutionArgs) -> Result<ExitCode, Stop> {
    let backend = Backend::need_servers(common, Needs::Store, EMBEDDED)?;
    let control = backend.control().expect("servers were asked for");
    let id = &args.id;
    let view = backend.view(id)?;
    let flags = backend.block_on(control.flags(id))?;
    backend.block_on(control.unpause(id))?;
    let mut text = if flags.is_paused {
        format!("execution {id} is paused no longer")
    } else {
        format!("execution {id} was not paused")
    };
    if view.owner.is_none() && view.record.status != Status::Succeeded {
        text.push_str("; no coordinator runs it, so take it up with: ");
        text.push_str(&resume_command(common, id));
    }
    told(args, &view, Flags { is_paused: false, ..flags }, &text)
}

/// Tells what was done, after which the execution is as found but for these wishes.
fn told(args: &ExecutionArgs, view: &View, flags: Flags, text: &str) -> Result<ExitCode, Stop> {
    if args.output.is_json() {
        print_json(&Told::of(view, flags))?;
    } else {
        print(|out| writeln!(out, "{text}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The execution afterwards, as JSON.
#[derive(Debug, Serialize)]
struct Told<'a> {
    execution_id: &'a ExecutionId,
    status: &'static str,
    owner: Option<&'a str>,
    paused: bool,
}

impl<'a> Told<'a> {
    fn of(view: &'a View, flags: Flags) -> Self {
        Self {
            execution_id: &view.record.id,
            status: standing::status(view, flags),
            owner: view.owner.as_deref(),
            paused: flags.is_paused,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::standing::testing::view;
    use super::*;

    #[test]
    fn its_status_is_the_word_that_other_commands_have_for_it() {
        let (paused, resumed) = (Flags { is_paused: true, ..Flags::default() }, Flags::default());
        for (owner, flags, status) in [
            (Some("a process"), paused, "paused"),
            (Some("a process"), resumed, "running"),
            (None, paused, "interrupted"),
        ] {
            let told = json!(Told::of(&view(Status::Running, owner), flags));
            let paused = flags.is_paused;
            let expected =
                json!({"execution_id": "nightly", "status": status, "owner": owner, "paused": paused});
            assert_eq!(told, expected);
        }
    }
}
