//! What the worker says on standard error: logs, and a line at its start and end.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use backends::rabbitmq::LOG_FILTER;
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::cli::LogArgs;
use crate::failed::Failed;

/// Says lines for people, unless they want none, or logs alone.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Voice {
    /// Lines on standard error.
    Lines,
    /// The same as events of the log.
    Events,
    /// None.
    Silent,
}

impl Voice {
    pub(crate) fn say(self, line: impl Display) {
        match self {
            Self::Lines => drop(writeln!(io::stderr(), "{line}")),
            Self::Events => tracing::info!("{line}"),
            Self::Silent => {}
        }
    }
}

/// Standard error for logs.
struct LogWriter;

impl io::Write for LogWriter {
    /// A log that nobody takes must not end whoever writes it: tracing panics at errors.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().write_all(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}

/// Starts logging for this process. `OTAMAN_LOG` overrides what the flags say.
///
/// # Errors
/// If that variable holds no filter.
pub(crate) fn start(args: LogArgs) -> Result<Voice, Failed> {
    let filter = match std::env::var("OTAMAN_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::try_new(filter).map_err(Failed::LogFilter)?,
        _ => EnvFilter::new(default_filter(args.verbose, args.quiet)),
    };
    let layer = if args.json_logs {
        fmt::layer().json().flatten_event(true).with_writer(|| LogWriter).boxed()
    } else {
        let has_colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        fmt::layer().with_target(false).with_ansi(has_colours).with_writer(|| LogWriter).boxed()
    };
    // A second start in one process, as in tests, keeps the first.
    let _ = tracing_subscriber::registry().with(kept_quiet()).with(filter).with(layer).try_init();
    Ok(match args {
        LogArgs { quiet: true, .. } => Voice::Silent,
        LogArgs { json_logs: true, .. } => Voice::Events,
        LogArgs { .. } => Voice::Lines,
    })
}

/// Starts logging for the process of an isolated task: the worker logs again what it says.
pub(crate) fn start_relayed() {
    let filter = std::env::var("OTAMAN_LOG").ok().and_then(|filter| EnvFilter::try_new(filter).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    let layer = fmt::layer().with_target(false).without_time().with_ansi(false).with_writer(|| LogWriter);
    let _ = tracing_subscriber::registry().with(kept_quiet()).with(filter).with(layer).try_init();
}

fn default_filter(verbose: u8, quiet: bool) -> &'static str {
    match (quiet, verbose) {
        // The second part keeps the fields that say which task a warning is about.
        (true, _) => "warn,worker::execute=info",
        (false, 0) => "info",
        (false, 1) => "debug",
        (false, _) => "trace",
    }
}

/// What is never said, whatever `OTAMAN_LOG` says: there are whole messages in it, and credentials.
fn kept_quiet() -> Targets {
    let targets: Targets = LOG_FILTER.parse().expect("the filter of a crate of ours is well-formed");
    targets.with_default(LevelFilter::TRACE)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn the_brokers_client_is_never_heard() {
        let targets = kept_quiet();
        assert!(!targets.would_enable("lapin::returned_messages", &Level::ERROR));
        assert!(targets.would_enable("backends::rabbitmq", &Level::TRACE));
    }

    #[test]
    fn default_filters_are_filters() {
        for (verbose, quiet) in [(0, true), (0, false), (1, false), (2, false), (9, false)] {
            assert!(EnvFilter::try_new(default_filter(verbose, quiet)).is_ok());
        }
    }
}
