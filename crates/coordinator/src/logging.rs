//! Logs: structured, on standard error, quiet unless asked.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::terminal::LogWriter;

/// Starts logging for this process. `OTAMAN_LOG` overrides what the flags say.
pub(crate) fn start(verbose: u8, quiet: bool) {
    let default = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, 2) => "debug",
        (false, _) => "trace",
    };
    let filter = EnvFilter::try_from_env("OTAMAN_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    // A second start in one process, as in tests, keeps the first.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| LogWriter)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .try_init();
}
