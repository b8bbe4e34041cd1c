//! The commands, one file each, and how they end.

mod again;
mod announced;
mod backend;
pub(crate) mod bundle;
pub(crate) mod cancel;
mod catalog;
pub(crate) mod dead;
pub(crate) mod execute;
pub(crate) mod executions;
pub(crate) mod explain;
pub(crate) mod fetch;
pub(crate) mod input;
pub(crate) mod operations;
pub(crate) mod pause;
pub(crate) mod plan;
pub(crate) mod queues;
pub(crate) mod retry;
pub(crate) mod schema;
mod standing;
pub(crate) mod validate;
pub(crate) mod workers;

use std::io::{self, Write};
use std::process::ExitCode;

pub(crate) use crate::terminal::say;

/// Exit code for a wrong command line or spec.
const USAGE: u8 = 2;
/// Exit code when store, broker or disk failed.
const INFRASTRUCTURE: u8 = 3;
/// Exit code when some task or flow failed for good.
pub(crate) const FAILED: u8 = 1;
/// Exit code when a user stopped the execution: 128 and the number of SIGINT.
pub(crate) const CANCELLED: u8 = 130;

/// Why a command stopped without doing what it was asked.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The user can mend it: what to say.
    Usage(String),
    /// Something that the command needs failed.
    Infrastructure(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Infrastructure(error.into())
    }
}

impl Stop {
    /// Says on standard error what happened, and gives the exit code for it.
    pub(crate) fn report(self) -> ExitCode {
        let (text, code) = match self {
            Self::Usage(text) => (text, USAGE),
            Self::Infrastructure(error) => (format!("error: {}", backends::in_full(&*error)), INFRASTRUCTURE),
        };
        say(&text);
        ExitCode::from(code)
    }
}

/// Writes a result to standard output. A reader that has seen enough is no failure.
pub(crate) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Stop> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::from(error).context("writing to standard output").into())
        }
        _ => Ok(()),
    }
}

/// Prints a value as indented JSON.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<(), Stop> {
    print(|out| {
        serde_json::to_writer_pretty(&mut *out, value)?;
        out.write_all(b"\n")
    })
}
