//! Errors of operations and flows: a cause that decides about retries, and a chain of messages.

use std::fmt;

use protocol::{Cause, Failure};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::rules::{COMMAND, PANIC, PROCESS, Rules, collect_types};

/// Why an operation or a flow gave up. Any error type converts into it by `?`; its cause is then
/// inferred by rules, from its type and its messages: a time-out or a lost connection is transient,
/// what no rule knows is permanent. Say it yourself with [`Error::transient`] and
/// [`Error::permanent`].
///
/// It does not implement [`std::error::Error`], since that would forbid the conversion from all
/// other errors.
pub struct Error(Box<Inner>);

/// An error in plain data, for another process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Evidence {
    failure: Failure,
    /// The types by which rules know it, unless somebody has said its cause.
    types: Option<Vec<String>>,
}

struct Inner {
    failure: Failure,
    basis: Basis,
    unknown: Option<Unknown>,
}

/// What the cause rests on.
enum Basis {
    /// Somebody said it.
    Said,
    /// Rules, which know the error by its messages and these types.
    Inferred(Vec<String>),
}

/// What an unknown value was wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    /// To decide what comes next.
    Decision,
    /// To be part of the flow's value; all has been yielded.
    Value,
}

impl Error {
    /// An error after which trying again may help.
    pub fn transient(message: impl fmt::Display) -> Self {
        Self::from_failure(Failure::new(Cause::Transient, message.to_string()))
    }

    /// An error after which trying again cannot help.
    pub fn permanent(message: impl fmt::Display) -> Self {
        Self::from_failure(Failure::new(Cause::Permanent, message.to_string()))
    }

    /// There is, or would be, too little memory: tried again twice, or by the workers that
    /// `on_out_of_memory` names.
    pub fn out_of_memory(message: impl fmt::Display) -> Self {
        Self::from_failure(Failure::new(Cause::OutOfMemory, message.to_string()))
    }

    /// The machine lacks something that is no task's fault: room for temporary files, file
    /// descriptors, a device. A worker then hands the attempt back at no cost to the task; where there
    /// is no other worker, it is a transient error.
    pub fn shortage(message: impl fmt::Display) -> Self {
        let failure = Failure::new(Cause::Transient, message.to_string());
        Self::from_failure(Failure { is_shortage: true, ..failure })
    }

    /// An error with this evidence, whose cause is settled.
    pub fn from_failure(failure: Failure) -> Self {
        Self::of(failure, Basis::Said)
    }

    /// A panic of an operation with this message, at this place.
    pub fn of_panic(message: &str, place: Option<String>) -> Self {
        let failure = Failure::new(Cause::Permanent, format!("the operation panicked: {message}"));
        let is_shortage = THREADLESS.iter().any(|words| message.contains(words));
        Self::inferred(Failure { backtrace: place, is_shortage, ..failure }, vec![PANIC.to_owned()])
    }

    /// How a command ended about which neither it nor its task's retry settings say anything.
    pub(crate) fn of_command(failure: Failure) -> Self {
        Self::inferred(failure, vec![COMMAND.to_owned()])
    }

    fn inferred(mut failure: Failure, types: Vec<String>) -> Self {
        if failure.is_shortage {
            failure.cause = Cause::Transient;
            return Self::from_failure(failure);
        }
        failure.cause = Rules::default().cause(&failure, &types);
        Self::of(failure, Basis::Inferred(types))
    }

    fn of(failure: Failure, basis: Basis) -> Self {
        Self(Box::new(Inner { failure, basis, unknown: None }))
    }

    /// The same error behind a message that says what was being done.
    #[must_use]
    pub fn context(mut self, message: impl fmt::Display) -> Self {
        let Inner { failure, basis, .. } = &mut *self.0;
        failure.messages.insert(0, message.to_string());
        if let Basis::Inferred(types) = basis {
            failure.cause = Rules::default().cause(failure, types);
        }
        self
    }

    /// The same error with another cause, which is then settled.
    #[must_use]
    pub fn with_cause(mut self, cause: Cause) -> Self {
        self.0.failure.cause = cause;
        self.0.basis = Basis::Said;
        self
    }

    /// The cause, which decides about retries.
    pub fn cause(&self) -> Cause {
        self.0.failure.cause
    }

    /// The evidence.
    pub fn failure(&self) -> &Failure {
        &self.0.failure
    }

    /// The evidence, for keeps.
    pub fn into_failure(self) -> Failure {
        self.0.failure
    }

    /// The same, with the cause that these rules infer unless somebody has said it.
    pub fn judged_by(self, rules: &Rules) -> Failure {
        let Inner { mut failure, basis, .. } = *self.0;
        if let Basis::Inferred(types) = basis {
            failure.cause = rules.cause(&failure, &types);
        }
        failure
    }

    /// Whether rules have found the cause, since nobody has said it.
    pub fn is_inferred(&self) -> bool {
        match self.0.basis {
            Basis::Said => false,
            Basis::Inferred(_) => true,
        }
    }

