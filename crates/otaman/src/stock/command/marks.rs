//! Which commands of this process run, and the guard that ends them should this process die before them.
//!
//! The kernel ends one process together with its parent, but no group, and nobody who left it. So another
//! process, the guard, holds the end of a pipe; when the pipe closes it ends what has not been told to have
//! ended: process groups, and whatever else has the mark of a command in its environment.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, PipeWriter, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process_group};

/// The variable that marks all processes of a command.
pub(super) const VARIABLE: &str = "OTAMAN_COMMAND";

/// How a guard is started: this program, with arguments that make it one.
static PROGRAM: OnceLock<(PathBuf, Vec<String>)> = OnceLock::new();

/// A std mutex: held to write some bytes to a pipe that does not block, and once to start a process.
static MARKS: Mutex<Marks> = Mutex::new(Marks { last: 0, running: BTreeMap::new(), guard: Guard::None });

#[derive(Debug)]
struct Marks {
    last: u64,
    /// The leaders of their groups, as far as they have begun.
    running: BTreeMap<u64, Option<Pid>>,
    guard: Guard,
}

#[derive(Debug)]
enum Guard {
    None,
    At(PipeWriter, Child),
    /// It cannot be had.
    Failed,
}

/// The mark of a command that runs, or is about to; dropped when there is nothing left to end.
#[derive(Debug)]
pub(super) struct Mark(u64);

/// Has commands guarded by this program, started with these arguments, which make it call
/// [`guard_commands`](super::guard_commands).
pub fn guard_commands_with(program: PathBuf, arguments: Vec<String>) {
    PROGRAM.get_or_init(|| (program, arguments));
}

/// Kills whatever commands have started that run now: for a process that ends without ending its
/// operations.
pub fn kill_all() {
    let leaders: Vec<Pid> = marks().running.values().copied().flatten().collect();
    for leader in leaders {
        // An error means that nobody is left.
        let _ = kill_process_group(leader, Signal::KILL);
    }
}

impl Mark {
    /// Marks a command before it begins.
    pub(super) fn new() -> Self {
        let mut marks = marks();
        marks.last += 1;
        let number = marks.last;
        marks.running.insert(number, None);
        marks.tell(&Line { number, leader: None, has_ended: false });
        Self(number)
    }

    /// It has begun; this process leads its group.
    pub(super) fn leads(&self, leader: Pid) {
        let mut marks = marks();
        marks.running.insert(self.0, Some(leader));
        marks.tell(&Line { number: self.0, leader: Some(leader), has_ended: false });
    }
}

/// As it stands in the environment.
impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&value(self.0))
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mut marks = marks();
        marks.running.remove(&self.0);
        marks.tell(&Line { number: self.0, leader: None, has_ended: true });
    }
}

impl Marks {
    fn tell(&mut self, line: &Line) {
        let told = match &mut self.guard {
            Guard::At(pipe, _) => pipe.write_all(line.to_string().as_bytes()),
            // There is nothing to guard.
            Guard::None if line.has_ended => Ok(()),
            Guard::None => Err(io::ErrorKind::NotConnected.into()),
            Guard::Failed => Ok(()),
        };
        if told.is_err() {
            // None yet, or it is gone or deaf: a new one hears all.
            self.start();
        }
    }

    fn start(&mut self) {
        if let Guard::At(_, mut deaf) = std::mem::replace(&mut self.guard, Guard::Failed) {
            let _ = deaf.kill();
            let _ = deaf.wait();
        }
        let Some((program, arguments)) = PROGRAM.get() else { return };
        let started = start(program, arguments).and_then(|(mut pipe, child)| {
            for (number, leader) in &self.running {
                let line = Line { number: *number, leader: *leader, has_ended: false };
                pipe.write_all(line.to_string().as_bytes())?;
            }
            Ok((pipe, child))
        });
        match started {
            Ok((pipe, child)) => self.guard = Guard::At(pipe, child),
            Err(error) => {
                tracing::warn!(%error, "nobody would end running commands if this process were killed: no guard can be started");
            }
        }
    }
}

fn start(program: &PathBuf, arguments: &[String]) -> io::Result<(PipeWriter, Child)> {
    let (input, pipe) = io::pipe()?;
    // One that does not read must not hold up anybody.
    rustix::io::ioctl_fionbio(&pipe, true)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(input).stdout(Stdio::null()).stderr(Stdio::null());
    // Signals to our group are not for it, and a guard of ours must outlive us.
    command.process_group(0).env_remove(VARIABLE).current_dir("/");
    Ok((pipe, command.spawn()?))
}

fn marks() -> MutexGuard<'static, Marks> {
    MARKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a guard is told of a command.
struct Line {
    number: u64,
    leader: Option<Pid>,
    has_ended: bool,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.has_ended { "ended" } else { "runs" };
        write!(f, "{word} {}", value(self.number))?;
        if let Some(leader) = self.leader {
            write!(f, " {}", leader.as_raw_nonzero())?;
        }
        writeln!(f)
    }
}

/// Unlike that of any other process of the machine, also of one that has had our number before.
fn value(number: u64) -> String {
    static STARTED: OnceLock<u128> = OnceLock::new();
    let since = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    format!("{}-{}-{number}", std::process::id(), STARTED.get_or_init(since))
}
