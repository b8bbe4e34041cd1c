//! Protocols that look right and are not: what the model must find.

/// A wrong variant of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    /// Acknowledges a copy when another session has the task, instead of putting it aside.
    AckWhenBusy,
    /// Acknowledges the task's message before its outcome is told.
    AckBeforeTelling,
    /// Acknowledges a long task's message without having put a copy aside.
    AckAfterClaim,
    /// The coordinator acknowledges outcomes before it has made them durable.
    AckBeforeDurable,
    /// Acknowledges a copy when its outcome was refused.
    AckWhenStale,
    /// The coordinator accepts a second outcome.
    AcceptAgain,
    /// Never takes a task from an owner that is gone.
    NeverTakeFromTheDead,
    /// Tells outcomes that Redis refused. Not wrong, only wasteful: the coordinator's record decides.
    NoFence,
}
