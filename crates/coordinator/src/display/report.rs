//! The end of an execution, as one JSON document and in a few lines for people.

use std::fmt::Write as _;
use std::time::Duration;

use protocol::{Counts, ExecutionId, Status, Value};
use serde::Serialize;

use super::evidence::Evidence;
use super::time::{counted, length};

/// What `execute --json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    pub(crate) execution_id: &'a ExecutionId,
    pub(crate) status: Status,
    pub(crate) elapsed_s: f64,
    pub(crate) tasks: Counts,
    pub(crate) result: Option<&'a Value>,
    pub(crate) failures: Vec<Evidence>,
}

/// Failures that are shown to people right away.
const SHOWN: usize = 5;

/// A few lines for people.
pub(crate) fn summary(document: &Document<'_>, resume_command: &str) -> String {
    let Counts { expanded, succeeded, failed, cancelled, skipped, retried, reused } = document.tasks;
    let elapsed = Duration::from_secs_f64(document.elapsed_s);
    let mut text =
        format!("execution {} {} in {}", document.execution_id, document.status.as_str(), length(elapsed));
    let _ = write!(text, ": {succeeded} of {} succeeded", counted(expanded, "task"));
    for (count, word) in [
        (failed, "failed"),
        (cancelled, "cancelled"),
        (skipped, "skipped"),
        (retried, "retried"),
        (reused, "reused from an earlier run"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {word}");
        }
    }
    for evidence in document.failures.iter().take(SHOWN) {
        let _ = write!(text, "\n  {}", evidence.to_text().replace('\n', "\n  "));
    }
    if document.failures.len() > SHOWN {
        let _ = write!(text, "\n  and {} more failures", document.failures.len() - SHOWN);
    }
    if document.status == Status::Failed {
        let show = resume_command.replacen("execute --resume", "executions show", 1);
        let _ = write!(text, "\nall failures: {show}");
    }
    if document.status != Status::Succeeded {
        let _ = write!(text, "\ngo on with:   {resume_command}");
    }
    text
}
