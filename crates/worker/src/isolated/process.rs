//! One process of a slot, as the worker sees it.

use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use otaman::driver::{Lines, OomKills, Reporter};
use protocol::{BytesText, Cause, Failure, Value};
use rustix::process::Signal;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};
use tokio_util::codec::{Framed, LengthDelimitedCodec};
use tokio_util::sync::CancellationToken;

use super::groups::{self, Group, Groups};
use super::message::{Assignment, MAX_FRAME, Machine, Order, Report, decode, encode};
use super::spawner::Spawner;
use super::tree::{Tree, resident};

/// How often it is looked how much memory a task takes.
const LOOK: Duration = Duration::from_millis(50);
/// A process that takes more than this part of a task's limit before it begins is not used for it.
const SHARE: u64 = 4;
/// How much of its output is read at once, in bytes.
const CHUNK: usize = 16 * 1024;
/// What is known of a process that was killed while the kernel did so for want of memory.
const KILLED: &str = "meanwhile the kernel has killed for want of memory in the worker's control group";
/// Far enough off to be no limit.
const NEVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// One process of a slot. Dropped, it and all that it has started are killed.
#[derive(Debug)]
pub(super) struct Isolate {
    child: Option<Child>,
    socket: Framed<UnixStream, LengthDelimitedCodec>,
    /// Whatever it prints.
    output: pipe::Receiver,
    /// Whether it waits for a task.
    is_fit: bool,
    spawner: Spawner,
    /// That limits its memory; `None` where that is watched.
    group: Option<Group>,
}

/// How far it is with stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    Not,
    /// It was told to by a message.
    Told,
    /// It got SIGTERM.
    Terminated,
    /// It got SIGKILL.
    Killed,
}

impl Isolate {
    pub(super) async fn start(
        program: &Path,
        arguments: &[OsString],
        spawner: Spawner,
        groups: Option<&Groups>,
    ) -> io::Result<Self> {
        let (ours, its) = StdStream::pair()?;
        let (output, input) = io::pipe()?;
        let mut command = Command::new(program);
        command.args(arguments).process_group(0).stdin(std::os::fd::OwnedFd::from(its));
        command.stdout(input.try_clone()?).stderr(input);
        let child = spawner.spawn(command).await?;
        let group = groups.and_then(|groups| {
            let told =
                |error: &io::Error| tracing::warn!(%error, "memory is watched: no control group can be made");
            groups.make(child.id()).inspect_err(told).ok()
        });
        ours.set_nonblocking(true)?;
        let mut codec = LengthDelimitedCodec::new();
        codec.set_max_frame_length(MAX_FRAME);
        let socket = Framed::new(UnixStream::from_std(ours)?, codec);
        let output = pipe::Receiver::from_owned_fd(output.into())?;
        Ok(Self { child: Some(child), socket, output, is_fit: true, spawner, group })
    }

    /// Whether it can take a task: it is alive and has none.
    pub(super) fn is_fit(&mut self) -> bool {
        // Without a task it says nothing, so that whatever comes is its end.
        self.is_fit && self.socket.next().now_or_never().is_none()
    }

    /// Whether it leaves a task with this limit room enough: earlier ones may have left memory behind.
    pub(super) fn has_room(&self, limit: Option<u64>) -> bool {
        let taken = |child: &Child| resident(child.id());
        limit.is_none_or(|limit| self.child.as_ref().is_some_and(|child| taken(child) <= limit / SHARE))
    }

    /// Runs an attempt; see [`Isolates::run`](super::Isolates::run).
    pub(super) async fn run(
        &mut self,
        assignment: &Assignment,
        machine: &Machine,
        reporter: &dyn Reporter,
        cancellation: &CancellationToken,
        grace: Duration,
    ) -> otaman::Result<Value> {
        self.is_fit = false;
        let kills = self.kills();
        let limit = assignment.task.memory_limit;
        let is_kept = self.group.as_ref().is_some_and(|group| group.limit(limit).is_ok());
        let order = Order::Run(Box::new(assignment.clone()), machine.clone());
        if self.send(&order).await.is_err() {
            return Err(self.death(assignment, &kills).await);
        }
        let mut lines = Lines::default();
        let mut chunk = vec![0; CHUNK];
        let mut has_output = true;
        let mut stopping = Stopping::Not;
        let mut next_step = Instant::now() + NEVER;
        let mut looks = looks(limit.filter(|_| !is_kept));
        let mut tree = Tree::default();
        loop {
            tokio::select! {
                biased;
                report = self.socket.next() => {
                    let Some(Ok(bytes)) = report else {
                        // What it has started may have outlived it.
                        tree.signal(Signal::KILL);
                        self.drain(&mut lines, reporter);
                        return Err(self.death(assignment, &kills).await);
                    };
                    match decode(&bytes) {
                        Ok(Report::Log(line)) => reporter.log(&line),
                        Ok(Report::Progress { done, total }) => reporter.progress(done, total),
                        Ok(Report::Ask(question)) => {
                            let answer = question.answer(reporter).await;
                            // If it is gone, that is heard of above.
                            let _ = self.send(&Order::Answer(answer)).await;
                        }
                        Ok(Report::Ended(result)) => {
                            self.drain(&mut lines, reporter);
                            // One that was stopped may not have stopped all that it began.
                            self.is_fit = stopping == Stopping::Not;
                            return result.map_err(otaman::Error::from_evidence);
                        }
                        Err(error) => {
                            let failure = Failure::new(Cause::Permanent, "its process does not speak our language");
                            return Err(otaman::Error::from_failure(failure.caused_by(error.to_string())));
                        }
                    }
                }
                read = self.output.read(&mut chunk), if has_output => match read {
                    Ok(0) | Err(_) => has_output = false,
                    Ok(count) => lines.take(&chunk[..count], |line| reporter.log(line)),
                },
                () = cancellation.cancelled(), if stopping == Stopping::Not => {
                    let _ = self.send(&Order::Stop).await;
                    (stopping, next_step) = (Stopping::Told, Instant::now() + grace / 2);
                }
                () = sleep_until(next_step) => {
                    (stopping, next_step) = match stopping {
                        Stopping::Not | Stopping::Told => {
                            tree = self.tree();
                            // Commands have been told already, and have their time before they are killed.
                            if !tree.has_other_groups() {
                                tree.signal(Signal::TERM);
                            }
                            (Stopping::Terminated, Instant::now() + grace * 5 / 12)
                        }
                        Stopping::Terminated | Stopping::Killed => {
                            // Some may be orphans by now.
                            tree.signal(Signal::KILL);
                            self.kill();
                            (Stopping::Killed, Instant::now() + NEVER)
                        }
                    };
                }
                () = tick(&mut looks) => {
                    if let Some((limit, taken)) = self.excess(limit) {
                        self.kill();
                        self.drain(&mut lines, reporter);
                        let message = format!("took {} of memory, more than its limit of {}", BytesText(taken), BytesText(limit));
                        let status = self.exit().await;
                        let failure = Failure::new(Cause::OutOfMemory, message);
                        return Err(otaman::Error::from_failure(with_status(failure, status)));
                    }
                }
            }
        }
    }

