//! Failures: why an attempt ended without a value, and the evidence for it.

use serde::{Deserialize, Serialize};

/// Most characters of a message or of a tail of output that travel with a failure.
const MAX_TEXT: usize = 16 * 1024;

/// Why an attempt failed. Each cause has its own budget in a [`crate::RetryPolicy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Something outside the task did not answer; trying again may help.
    Transient,
    /// The attempt took longer than its runtime limit.
    Timeout,
    /// The worker died or lost its lease.
    Lost,
    /// The attempt needed more memory than there was.
    OutOfMemory,
    /// Trying again cannot help.
    Permanent,
    /// The worker was asked to leave; costs nothing.
    Preempted,
}

impl Cause {
    /// The word for it in messages and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Timeout => "timeout",
            Self::Lost => "lost",
            Self::OutOfMemory => "out_of_memory",
            Self::Permanent => "permanent",
            Self::Preempted => "preempted",
        }
    }
}

/// The evidence of a failed attempt, in plain data: any language can read it, and no foreign type
/// has to be rebuilt to look at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Why.
    pub cause: Cause,
    /// The error and what it was caused by, outermost first.
    pub messages: Vec<String>,
    /// Exit code of a process that was the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Signal that ended that process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Where the code failed, when it is known: `file:line` of a panic or a backtrace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backtrace: Option<String>,
    /// Whether the worker's machine lacked something that tasks need, such as room for temporary
    /// files: then the task is not to blame.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_shortage: bool,
    /// Whether the machine may be to blame rather than the task: it is not charged before another
    /// machine has tried it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_doubted: bool,
    /// The last lines of output and log.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tail: String,
}

impl Failure {
    /// A failure with this message and no more evidence. Long texts are cut in the middle.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        let messages = vec![shorten(message.into())];
        Self {
            cause,
            messages,
            exit_code: None,
            signal: None,
            backtrace: None,
            is_shortage: false,
            is_doubted: false,
            tail: String::new(),
        }
    }

    /// Adds what the last message was caused by.
    #[must_use]
    pub fn caused_by(mut self, message: impl Into<String>) -> Self {
        self.messages.push(shorten(message.into()));
        self
    }

    /// Adds the last output; only its end is kept.
    #[must_use]
    pub fn with_tail(mut self, tail: &str) -> Self {
        let mut start = tail.len().saturating_sub(MAX_TEXT);
        while !tail.is_char_boundary(start) {
            start += 1;
        }
        self.tail = tail[start..].to_owned();
        self
    }

    /// All messages in one line.
    pub fn summary(&self) -> String {
        self.messages.join(": ")
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn shorten(text: String) -> String {
    if text.len() <= MAX_TEXT {
        return text;
    }
    let cut = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (head, tail) = (cut(MAX_TEXT / 2), cut(text.len() - MAX_TEXT / 2));
    format!("{} … {} bytes left out … {}", &text[..head], tail - head, &text[tail..])
}
