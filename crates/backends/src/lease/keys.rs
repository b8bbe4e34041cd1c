//! Names of the keys. All share one hash tag, so that in a cluster one script may see them all.

use protocol::{ExecutionId, SessionId, TaskId};

/// The keys under one prefix.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    tag: String,
    /// Sorted set: session to its expiry.
    pub(super) sessions: Vec<u8>,
    /// Sorted set: dead session to the time of its death.
    pub(super) tombstones: Vec<u8>,
    /// Until when nobody is taken for dead.
    pub(super) calm: Vec<u8>,
    /// When anybody last renewed or looked.
    pub(super) beat: Vec<u8>,
    /// Counter of renewals.
    pub(super) canary: Vec<u8>,
    /// Identity of the server that was last seen.
    pub(super) server: Vec<u8>,
    /// Hash: session to what it says of itself.
    pub(super) info: Vec<u8>,
    /// Hash: session to its machine, kept as long as its tombstone.
    pub(super) nodes: Vec<u8>,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        let tag = format!("{{{prefix}}}");
        let key = |name: &str| format!("{tag}:{name}").into_bytes();
        Self {
            sessions: key("sessions"),
            tombstones: key("tombs"),
            calm: key("calm"),
            beat: key("beat"),
            canary: key("canary"),
            server: key("server"),
            info: key("info"),
            nodes: key("nodes"),
            tag,
        }
    }

    /// How all of them begin, for people.
    pub(super) fn prefix(&self) -> String {
        format!("{}:", self.tag)
    }

    /// The record of a task.
    pub(super) fn record(&self, execution: &ExecutionId, task: TaskId) -> Vec<u8> {
        let execution = execution.as_str();
        let mut bytes = Vec::with_capacity(self.tag.len() + execution.len() + 20);
        bytes.extend_from_slice(self.tag.as_bytes());
        bytes.extend_from_slice(b":t:");
        bytes.extend_from_slice(execution.as_bytes());
        bytes.push(b':');
        bytes.extend_from_slice(&task.to_u128().to_be_bytes());
        bytes
    }

    /// Set: what a session is asked about.
    pub(super) fn questions(&self, session: SessionId) -> Vec<u8> {
        format!("{}:asked:{session}", self.tag).into_bytes()
    }

    /// How far a task is.
    pub(super) fn progress(&self, execution: &ExecutionId, task: TaskId) -> Vec<u8> {
        format!("{}:p:{execution}:{task}", self.tag).into_bytes()
    }

    /// How the names of all that is kept for single tasks of an execution begin: first their records.
    pub(super) fn of_tasks(&self, execution: &ExecutionId) -> [String; 2] {
        [format!("{}:t:{execution}:", self.tag), format!("{}:p:{execution}:", self.tag)]
    }

    /// A pattern for all names that an execution's id stands in, and for some others.
    pub(super) fn naming(&self, execution: &ExecutionId) -> String {
        format!("{}:*:{execution}:*", self.tag)
    }

    /// The flags of an execution.
    pub(super) fn flags(&self, execution: &ExecutionId) -> Vec<u8> {
        format!("{}:x:{execution}", self.tag).into_bytes()
    }

    /// What the scripts about sessions are given, in their order.
    pub(super) fn of_sessions(&self) -> [&[u8]; 8] {
        [
            &self.sessions,
            &self.tombstones,
            &self.calm,
            &self.beat,
            &self.canary,
            &self.server,
            &self.info,
            &self.nodes,
        ]
    }
}
