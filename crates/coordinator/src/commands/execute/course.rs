//! The course of an execution, wherever its tasks run: progress, interrupts, how it ends.

use std::process::ExitCode;
use std::sync::Arc;

use backends::broker::TaskProducer;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::outcome::Output;
use super::work::Work;
use crate::commands::{CANCELLED, Stop, say};
use crate::display::{Display, counted};
use crate::engine::Policy;
use crate::interrupt::Interrupts;
use crate::run::{self, Anew, Command, Parts, Progress, Report, Revive};

/// Commands that may wait for the driver.
const COMMANDS: usize = 8;

/// How an execution is run and how its end is told.
pub(super) struct Settings {
    pub(super) policy: Policy,
    pub(super) anew: Anew,
    pub(super) output: Output,
}

/// Where the tasks of an execution go.
pub(super) struct Broker {
    pub(super) producer: Arc<dyn TaskProducer>,
    pub(super) revive: Option<Revive>,
}

/// Who may tell a running execution what to do.
pub(super) struct Commands {
    pub(super) sender: mpsc::Sender<Command>,
    receiver: mpsc::Receiver<Command>,
}

impl Commands {
    pub(super) fn new() -> Self {
        let (sender, receiver) = mpsc::channel(COMMANDS);
        Self { sender, receiver }
    }
}

/// How an execution ended, for now.
pub(super) struct Ended {
    how: How,
    /// Until all is put away, a further signal must not kill the process.
    interrupts: Interrupts,
}

enum How {
    Reported(Report),
    Failed(Stop),
    /// Another coordinator goes on with it.
    TakenOver(Stop),
    /// The user would not wait for running tasks.
    AtOnce,
}

/// Runs it to its end, with progress. `beside` is what must go on meanwhile; it ends only when the
/// execution cannot go on.
///
/// # Errors
/// If nobody can listen for signals.
pub(super) async fn run(
    work: &Work,
    settings: &Settings,
    broker: Broker,
    commands: Commands,
    beside: impl Future<Output = Stop>,
) -> Result<Ended, Stop> {
    let (progress, watched) = watch::channel(Progress::default());
    let stop_now = CancellationToken::new();
    let output = &settings.output;
    let interrupts = Interrupts::listen(output.resume_command.clone(), commands.sender, stop_now.clone())?;
    let display = (!output.quiet).then(|| Display::start(watched));
    let parts = Parts {
        root: crate::root::call(&work.spec.root),
        policy: settings.policy,
        resolver: Arc::clone(&work.resolver),
        producer: broker.producer,
        checkpoint: Arc::clone(&work.checkpoint),
        record: work.record.clone(),
        anew: settings.anew.clone(),
        revive: broker.revive,
    };
    let how = tokio::select! {
        report = run::run(parts, commands.receiver, progress) => match report {
            Ok(report) => How::Reported(report),
            Err(error @ run::Error::TakenOver { .. }) => How::TakenOver(error.into()),
            Err(error) => How::Failed(error.into()),
        },
        () = stop_now.cancelled() => How::AtOnce,
        failure = beside => How::Failed(failure),
    };
    if let Some(display) = display {
        display.end();
    }
    if let How::Failed(Stop::Infrastructure(error)) = &how {
        // Said at once: what runs may take a while to end.
        say(&format!("execution {} stops: {error:#}", work.record.id));
    }
    Ok(Ended { how, interrupts })
}

impl Ended {
    /// Whether it came to its end.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.how, How::Reported(_))
    }

    /// Tells how it ended, once everything is put away.
    pub(super) fn conclude(self, work: &Work, output: &Output) -> Result<ExitCode, Stop> {
        self.interrupts.end();
        let id = &work.record.id;
        match self.how {
            How::Reported(report) => output.finish(id, &report),
            How::TakenOver(stop) => Err(stop),
            How::Failed(stop) => {
                say(&format!("execution {id} stopped; go on with: {}", output.resume_command));
                Err(stop)
            }
            How::AtOnce => {
                say(&format!("execution {id} stopped at once; go on with: {}", output.resume_command));
                Ok(ExitCode::from(CANCELLED))
            }
        }
    }
}

/// Says what a changed spec reuses of the earlier runs and what is new.
pub(super) async fn announce_reuse(work: &Work, output: &Output) -> Result<(), Stop> {
    if !work.has_changed || output.quiet {
        return Ok(());
    }
    let root = crate::root::call(&work.spec.root);
    let plan = crate::plan::plan(root, &work.resolver, Some(&*work.checkpoint)).await?;
    let more = if plan.undecided.is_empty() { "" } else { ", at least" };
    let (reused, new) = (counted(plan.reused, "task"), plan.tasks - plan.reused);
    say(&format!("the spec or its variables have changed: {reused} reused, {new} new{more}"));
    Ok(())
}