    async fn send(&mut self, order: &Order) -> io::Result<()> {
        let bytes = encode(order).map_err(io::Error::other)?;
        self.socket.send(&*bytes).await
    }

    /// By which it can be told that the kernel has killed it for want of memory.
    fn kills(&self) -> OomKills {
        match &self.group {
            Some(group) => OomKills::of(Some(group.events())),
            None => OomKills::watch(),
        }
    }

    /// Logs what it has printed and nobody has read.
    fn drain(&mut self, lines: &mut Lines, reporter: &dyn Reporter) {
        let mut chunk = vec![0; CHUNK];
        // What others have kept open may be written for ever.
        for _ in 0..64 {
            match self.output.try_read(&mut chunk) {
                Ok(0) | Err(_) => break,
                Ok(count) => lines.take(&chunk[..count], |line| reporter.log(line)),
            }
        }
        lines.end(|line| reporter.log(line));
    }

    /// The limit and what is taken, if that is more.
    fn excess(&self, limit: Option<u64>) -> Option<(u64, u64)> {
        let (limit, child) = (limit?, self.child.as_ref()?);
        let taken = resident(child.id());
        (taken > limit).then_some((limit, taken))
    }

    fn tree(&self) -> Tree {
        self.child.as_ref().map_or_else(Tree::default, |child| Tree::of(child.id()))
    }

    /// Ends it and all that it has started.
    fn kill(&self) {
        if let Some(child) = &self.child {
            Tree::kill(child.id());
        }
    }

    /// Ends what is left of it.
    async fn exit(&mut self) -> Option<ExitStatus> {
        self.kill();
        let (mut child, group) = (self.child.take()?, self.group.take());
        let waited = tokio::task::spawn_blocking(move || {
            let waited = child.wait();
            drop(group);
            waited
        })
        .await;
        waited.ok()?.ok()
    }

    /// Why there is no answer from it.
    async fn death(&mut self, assignment: &Assignment, kills: &OomKills) -> otaman::Error {
        let limit = assignment.task.memory_limit.filter(|_| self.group.is_some());
        // Its group goes with it.
        let has_killed = kills.have_risen();
        let Some(status) = self.exit().await else {
            let failure = Failure::new(Cause::Lost, "the task's process has ended, nobody knows how");
            return otaman::Error::from_failure(failure);
        };
        let Some(code) = status.code() else {
            let signal = status.signal().unwrap_or_default();
            let mut failure =
                Failure::new(Cause::Lost, format!("the task's process was ended by signal {signal}"));
            if signal == Signal::KILL.as_raw() && has_killed {
                failure.cause = Cause::OutOfMemory;
                failure = failure.caused_by(match limit {
                    Some(limit) => groups::excess(limit),
                    None => KILLED.to_owned(),
                });
            }
            return otaman::Error::from_failure(with_status(failure, Some(status)));
        };
        let message = format!("the task's process exited with code {code} before the task had ended");
        let failure = with_status(Failure::new(Cause::Transient, message), Some(status));
        let codes = assignment.task.retry.as_ref().map(|retry| retry.transient_exit_codes.clone());
        if codes.unwrap_or_default().contains(code) {
            otaman::Error::from_failure(failure)
        } else {
            otaman::Error::of_process(failure)
        }
    }
}

impl Drop for Isolate {
    fn drop(&mut self) {
        self.kill();
        if let Some(child) = self.child.take() {
            self.spawner.bury(child, self.group.take());
        }
    }
}

fn with_status(mut failure: Failure, status: Option<ExitStatus>) -> Failure {
    failure.exit_code = status.and_then(|status| status.code());
    failure.signal = status.and_then(|status| status.signal());
    failure
}

/// When to look how much memory is taken.
fn looks(limit: Option<u64>) -> Option<Interval> {
    limit.map(|_| {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks
    })
}

async fn tick(looks: &mut Option<Interval>) {
    match looks {
        Some(looks) => looks.tick().map(drop).await,
        None => std::future::pending().await,
    }
}
