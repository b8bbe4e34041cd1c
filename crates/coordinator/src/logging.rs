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
    let wanted = std::env::var("OTAMAN_LOG").ok().filter(|filter| EnvFilter::try_new(filter).is_ok());
    let filter = with_payloads_hidden(wanted.as_deref().unwrap_or(default));
    // A second start in one process, as in tests, keeps the first.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| LogWriter)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
        .with_target(false)
        .try_init();
}

/// The broker's client logs whole messages, which whatever the user asks for do not belong into logs.
fn with_payloads_hidden(filter: &str) -> EnvFilter {
    let filter = EnvFilter::new(filter);
    backends::rabbitmq::LOG_FILTER
        .split(',')
        .filter_map(|directive| directive.parse().ok())
        .fold(filter, EnvFilter::add_directive)
}
