//! What the arbiter is asked and what it answers.

use std::time::Duration;

use bytes::Bytes;
use protocol::{ExecutionId, SessionId, TaskId};

use super::record::Loss;

/// A copy of a task's message, for which a session asks whether it may run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// The execution.
    pub execution: &'a ExecutionId,
    /// The task.
    pub task: TaskId,
    /// Incarnation of the coordinator that published the copy.
    pub incarnation: u32,
    /// How many workers may be lost over the task; 0 counts as 1.
    pub max_losses: u32,
    /// Whether no slot is free for it yet. If the worker is lost, nobody knows whether the task had
    /// begun: that is charged to no task, and such a task is not leased ahead again.
    pub is_ahead: bool,
}

/// An attempt that the asking session runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held<'a> {
    /// The execution.
    pub execution: &'a ExecutionId,
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: u32,
}

/// An attempt that ended the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion<'a> {
    /// The execution.
    pub execution: &'a ExecutionId,
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: u32,
    /// How it ended; opaque here, and answered to whoever claims the task again.
    pub outcome: &'a [u8],
}

/// An attempt that is over without having ended the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release<'a> {
    /// The execution.
    pub execution: &'a ExecutionId,
    /// The task.
    pub task: TaskId,
    /// The attempt.
    pub attempt: u32,
    /// How many workers were lost over the task so far.
    pub lost: u32,
    /// What the next one to claim the task is told of its past; opaque here. It must hold what the
    /// losses of the [`Grant`] said, since the record forgets them.
    pub history: &'a [u8],
}

/// Answer to a [`Claim`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is yours now: run it.
    Granted(Grant),
    /// It was yours before: go on, or begin if the answer that granted it was lost.
    Mine(Grant),
    /// Another session has it.
    Busy {
        /// That session.
        owner: SessionId,
        /// How long that lives if it does not renew. During a calm, how long nobody is taken for dead.
        expires_in: Duration,
    },
    /// It has ended.
    Done {
        /// How.
        outcome: Vec<u8>,
    },
    /// Nobody wants this copy: the task was withdrawn, or its execution is over.
    Dropped,
    /// Too many workers were lost over it. It is yours, not to be run but to be completed with a
    /// failure; `attempt` is that of the last loss.
    Poison(Grant),
    /// Claimed ahead of a free slot, and a worker was lost that had it before. Otherwise a suspect (see
    /// [`is_suspect`]), and there is no allowance for another one.
    Later,
    /// Its execution is paused.
    Paused,
    /// The asking session is dead for good: nothing was done, and nothing ever will be in its name.
    /// If one claim is answered so, all are.
    SessionDead,
}

/// What a session is told of a task that it may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Number of the attempt, 1-based; with the session it is the fencing token.
    pub attempt: u32,
    /// How many workers were lost over the task, all in all.
    pub lost: u32,
    /// Losses that `history` does not hold yet, oldest first; of many, the last ten.
    pub losses: Vec<Loss>,
    /// What the last one to release the task said of its past; empty if nobody did.
    pub history: Bytes,
}

/// Answer to a [`Completion`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Completed {
    /// The outcome counts.
    Accepted,
    /// It counted before: an earlier try of this call came through.
    Already,
    /// The lease was lost; it counts for nothing.
    Stale,
}

/// Answer to a [`Release`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Released {
    /// The task is free.
    Accepted,
    /// It was given back before: an earlier try of this call came through.
    Already,
    /// The lease was lost; nothing changed.
    Stale,
}

/// Answer to the assertion that an attempt is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Assertion {
    /// It is, if need be again.
    Held,
    /// Somebody newer has the task, or has ended it; or the session is dead.
    Lost,
}

/// Answer to a withdrawal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Withdrawal {
    /// Nobody will be granted it by a copy of this incarnation or an older one.
    Withdrawn,
    /// A worker has it.
    Leased,
    /// It has ended.
    Done,
}

/// Answer to a registration or a renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// The session lives.
    Renewed(Beat),
    /// It was declared dead, which is for good.
    Dead,
    /// Redis does not know it (any more): register again. Only renewals are answered so.
    Unknown,
}

/// What a renewal tells of Redis; see [`super::Witness`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Redis' clock, milliseconds since 1970.
    pub now_ms: u64,
    /// Grows with each renewal by anybody, unless Redis lost writes.
    pub canary: u64,
    /// Identity of the server's process; empty if Redis does not tell.
    pub server: Vec<u8>,
}

/// What is said of a whole execution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags {
    /// Copies of this incarnation and older ones are dropped.
    pub ended: Option<u32>,
    /// Nothing is granted.
    pub is_paused: bool,
    /// What this incarnation and older ones have published is not to begin any more.
    pub stopping: Option<u32>,
}

impl Flags {
    /// Whether what this incarnation has published is to begin.
    pub fn want(self, incarnation: u32) -> bool {
        let is_past = |last: Option<u32>| last.is_some_and(|last| last >= incarnation);
        !self.is_paused && !is_past(self.ended) && !is_past(self.stopping)
    }
}

/// A session as Redis knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its identity.
    pub session: SessionId,
    /// How long it lives if it does not renew.
    pub expires_in: Duration,
    /// What it said of its machine.
    pub node: String,
    /// What it said of itself; opaque here.
    pub info: Bytes,
}

/// Whether a task over which workers were lost dies with the next one. Whatever ran beside it was lost
/// as often, so it is to run alone: only the one that does it is found guilty.
pub fn is_suspect(lost: u32, max_losses: u32) -> bool {
    lost > 0 && lost.saturating_add(1) >= max_losses
}
