//! Failures with their evidence, as JSON and for people.

use std::fmt::Write as _;
use std::time::Duration;

use backends::store::Entry;
use protocol::{Attempt, Failure};
use serde::Serialize;

use super::time::{counted, length, moment};

/// A dead task or a failed flow, as it is shown.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Evidence {
    /// Task or flow id.
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    /// What failed: the operation's name, or the flow's name and id.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'static str>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backtrace: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    tail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attempts: Vec<Try>,
}

/// One failed attempt.
#[derive(Debug, Clone, Serialize)]
struct Try {
    number: u32,
    cause: &'static str,
    message: String,
    node: String,
    session: String,
    started_at: String,
    duration_s: f64,
}

/// Lines of a task's last output that are shown to people.
const TAIL_LINES: usize = 10;
/// Characters of a task's arguments that are shown to people.
const ARGUMENTS_WIDTH: usize = 300;

impl Evidence {
    /// Of a dead task; `None` if it did not fail.
    pub(crate) fn of_task(entry: &Entry) -> Option<Self> {
        let failure = entry.outcome.failure()?;
        let attempts = entry.outcome.failed_attempts.iter().map(Try::of).collect();
        Some(Self {
            task: Some(entry.task.id.to_string()),
            operation: Some(entry.task.operation.to_string()),
            arguments: entry.task.arguments.to_json().ok(),
            attempts,
            ..Self::of_failure(failure)
        })
    }

    /// Of a flow, described in words.
    pub(crate) fn of_flow(description: &str) -> Self {
        let (flow, message) = description.split_once(": ").unwrap_or(("flow", description));
        Self {
            task: None,
            operation: None,
            flow: Some(flow.to_owned()),
            arguments: None,
            cause: None,
            message: message.to_owned(),
            exit_code: None,
            signal: None,
            backtrace: None,
            tail: String::new(),
            attempts: Vec::new(),
        }
    }

    fn of_failure(failure: &Failure) -> Self {
        Self {
            task: None,
            operation: None,
            flow: None,
            arguments: None,
            cause: Some(failure.cause.as_str()),
            message: failure.summary(),
            exit_code: failure.exit_code,
            signal: failure.signal,
            backtrace: failure.backtrace.clone(),
            tail: failure.tail.clone(),
            attempts: Vec::new(),
        }
    }

    /// What failed and why, on one line unless the message has more.
    pub(crate) fn headline(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = match (&self.operation, &self.task, &self.flow) {
            (Some(operation), Some(task), _) => write!(text, "{operation} ({task})"),
            (_, _, Some(flow)) => write!(text, "flow {flow}"),
            _ => write!(text, "task"),
        };
        let _ = write!(text, ": {}", self.message);
        if let Some(cause) = self.cause {
            let tries = self.attempts.len().max(1);
            let _ = write!(text, " [{cause}, {}]", counted(tries as u64, "attempt"));
        }
        text
    }

    /// For people: a headline and the evidence below it.
    pub(crate) fn to_text(&self) -> String {
        let mut text = self.headline();
        if let Some(arguments) = &self.arguments {
            let _ = write!(text, "\n    arguments: {}", shorten(&arguments.to_string()));
        }
        if let Some(place) = &self.backtrace {
            let _ = write!(text, "\n    at: {place}");
        }
        let lines: Vec<&str> = self.tail.lines().collect();
        for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
            let _ = write!(text, "\n    | {line}");
        }
        for Try { number, cause, message, node, session, started_at, duration_s } in &self.attempts {
            let duration = length(Duration::from_secs_f64(*duration_s));
            let _ = write!(
                text,
                "\n    attempt {number} on {node}, session {session}, at {started_at}, {duration}"
            );
            // What a single one said has been told already.
            if self.attempts.len() > 1 {
                let _ = write!(text, ": {cause}: {message}");
            }
        }
        text
    }
}

impl Try {
    fn of(attempt: &Attempt) -> Self {
        Self {
            number: attempt.number,
            cause: attempt.failure.cause.as_str(),
            message: attempt.failure.summary(),
            node: attempt.node.clone(),
            session: attempt.session.to_string(),
            started_at: moment(attempt.started_at_us),
            duration_s: attempt.duration.as_secs_f64(),
        }
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(ARGUMENTS_WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
