//! `coordinator workers`: who is alive.

use std::process::ExitCode;
use std::time::Duration;

use backends::distributed::Worker;
use protocol::{Running, SessionId, WorkerType};
use serde::Serialize;

use super::backend::{Backend, Needs};
use super::{Stop, print, print_json};
use crate::args::ListArgs;
use crate::cli::Common;
use crate::display::{age, length, moment, table};

const EMBEDDED: &str = "; executions without servers have no workers of their own";

pub(crate) fn run(common: &Common, args: &ListArgs) -> Result<ExitCode, Stop> {
    let backend = Backend::need_servers(common, Needs::Store, EMBEDDED)?;
    let control = backend.control().expect("servers were asked for");
    let workers = backend.block_on(control.workers())?;
    let shown: Vec<_> = workers.iter().map(Shown::of).collect();
    if args.output.is_json() {
        print_json(&shown)?;
    } else if shown.is_empty() {
        print(|out| writeln!(out, "no worker is alive; start one with: worker --queue cpu"))?;
    } else {
        list(&shown)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A worker as JSON.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    node: &'a str,
    pid: u32,
    session: SessionId,
    /// `active`, `draining`, or `other key`: its signing key is not that of this process.
    status: &'static str,
    queues: &'a [WorkerType],
    slots: u32,
    /// Tasks that have been running for a while.
    running: &'a [Running],
    ended: u64,
    version: &'a str,
    started_at: String,
    up_s: f64,
    heartbeat_s: f64,
    /// How long it goes on taking tasks; null if that has no known end.
    drains_in_s: Option<f64>,
}

impl<'a> Shown<'a> {
    fn of(worker: &'a Worker) -> Self {
        let presence = &worker.presence;
        let session = &presence.session;
        Self {
            node: &session.node,
            pid: session.pid,
            session: session.id,
            status: match worker {
                Worker { is_stranger: true, .. } => "other key",
                _ if presence.is_draining => "draining",
                _ => "active",
            },
            queues: &session.worker_types,
            slots: session.concurrency,
            running: &presence.running,
            ended: presence.ended,
            version: &presence.version,
            started_at: moment(presence.started_at_us),
            up_s: age(presence.started_at_us).as_secs_f64(),
            heartbeat_s: session.lease.saturating_sub(worker.expires_in).as_secs_f64(),
            drains_in_s: presence.drains_in.map(|left| left.as_secs_f64()),
        }
    }
}

/// How many of its tasks wait for a semaphore.
fn waiting(worker: &Shown<'_>) -> usize {
    worker.running.iter().filter(|task| task.waits_for.is_some()).count()
}

fn list(workers: &[Shown<'_>]) -> Result<(), Stop> {
    let rows = workers.iter().map(|worker| {
        [
            worker.node.to_owned(),
            worker.pid.to_string(),
            worker.status.to_owned(),
            worker.queues.iter().map(WorkerType::as_str).collect::<Vec<_>>().join(" "),
            worker.slots.to_string(),
            (worker.running.len() - waiting(worker)).to_string(),
            waiting(worker).to_string(),
            worker.ended.to_string(),
            length(Duration::from_secs_f64(worker.up_s)),
            format!("{} ago", length(Duration::from_secs_f64(worker.heartbeat_s))),
        ]
    });
    let header =
        ["NODE", "PID", "STATUS", "QUEUES", "SLOTS", "RUNNING", "WAITING", "ENDED", "UP FOR", "HEARTBEAT"];
    let text = table(header, rows);
    print(|out| writeln!(out, "{text}"))
}

#[cfg(test)]
mod tests {
    use super::super::announced::testing::worker;
    use super::*;

    #[test]
    fn the_last_heartbeat_follows_from_what_is_left_of_the_lease() {
        let mut worker = worker("one", 1, &["cpu", "gpu"]);
        worker.expires_in = Duration::from_secs(27);
        assert_eq!(Shown::of(&worker).heartbeat_s, 3.0);
        worker.expires_in = Duration::from_secs(60);
        assert_eq!(Shown::of(&worker).heartbeat_s, 0.0);
    }
}
