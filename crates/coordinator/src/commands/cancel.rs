//! `coordinator cancel`: stops an execution for good, wherever it runs and whoever is up.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use backends::distributed::Control;
use backends::store::{self, Store};
use protocol::{ExecutionId, ExecutionRecord, Status, to_unix_micros};
use serde_json::json;

use super::again::resume_command;
use super::backend::{Backend, unknown_execution};
use super::{Stop, print, print_json};
use crate::args::ExecutionArgs;
use crate::cli::Common;

/// How long a coordinator gets to end, or, if it was killed, to be known as gone.
const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

const EMBEDDED: &str = "; an execution without servers is cancelled by Ctrl-C where it runs";

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Done {
    /// It had ended before, so.
    HadEnded(Status),
    /// It ended, so: mostly cancelled, but its last task may have been faster.
    Ended(Status),
    /// Its coordinator, called so, still waits for running tasks.
    Stopping(String),
}

pub(crate) fn run(common: &Common, args: &ExecutionArgs) -> Result<ExitCode, Stop> {
    let backend = Backend::need_servers(common, EMBEDDED)?;
    let control = backend.control().expect("servers were asked for");
    let done = backend.block_on(cancel(&control, &*backend.store(), &args.id))?;
    let id = &args.id;
    if args.output.is_json() {
        let (status, owner) = match &done {
            Done::HadEnded(status) | Done::Ended(status) => (status.as_str(), None),
            Done::Stopping(owner) => ("cancelling", Some(owner)),
        };
        print_json(&json!({"execution_id": id, "status": status, "owner": owner}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let text = match &done {
        Done::HadEnded(status) => format!("execution {id} had ended before: {}", status.as_str()),
        Done::Ended(Status::Cancelled) => {
            format!("execution {id} is cancelled; take it up again with: {}", resume_command(common, id))
        }
        Done::Ended(status) => format!("execution {id} ended meanwhile: {}", status.as_str()),
        Done::Stopping(owner) => {
            format!("execution {id} starts nothing more; {owner} ends it when running tasks have finished")
        }
    };
    print(|out| writeln!(out, "{text}"))?;
    Ok(ExitCode::SUCCESS)
}

async fn cancel(control: &Control, store: &dyn Store, id: &ExecutionId) -> Result<Done, Stop> {
    let view = store.view(id).await.map_err(unknown_execution)?;
    if view.record.status != Status::Running && view.owner.is_none() {
        return Ok(Done::HadEnded(view.record.status));
    }
    // From here on it holds, whatever becomes of us.
    control.cancel(id, view.record.incarnation).await?;
    let begun = Instant::now();
    loop {
        let view = store.view(id).await?;
        match (view.record.status, view.owner) {
            (Status::Running, None) => {
                if note(control, store, view.record).await? {
                    return Ok(Done::Ended(Status::Cancelled));
                }
            }
            (Status::Running, Some(owner)) if begun.elapsed() >= PATIENCE => {
                return Ok(Done::Stopping(owner));
            }
            (Status::Running, Some(_)) => {}
            (status @ (Status::Succeeded | Status::Failed | Status::Cancelled), _) => {
                return Ok(Done::Ended(status));
            }
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// Writes the record of an execution that nobody runs; whether that was so. `seen` is how it was
/// found, with counts that may be newer than those in the record.
async fn note(control: &Control, store: &dyn Store, seen: ExecutionRecord) -> Result<bool, Stop> {
    let id = &seen.id;
    let checkpoint = match store.resume(id).await {
        Ok(checkpoint) => checkpoint,
        // Somebody was faster, or has been killed just now.
        Err(store::Error::Busy { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let mut record = checkpoint.record();
    if record.status == Status::Running {
        // Having held it, we are the latest of those who ran it.
        control.cancel(id, record.incarnation).await?;
        record.status = Status::Cancelled;
        record.counts = seen.counts;
        record.updated_at_us = to_unix_micros(std::time::SystemTime::now());
        checkpoint.update(record).await?;
    }
    Ok(true)
}
