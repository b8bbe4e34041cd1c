//! `coordinator cancel`: stops an execution for good, wherever it runs and whoever is up.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use backends::distributed::Control;
use backends::store::{self, Store, View};
use protocol::{ExecutionId, ExecutionRecord, Status, to_unix_micros};
use serde_json::json;

use super::again::resume_command;
use super::backend::{Backend, Needs, unknown_execution};
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
    let backend = Backend::need_servers(common, Needs::Store, EMBEDDED)?;
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

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Cancel this incarnation: it is not, or is not known to be.
    Cancel(u32),
    /// Nobody runs it: write down that it has ended.
    TakeUp,
    /// Look again in a moment.
    Wait,
    Done(Done),
}

/// Decides by how the execution is found, up to which incarnation it was cancelled here, and how long
/// that has taken.
fn next(found: &View, cancelled: Option<u32>, waited: Duration) -> Step {
    let record = &found.record;
    // Whoever takes up a killed coordinator's execution is one incarnation further, for which what
    // was said of the earlier ones does not hold.
    let holds = cancelled.is_some_and(|cancelled| cancelled >= record.incarnation);
    match (record.status, &found.owner) {
        (status @ (Status::Succeeded | Status::Failed | Status::Cancelled), None) => {
            Step::Done(if cancelled.is_some() { Done::Ended(status) } else { Done::HadEnded(status) })
        }
        (_, _) if !holds => Step::Cancel(record.incarnation),
        (Status::Running, None) => Step::TakeUp,
        (Status::Running, Some(owner)) if waited >= PATIENCE => Step::Done(Done::Stopping(owner.clone())),
        // It is about to leave, or somebody has just taken it up and will say so.
        (status @ (Status::Succeeded | Status::Failed | Status::Cancelled), Some(_))
            if waited >= PATIENCE =>
        {
            Step::Done(Done::Ended(status))
        }
        (_, Some(_)) => Step::Wait,
    }
}

async fn cancel(control: &Control, store: &dyn Store, id: &ExecutionId) -> Result<Done, Stop> {
    let mut found = store.view(id).await.map_err(unknown_execution)?;
    let (begun, mut cancelled) = (Instant::now(), None);
    loop {
        match next(&found, cancelled, begun.elapsed()) {
            Step::Cancel(incarnation) => {
                // From here on it holds for this incarnation, whatever becomes of us.
                control.cancel(id, incarnation).await?;
                cancelled = Some(incarnation);
            }
            Step::TakeUp => {
                if let Some(status) = write_down(control, store, &found.record).await? {
                    return Ok(Done::Ended(status));
                }
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
            Step::Wait => tokio::time::sleep(BETWEEN_LOOKS).await,
            Step::Done(done) => return Ok(done),
        }
        found = store.view(id).await?;
    }
}

/// Writes down that an execution has ended that nobody runs; how it has, or `None` if somebody was
/// faster. `seen` is how it was found, with counts that may be newer than those in the record.
async fn write_down(
    control: &Control,
    store: &dyn Store,
    seen: &ExecutionRecord,
) -> Result<Option<Status>, Stop> {
    let id = &seen.id;
    let checkpoint = match store.resume(id).await {
        Ok(checkpoint) => checkpoint,
        // Somebody has it, or has been killed just now.
        Err(store::Error::Busy { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut record = checkpoint.record();
    if record.status != Status::Running {
        // It was taken up and ended since we looked.
        return Ok(Some(record.status));
    }
    // Having held it, we are the latest of those who ran it.
    control.cancel(id, record.incarnation).await?;
    record.status = Status::Cancelled;
    if record.incarnation == seen.incarnation + 1 {
        record.counts = seen.counts;
    }
    record.updated_at_us = to_unix_micros(std::time::SystemTime::now());
    checkpoint.update(record).await?;
    Ok(Some(Status::Cancelled))
}

#[cfg(test)]
mod tests {
    use super::super::standing::testing::view;
    use super::*;

    const LONG: Duration = PATIENCE;

    fn found(status: Status, owner: Option<&str>, incarnation: u32) -> View {
        let mut view = view(status, owner);
        view.record.incarnation = incarnation;
        view
    }

    #[test]
    fn an_execution_that_is_taken_up_during_the_wait_is_cancelled_again() {
        let killed = found(Status::Running, Some("killed"), 2);
        assert_eq!(next(&killed, None, Duration::ZERO), Step::Cancel(2));
        assert_eq!(next(&killed, Some(2), Duration::ZERO), Step::Wait);
        let resumed = found(Status::Running, Some("resumed"), 3);
        for waited in [Duration::ZERO, LONG] {
            assert_eq!(next(&resumed, Some(2), waited), Step::Cancel(3));
        }
        assert_eq!(next(&resumed, Some(3), Duration::ZERO), Step::Wait);
        assert_eq!(next(&resumed, Some(3), LONG), Step::Done(Done::Stopping("resumed".to_owned())));
    }

    #[test]
    fn one_that_had_ended_and_is_taken_up_before_it_says_so_is_cancelled_again() {
        let taken_up = found(Status::Cancelled, Some("resumed"), 3);
        assert_eq!(next(&taken_up, Some(2), Duration::ZERO), Step::Cancel(3));
        assert_eq!(next(&taken_up, Some(3), Duration::ZERO), Step::Wait);
    }

    #[test]
    fn one_that_nobody_runs_is_taken_up_to_be_ended() {
        let dead = found(Status::Running, None, 2);
        assert_eq!(next(&dead, None, Duration::ZERO), Step::Cancel(2));
        assert_eq!(next(&dead, Some(2), LONG), Step::TakeUp);
    }

    #[test]
    fn an_end_before_is_told_from_an_end_meanwhile() {
        let ended = found(Status::Succeeded, None, 2);
        assert_eq!(next(&ended, None, Duration::ZERO), Step::Done(Done::HadEnded(Status::Succeeded)));
        assert_eq!(next(&ended, Some(2), Duration::ZERO), Step::Done(Done::Ended(Status::Succeeded)));
        let leaving = found(Status::Cancelled, Some("its coordinator"), 2);
        assert_eq!(next(&leaving, Some(2), Duration::ZERO), Step::Wait);
        assert_eq!(next(&leaving, Some(2), LONG), Step::Done(Done::Ended(Status::Cancelled)));
    }
}
