//! Errors in one line.

use std::error::Error;

/// An error with all that caused it. What a cause only repeats is said once: some errors of others have
/// their sources' words in their own.
pub fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
