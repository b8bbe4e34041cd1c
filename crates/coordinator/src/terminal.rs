//! Standard error, shared by messages, logs and progress bars.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::MultiProgress;

/// The bars that are on the terminal now. A std mutex: it is held while a line is written.
static BARS: Mutex<Option<MultiProgress>> = Mutex::new(None);

/// Says which bars are on the terminal, so that lines are written above them.
pub(crate) fn set_bars(bars: Option<MultiProgress>) {
    *BARS.lock().unwrap_or_else(PoisonError::into_inner) = bars;
}

/// Writes a line for people to standard error; if nobody reads it, nothing is lost. What tasks have
/// printed may be in it: it must not steer the terminal.
pub(crate) fn say(text: &str) {
    let text = harmless(text);
    above_bars(|| {
        let _ = writeln!(io::stderr(), "{text}");
    });
}

/// The text with control characters written out, but for ends of lines and tabs.
fn harmless(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|c| if steers(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
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
    /// A log that nobody takes must not end or hang whoever writes it: tracing panics at errors.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        above_bars(|| {
            let _ = io::stderr().write_all(line);
        });
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tasks_print_does_not_steer_the_terminal() {
        assert_eq!(harmless("a\tb\nžluť"), "a\tb\nžluť");
        assert_eq!(harmless("\u{1b}]0;title\u{7}"), "\\u{1b}]0;title\\u{7}");
    }
}
