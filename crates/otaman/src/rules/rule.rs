//! One rule: what a failure must look like, and which cause it then has.

use std::borrow::Cow;
use std::fmt;

use protocol::{Cause, Failure};
use serde::{Deserialize, Serialize};

use crate::rules::error_types;
use crate::signals;

/// The type of a failure that a `command` ended with.
pub(crate) const COMMAND: &str = "command";

/// The type of a failure that a panic is.
pub(crate) const PANIC: &str = "panic";

/// The type of a failure that is the exit of a process of its own in which a task ran.
pub(crate) const PROCESS: &str = "process";

/// What a failure must look like, and which cause it then has. All that a rule names must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Rule {
    /// Part of a message of the failure, or of the last line that a command wrote; upper and lower
    /// case are different.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Cow<'static, str>>,
    /// A type of the error or of what it was caused by.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    error_type: Option<Cow<'static, str>>,
    /// The exit code of a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
    /// The signal that ended a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
    /// What follows.
    cause: Cause,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<Cow<'static, str>>,
}

impl Rule {
    /// A rule that matches everything; conditions narrow it.
    pub(crate) fn always(cause: Cause) -> Self {
        Self { text: None, error_type: None, exit_code: None, signal: None, cause, note: None }
    }

    pub(crate) fn text(mut self, text: &'static str) -> Self {
        self.text = Some(Cow::Borrowed(text));
        self
    }

    pub(crate) fn error_type(mut self, error_type: &'static str) -> Self {
        self.error_type = Some(Cow::Borrowed(error_type));
        self
    }

    pub(crate) fn exit_code(mut self, code: i32) -> Self {
        self.exit_code = Some(code);
        self
    }

    pub(crate) fn signal(mut self, signal: i32) -> Self {
        self.signal = Some(signal);
        self
    }

    pub(crate) fn note(mut self, note: &'static str) -> Self {
        self.note = Some(Cow::Borrowed(note));
        self
    }

    /// Which cause a failure has that it matches.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// Why, for people.
    pub fn reason(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Whether it is about this failure; `types` are those of the error.
    pub(crate) fn matches(&self, failure: &Failure, types: &[String]) -> bool {
        let says = |text: &str| {
            let is_command = types.iter().any(|known| known == COMMAND);
            let last = failure.tail.lines().rev().find(|line| !line.trim().is_empty());
            failure.messages.iter().any(|message| message.contains(text))
                || is_command && last.is_some_and(|line| line.contains(text))
        };
        self.text.as_deref().is_none_or(says)
            && self.error_type.as_deref().is_none_or(|wanted| types.iter().any(|known| known == wanted))
            && self.exit_code.is_none_or(|code| failure.exit_code == Some(code))
            && self.signal.is_none_or(|signal| failure.signal == Some(signal))
    }
}

impl fmt::Display for Rule {
    /// Its conditions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut and = "";
        if let Some(error_type) = &self.error_type {
            write!(f, "type {error_type}")?;
            and = " and ";
        }
        if let Some(code) = self.exit_code {
            write!(f, "{and}exit code {code}")?;
            and = " and ";
        }
        if let Some(signal) = self.signal {
            write!(f, "{and}signal {signal}")?;
            if let Some(name) = signals::name(signal) {
                write!(f, " ({name})")?;
            }
            and = " and ";
        }
        if let Some(text) = &self.text {
            write!(f, "{and}text {text:?}")?;
        }
        Ok(())
    }
}

/// A rule as people write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    text: Option<String>,
    #[serde(rename = "type")]
    error_type: Option<String>,
    exit_code: Option<i32>,
    signal: Option<WrittenSignal>,
    cause: WrittenCause,
    note: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a signal is a number or a name such as \"SIGKILL\"")]
enum WrittenSignal {
    Number(i32),
    Name(String),
}

/// The causes that an attempt may have by itself.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum WrittenCause {
    Transient,
    Permanent,
    OutOfMemory,
    Timeout,
}

/// Why a rule can never be of use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Useless {
    #[error("the rule has no condition; give it at least one of text, type, exit_code, signal")]
    Unconditional,
    #[error("text is empty, which every failure contains; leave it out or write a part of the message")]
    EmptyText,
    #[error("exit_code {0} is none that a failed command can have; they go from 1 to 255")]
    ExitCode(i32),
    #[error("{0:?} is no signal that is known by name; write a name such as \"SIGKILL\", or its number")]
    SignalName(String),
    #[error("{0} is not the number of a signal; they go from 1 to 64")]
    Signal(i32),
    #[error(transparent)]
    ErrorType(#[from] error_types::Unknown),
}

