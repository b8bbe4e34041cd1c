//! Starting a program, and saying what to do when it does not start.

use std::io;
use std::path::Path;
use std::process::Stdio;

use protocol::{Cause, Failure};
use rustix::io::Errno;
use tokio::process::Child;

use crate::context::Context;
use crate::error::Error;
use crate::stock::command::marks::{Mark, VARIABLE};
use crate::stock::command::operation::Command;

/// Starts the program as the leader of a process group of its own.
pub(super) fn spawn(command: &Command, context: &Context, mark: &Mark) -> Result<Child, Error> {
    let [program, arguments @ ..] = &command.argv[..] else {
        return Err(Error::permanent("argv is empty; its first item is the program to run"));
    };
    let mut process = tokio::process::Command::new(program);
    process
        .args(arguments)
        .envs(&command.env)
        .env("OTAMAN_EXECUTION", context.execution().as_str())
        .env("OTAMAN_TASK", context.task().to_string())
        .env("OTAMAN_ATTEMPT", context.attempt().to_string())
        .env(VARIABLE, mark.to_string())
        .stdin(if command.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    if let Some(cwd) = &command.cwd {
        process.current_dir(cwd);
    }
    process.spawn().map_err(|error| explain(command, program, &error))
}

/// What went wrong, and the cure. The system gives the same error for a missing directory, program
/// and interpreter.
fn explain(command: &Command, program: &str, error: &io::Error) -> Error {
    let failed = |problem: &dyn std::fmt::Display| format!("cannot start command {program:?}: {problem}");
    // It is permanent here, and may not be so on another machine.
    let unsaid =
        |problem: &dyn std::fmt::Display| Error::of_command(Failure::new(Cause::Permanent, failed(problem)));
    match Errno::from_io_error(error) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => match missing(command, program) {
            Some(problem) => unsaid(&problem),
            None => unsaid(error),
        },
        Some(Errno::NOEXEC) => {
            unsaid(&"it is neither a program for this machine nor a script that begins with #!")
        }
        Some(Errno::TOOBIG) => Error::permanent(failed(
            &"its arguments and environment are too long; pass them by stdin or in a file",
        )),
        // No process, memory, or file descriptor is left.
        Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE) => Error::shortage(failed(error)),
        // A mounted file system whose server is gone, with the program or its cwd on it.
        Some(Errno::STALE | Errno::NOTCONN | Errno::HOSTDOWN | Errno::IO | Errno::NODEV) => {
            Error::shortage(failed(error))
        }
        Some(Errno::TXTBSY) => Error::transient(failed(error)),
        _ => Error::permanent(failed(error)),
    }
}

fn missing(command: &Command, program: &str) -> Option<String> {
    if let Some(cwd) = &command.cwd {
        match std::fs::metadata(cwd) {
            Err(error) => {
                return Some(format!(
                    "cannot enter its cwd {cwd:?} on this worker: {error}; create it or change cwd"
                ));
            }
            Ok(found) if !found.is_dir() => {
                return Some(format!("its cwd {cwd:?} is not a directory; change cwd"));
            }
            Ok(_) => {}
        }
    }
    if !program.contains('/') {
        return Some(
            "no executable program of this name is on the PATH of this worker; install it there or give its full path"
                .to_owned(),
        );
    }
    let place = command.cwd.as_deref().map_or_else(|| program.into(), |cwd| Path::new(cwd).join(program));
    Some(match std::fs::metadata(&place) {
        Err(error) => format!("{error}; on this worker the program must exist under this path"),
        Ok(found) if found.is_dir() => "it is a directory; give the program's path".to_owned(),
        Ok(_) if !is_executable(&place) => "the file is not executable; make it so with chmod +x".to_owned(),
        Ok(_) => {
            "the interpreter that its first line names, or its loader, is missing on this worker".to_owned()
        }
    })
}

fn is_executable(place: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(place).is_ok_and(|found| found.permissions().mode() & 0o111 != 0)
}
