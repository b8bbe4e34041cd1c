//! The names of keys.

use protocol::ExecutionId;

/// The keys of one execution. They share a hash tag, so that a script may touch several in a cluster.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) id: ExecutionId,
    /// Which incarnation may write, and by which take-over.
    pub(super) fence: String,
    /// HASH: format, record, result.
    pub(super) record: String,
    /// Who runs it; expires unless renewed.
    pub(super) hold: String,
    /// How far it is.
    pub(super) live: String,
    /// HASH: chunks of outcomes by number.
    pub(super) chunks: String,
    /// HASH: dead tasks by where their outcome is.
    pub(super) dead: String,
}

impl Keys {
    pub(super) fn new(prefix: &str, id: &ExecutionId) -> Self {
        let key = |name: &str| format!("{{{prefix}:{id}}}:{name}");
        Self {
            id: id.clone(),
            fence: key("incarnation"),
            record: key("record"),
            hold: key("hold"),
            live: key("live"),
            chunks: key("chunks"),
            dead: key("dead"),
        }
    }
}

/// ZSET: the names of all executions by when they were created.
pub(super) fn executions(prefix: &str) -> String {
    format!("{{{prefix}}}:executions")
}
