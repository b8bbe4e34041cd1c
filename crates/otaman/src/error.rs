//! Errors of operations and flows: a cause that decides about retries, and a chain of messages.

use std::fmt;
use std::io::ErrorKind;

use protocol::{Cause, Failure};

/// Why an operation or a flow gave up. Any error type converts into it by `?`: it is then permanent
/// unless it is an I/O error that may pass (a time-out, a lost connection). Say it yourself with
/// [`Error::transient`] and [`Error::permanent`].
///
/// It does not implement [`std::error::Error`], since that would forbid the conversion from all
/// other errors.
pub struct Error(Box<Inner>);

struct Inner {
    failure: Failure,
    unknown: Option<Unknown>,
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

    /// An error with this evidence.
    pub fn from_failure(failure: Failure) -> Self {
        Self(Box::new(Inner { failure, unknown: None }))
    }

    /// The same error behind a message that says what was being done.
    #[must_use]
    pub fn context(mut self, message: impl fmt::Display) -> Self {
        self.0.failure.messages.insert(0, message.to_string());
        self
    }

    /// The same error with another cause.
    #[must_use]
    pub fn with_cause(mut self, cause: Cause) -> Self {
        self.0.failure.cause = cause;
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
        Self(Box::new(Inner { failure, unknown: Some(unknown) }))
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let mut failure = Failure::new(Cause::Permanent, error.to_string());
        let mut current: &(dyn std::error::Error + 'static) = &error;
        loop {
            if is_passing(current) {
                failure.cause = Cause::Transient;
            }
            let Some(source) = current.source() else { return Self::from_failure(failure) };
            failure = failure.caused_by(source.to_string());
            current = source;
        }
    }
}

/// Whether an error is an I/O error that may pass, or an I/O error made of one: such a wrapper takes
/// the place of what it wraps and is not found as its source.
fn is_passing(error: &(dyn std::error::Error + 'static)) -> bool {
    let Some(io) = error.downcast_ref::<std::io::Error>() else { return false };
    may_pass(io.kind()) || io.get_ref().is_some_and(|inner| is_passing(inner))
}

/// Whether an I/O error of this kind may be gone on the next attempt.
fn may_pass(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::NotConnected
            | ErrorKind::BrokenPipe
            | ErrorKind::TimedOut
            | ErrorKind::Interrupted
            | ErrorKind::WouldBlock
            | ErrorKind::ResourceBusy
            | ErrorKind::StaleNetworkFileHandle
            | ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
    )
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
    use std::io;

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
}