impl TryFrom<Written> for Rule {
    type Error = Useless;

    fn try_from(written: Written) -> Result<Self, Useless> {
        let Written { text, error_type, exit_code, signal, cause, note } = written;
        if text.is_none() && error_type.is_none() && exit_code.is_none() && signal.is_none() {
            return Err(Useless::Unconditional);
        }
        if text.as_deref() == Some("") {
            return Err(Useless::EmptyText);
        }
        if let Some(code) = exit_code.filter(|code| !(1..=255).contains(code)) {
            return Err(Useless::ExitCode(code));
        }
        let signal = match signal {
            Some(WrittenSignal::Name(name)) => Some(signals::number(&name).ok_or(Useless::SignalName(name))?),
            Some(WrittenSignal::Number(number)) if !(1..=64).contains(&number) => {
                return Err(Useless::Signal(number));
            }
            Some(WrittenSignal::Number(number)) => Some(number),
            None => None,
        };
        if let Some(error_type) = &error_type {
            error_types::check(error_type)?;
        }
        let cause = match cause {
            WrittenCause::Transient => Cause::Transient,
            WrittenCause::Permanent => Cause::Permanent,
            WrittenCause::OutOfMemory => Cause::OutOfMemory,
            WrittenCause::Timeout => Cause::Timeout,
        };
        Ok(Self {
            text: text.map(Cow::Owned),
            error_type: error_type.map(Cow::Owned),
            exit_code,
            signal,
            cause,
            note: note.map(Cow::Owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Rule {
        serde_json::from_str(json).unwrap()
    }

    fn command(exit_code: i32, tail: &str) -> (Failure, Vec<String>) {
        let failure = Failure::new(Cause::Permanent, "command \"x\" failed").with_tail(tail);
        (Failure { exit_code: Some(exit_code), ..failure }, vec![COMMAND.to_owned()])
    }

    #[test]
    fn all_conditions_must_hold() {
        let rule = rule(r#"{"type": "command", "exit_code": 3, "text": "busy", "cause": "transient"}"#);
        let matches = |(failure, types): (Failure, Vec<String>)| rule.matches(&failure, &types);
        assert!(matches(command(3, "the disk is busy\n")));
        assert!(!matches(command(4, "the disk is busy\n")));
        assert!(!matches(command(3, "Busy\n")), "case counts");
        let (failure, _) = command(3, "the disk is busy\n");
        assert!(!rule.matches(&failure, &[]));
    }

    #[test]
    fn text_is_looked_for_in_every_message_and_in_the_last_line_of_a_command() {
        let rule = rule(r#"{"text": "quota", "cause": "permanent"}"#);
        let chain = Failure::new(Cause::Permanent, "writing").caused_by("over quota").caused_by("os error");
        assert!(rule.matches(&chain, &[]));
        let (late, types) = command(1, "something\nover quota\n\n");
        assert!(rule.matches(&late, &types));
        let (early, types) = command(1, "over quota\nsomething else\n");
        assert!(!rule.matches(&early, &types), "what it got over is not why it failed");
        let logged = Failure::new(Cause::Permanent, "other").with_tail("over quota");
        assert!(!rule.matches(&logged, &[]), "the log of an operation is no message");
    }

    #[test]
    fn signals_have_names() {
        let named = rule(r#"{"signal": "SIGKILL", "cause": "out_of_memory"}"#);
        assert_eq!(named, rule(r#"{"signal": 9, "cause": "out_of_memory"}"#));
        assert_eq!(named.to_string(), "signal 9 (SIGKILL)");
        assert_eq!(serde_json::to_string(&named).unwrap(), r#"{"signal":9,"cause":"out_of_memory"}"#);
    }

    #[test]
    fn a_rule_reads_as_a_sentence() {
        let rule = rule(
            r#"{"text": "a \"b\"", "exit_code": 7, "type": "command", "cause": "timeout", "note": "why"}"#,
        );
        assert_eq!(rule.to_string(), r#"type command and exit code 7 and text "a \"b\"""#);
        assert_eq!((rule.cause(), rule.reason()), (Cause::Timeout, Some("why")));
    }
}