    /// What another process needs to know of it.
    pub fn into_evidence(self) -> Evidence {
        let Inner { failure, basis, .. } = *self.0;
        let types = match basis {
            Basis::Said => None,
            Basis::Inferred(types) => Some(types),
        };
        Evidence { failure, types }
    }

    /// The error that another process has told of.
    pub fn from_evidence(Evidence { failure, types }: Evidence) -> Self {
        Self::of(failure, types.map_or(Basis::Said, Basis::Inferred))
    }

    /// How a process ended that ran an operation, if nobody has said what that means.
    pub fn of_process(failure: Failure) -> Self {
        Self::inferred(failure, vec![PROCESS.to_owned()])
    }

    /// Whether this error only says that a value was read that is not known: in a plan, or after
    /// something it depends on failed.
    pub fn is_unknown_value(&self) -> bool {
        self.0.unknown.is_some()
    }

    /// Whether that value could have decided what the flow yields next.
    pub fn is_undecided(&self) -> bool {
        self.0.unknown == Some(Unknown::Decision)
    }

    /// A value was read to decide by.
    pub(crate) fn undecided(node: &dyn fmt::Display) -> Self {
        Self::unknown(node, Unknown::Decision)
    }

    /// A value was read to be part of a flow's value.
    pub(crate) fn unknown_value(node: &dyn fmt::Display) -> Self {
        Self::unknown(node, Unknown::Value)
    }

    fn unknown(node: &dyn fmt::Display, unknown: Unknown) -> Self {
        let failure = Failure::new(Cause::Permanent, format!("the value of {node} is not known"));
        Self(Box::new(Inner { failure, basis: Basis::Said, unknown: Some(unknown) }))
    }
}

/// What a panic says for want of threads; there is no error to be had of it.
const THREADLESS: [&str; 2] = ["failed to spawn thread", "OS can't spawn worker thread"];

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let mut failure = Failure::new(Cause::Permanent, error.to_string());
        let mut current: &(dyn std::error::Error + 'static) = &error;
        failure.is_shortage = is_shortage(current);
        while let Some(source) = current.source() {
            failure = failure.caused_by(source.to_string());
            failure.is_shortage |= is_shortage(source);
            current = source;
        }
        Self::inferred(failure, collect_types(&error))
    }
}

/// Whether an error says that this process or machine has no file descriptor left.
fn is_shortage(error: &(dyn std::error::Error + 'static)) -> bool {
    let Some(io) = error.downcast_ref::<std::io::Error>() else { return false };
    matches!(Errno::from_io_error(io), Some(Errno::MFILE | Errno::NFILE))
        || io.get_ref().is_some_and(|inner| is_shortage(inner))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.failure.summary())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.failure.summary(), self.0.failure.cause.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind};

    use super::*;

    #[test]
    fn io_errors_that_may_pass_are_transient_even_when_wrapped() {
        let refused = io::Error::new(ErrorKind::ConnectionRefused, "no listener");
        assert_eq!(Error::from(refused).cause(), Cause::Transient);
        let wrapped = io::Error::other(io::Error::from(ErrorKind::TimedOut));
        assert_eq!(Error::from(wrapped).cause(), Cause::Transient);
        assert_eq!(Error::from(io::Error::from(ErrorKind::NotFound)).cause(), Cause::Permanent);
    }

    #[test]
    fn the_chain_reads_from_the_outside_in() {
        let error = Error::from(io::Error::other("disk on fire")).context("reading a.png");
        assert_eq!(error.to_string(), "reading a.png: disk on fire");
    }

    #[test]
    fn context_is_looked_at_too_unless_the_cause_was_said() {
        let error = || Error::from(io::Error::other("HTTP 503"));
        assert_eq!(error().cause(), Cause::Permanent);
        assert_eq!(error().context("Failed to retrieve the tile").cause(), Cause::Transient);
        let said = error().with_cause(Cause::Permanent).context("Failed to retrieve the tile");
        assert_eq!(said.judged_by(&Rules::default()).cause, Cause::Permanent);
    }

    #[test]
    fn want_of_file_descriptors_and_threads_is_a_shortage() {
        for errno in [Errno::MFILE, Errno::NFILE] {
            let bare = io::Error::from(errno);
            assert!(Error::from(bare).failure().is_shortage, "{errno}");
            let wrapped = io::Error::other(io::Error::from(errno));
            assert!(Error::from(wrapped).failure().is_shortage, "{errno}");
        }
        assert!(!Error::from(io::Error::from(Errno::NOSPC)).failure().is_shortage, "of which disk?");
        let threads = "failed to spawn thread: Os { code: 11, kind: WouldBlock }";
        assert!(Error::of_panic(threads, None).failure().is_shortage);
        assert!(!Error::of_panic("index out of bounds", None).failure().is_shortage);
    }
}
