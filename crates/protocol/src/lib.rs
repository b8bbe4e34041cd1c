//! The nouns of Otaman that cross a process boundary, and their encoding.
//!
//! This crate must never know how messages travel or where they are kept: no I/O, no clock, no
//! randomness, no async runtime. Everything here is a value, or arithmetic on values.
//!
//! ```
//! use protocol::{OperationName, Task, TaskId, Value};
//!
//! let arguments = Value::encode(&serde_json::json!({"path": "a.png", "width": 64}))?;
//! let task = Task::new(OperationName::new("resize")?, "1.2.0".parse()?, arguments);
//! // The id depends on what is computed, not on who computes it or where.
//! assert_eq!(task.id, task.clone().on("gpu".parse()?).id);
//! assert_eq!(task.id.to_string().parse::<TaskId>()?, task.id);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bundle;
mod canonical;
mod envelope;
mod execution;
mod failure;
mod history;
mod id_map;
mod ids;
mod isolation;
mod lease;
mod names;
mod outcome;
mod presence;
mod retry;
mod semaphores;
mod state;
mod task;
mod text;
mod transcode;
mod value;

pub use bundle::Bundle;
pub use envelope::{
    Envelope, MAX_DEPTH, MAX_ENVELOPE_BYTES, MAX_REFERENCED_BYTES, Message, Outcomes, WIRE_VERSION,
    decode_part, encode_part,
};
pub use execution::{Counts, ExecutionRecord, Status};
pub use failure::{Cause, Failure};
pub use history::{Declined, History};
pub use id_map::{IdHasher, IdMap, IdSet};
pub use ids::{ExecutionId, FlowId, SessionId, TaskId};
pub use isolation::Isolation;
pub use lease::{Lease, Session, Token};
pub use names::{OperationName, SemaphoreName, WorkerType, is_name};
pub use outcome::{Attempt, Ending, Outcome, to_unix_micros};
pub use presence::{Presence, Running, SemaphoreWait};
pub use retry::{Decision, ExitCodes, OnOutOfMemory, RetryPolicy, Spent};
pub use semaphores::{SemaphoreWidth, SemaphoreWidths, Width};
pub use state::TaskState;
pub use task::Task;
pub use text::{BytesText, DurationText};
pub use value::Value;

/// What can be wrong with a name, an id, a value or a message.
pub mod error {
    pub use crate::envelope::EnvelopeError;
    pub use crate::ids::IdError;
    pub use crate::isolation::IsolationError;
    pub use crate::names::NameError;
    pub use crate::semaphores::{TwiceError, WidthError};
    pub use crate::state::TransitionError;
    pub use crate::text::{BytesError, DurationError};
    pub use crate::value::ValueError;
}
