//! The operation: its arguments, its value, and what its exit means.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use protocol::{Cause, Failure};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;

use crate::context::Context;
use crate::descriptor::Descriptor;
use crate::entry::{OperationEntry, Registration};
use crate::error::Error;
use crate::operation::Operation;
use crate::signals;
use crate::stock::command::capture::Capture;
use crate::stock::command::group::{Ended, Group};
use crate::stock::command::marks::Mark;
use crate::stock::command::memory::OomKills;
use crate::stock::command::spawn::spawn;

/// `EX_TEMPFAIL` of `sysexits.h`: always worth another attempt.
const TEMPORARY_FAILURE: i32 = 75;

/// SIGKILL.
const KILL: i32 = 9;

/// Runs a program. Exit code 0 is success, 75 is a failure that trying again may mend, and so are
/// the codes that the task's retry settings name. Of any other end the worker's rules say what it
/// means, by exit code, signal and the last line that was written; what they do not know is a failure
/// for good. When the attempt is stopped, the program and all it has started get SIGTERM, and SIGKILL
/// 5 seconds later.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program, by name or path, and its arguments. No shell is involved.
    #[serde(deserialize_with = "not_empty")]
    #[schemars(length(min = 1))]
    pub argv: Vec<String>,
    /// Environment variables besides those of the worker. `OTAMAN_EXECUTION`, `OTAMAN_TASK` and
    /// `OTAMAN_ATTEMPT` are set too.
    #[serde(default, deserialize_with = "variables", skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// The working directory; the worker's own if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// What it reads on its standard input; nothing if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
}

/// What a program that succeeded has written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// 0.
    pub exit_code: i32,
    /// Its standard output, or the first 64 KiB of it.
    pub stdout: String,
    /// Its standard error, or the first 64 KiB of it.
    pub stderr: String,
    /// All of the standard output, if it is longer than 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout_file: Option<KeptFile>,
    /// All of the standard error, if it is longer than 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr_file: Option<KeptFile>,
}

/// A file that was put aside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Where it can be read.
    pub url: String,
    /// Its length.
    pub bytes: u64,
}

impl Operation for Command {
    type Output = Finished;

    fn descriptor() -> Descriptor {
        Descriptor::new("command", "1.0.0")
            .description("Runs a program and returns its exit code and output.")
            .tags(&["stock"])
    }

    async fn run(self, context: Context) -> Result<Finished, Error> {
        self.run_watching(context, OomKills::watch()).await
    }
}

impl Command {
    pub(super) async fn run_watching(self, context: Context, kills: OomKills) -> Result<Finished, Error> {
        let mark = Mark::new();
        let mut group = Group::of(spawn(&self, &context, &mark)?, mark);
        let child = group.child();
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            return Err(Error::permanent("the command's output was not captured"));
        };
        let (mut output, mut errors) = (Capture::default(), Capture::default());
        let reading = async {
            let feeding = feed(stdin, self.stdin.as_deref().unwrap_or_default());
            tokio::try_join!(output.read(stdout, &context), errors.read(stderr, &context), feeding)?;
            Ok(())
        };
        let ended = group.ended(reading, &context).await.map_err(|error| {
            // Pipes, and files in the worker's own temporary directory.
            Error::shortage(error).context(format!("capturing the output of command {:?}", self.argv[0]))
        })?;
        if ended.is_stopped || !ended.status.success() {
            let tail = if errors.is_blank() { output.tail() } else { errors.tail() };
            return Err(self.failure(&ended, &context, &kills, &tail));
        }
        Ok(Finished {
            exit_code: 0,
            stdout: output.text(),
            stderr: errors.text(),
            stdout_file: output.keep(&context).await?,
            stderr_file: errors.keep(&context).await?,
        })
    }

    fn failure(&self, ended: &Ended, context: &Context, kills: &OomKills, tail: &str) -> Error {
        let status = ended.status;
        let stopped = if ended.is_stopped { "was told to stop and " } else { "" };
        let message = format!("command {:?} {stopped}{}", self.argv[0], describe(status));
        let mut failure = Failure::new(Cause::Transient, message).with_tail(tail);
        failure.exit_code = status.code();
        failure.signal = status.signal();
        if ended.is_stopped {
            return Error::from_failure(failure);
        }
        if is_killed(status) && kills.have_risen() {
            let message = "meanwhile the kernel has killed for want of memory in the worker's control group";
            failure.cause = Cause::OutOfMemory;
            return Error::from_failure(failure.caused_by(message));
        }
        let is_temporary = |code| code == TEMPORARY_FAILURE || context.transient_exit_codes().contains(code);
        if status.code().is_some_and(is_temporary) {
            return Error::from_failure(failure);
        }
        Error::of_command(failure)
    }
}

/// Whether it, or what it had started, was ended by SIGKILL; a shell says so by its exit code.
fn is_killed(status: ExitStatus) -> bool {
    status.signal() == Some(KILL) || status.code() == Some(128 + KILL)
}

fn describe(status: ExitStatus) -> String {
    let Some(signal) = status.signal() else {
        return format!("exited with code {}", status.code().unwrap_or_default());
    };
    let name = signals::name(signal).map_or_else(String::new, |name| format!(" ({name})"));
    format!("was ended by signal {signal}{name}")
}

/// Writes its standard input. A program need not read it.
async fn feed(stdin: Option<ChildStdin>, text: &str) -> std::io::Result<()> {
    let Some(mut stdin) = stdin else { return Ok(()) };
    match stdin.write_all(text.as_bytes()).await {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let argv = Vec::<String>::deserialize(deserializer)?;
    if argv.first().is_none_or(String::is_empty) {
        return Err(serde::de::Error::custom("argv must name a program as its first item"));
    }
    Ok(argv)
}

fn variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let variables = BTreeMap::<String, String>::deserialize(deserializer)?;
    match variables.keys().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
        Some(name) => {
            Err(serde::de::Error::custom(format!("{name:?} cannot be the name of an environment variable")))
        }
        None => Ok(variables),
    }
}

inventory::submit! { Registration::Operation(OperationEntry::of::<Command>) }
