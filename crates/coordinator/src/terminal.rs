//! Standard error, shared by messages, logs and progress bars.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::MultiProgress;

/// The bars that are on the terminal now. A std mutex: it is held while a line is written.
static BARS: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Says which bars are on the terminal, so that lines are written above them.
pub(crate) fn set_bars(bars: Option<MultiProgress>) {
    *BARS.lock().unwrap_or_else(PoisonError::into_inner) = bars;
}

/// Writes a line for people to standard error; if nobody reads it, nothing is lost.
pub(crate) fn say(text: &str) {
    above_bars(|| {
        let _ = writeln!(io::stderr(), "{text}");
    });
}

fn above_bars<T>(write: impl FnOnce() -> T) -> T {
    match &*BARS.lock().unwrap_or_else(PoisonError::into_inner) {
        Some(bars) => bars.suspend(write),
        None => write(),
    }
}

/// Standard error for logs, above the bars.
pub(crate) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        above_bars(|| io::stderr().write(line))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
