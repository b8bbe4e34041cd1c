//! What authors of operations and flows see.
//!
//! An *operation* is a unit of work; called with arguments it makes a *task*. A *flow* is a
//! generator that yields tasks and other flows, waits for them, reads how they ended and decides
//! what comes next. This crate must never know how tasks travel, where outcomes are kept or who
//! schedules: it only describes work.
//!
//! ```
//! use otaman::inline::Runner;
//! use otaman::{Context, Error, Flow, Registry, Result, flow, operation};
//!
//! /// Tries whether an image of this many pixels fits.
//! #[operation(runtime_limit = "1m", retry(max_attempts = 3))]
//! async fn fits(
//!     context: &Context,
//!     /// Its width and height.
//!     pixels: u64,
//!     /// What there is, in bytes.
//!     #[default(1_000_000)]
//!     memory: u64,
//! ) -> Result<bool> {
//!     context.log(format!("trying {pixels}"));
//!     let bytes = pixels.checked_mul(pixels).ok_or_else(|| Error::permanent("too many pixels"))?;
//!     Ok(bytes <= memory)
//! }
//!
//! /// Looks for the largest image that fits: each result decides what is tried next.
//! #[flow]
//! async fn find_largest(flow: Flow, most: u64) -> Result<u64> {
//!     let (mut fitting, mut too_large) = (0, most + 1);
//!     while too_large - fitting > 1 {
//!         let pixels = (fitting + too_large) / 2;
//!         if flow.run(Fits { pixels, memory: 1_000_000 }).await? {
//!             fitting = pixels;
//!         } else {
//!             too_large = pixels;
//!         }
//!     }
//!     Ok(fitting)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! // In a test, without anything installed; `worker` and `coordinator` run the same for real.
//! let registry = Registry::builder().operation::<Fits>().flow::<FindLargest>().build()?;
//! let run = Runner::new(registry).run(FindLargest { most: 4000 }).await;
//! assert_eq!(run.tasks[0].log, ["trying 2000"]);
//! assert_eq!(run.result?, 1000);
//! # Ok(())
//! # }
//! ```

#[allow(
    unused_extern_crates,
    reason = "`#[operation]` and `#[flow]` name this crate `::otaman`, here as elsewhere"
)]
extern crate self as otaman;

mod attributes;
mod collect;
mod context;
mod dependencies;
mod descriptor;
mod entry;
mod error;
mod flow;
mod handle;
pub mod inline;
mod lines;
mod operation;
mod problems;
mod registry;
mod resources;
mod rules;
mod running;
mod semaphores;
mod signals;
pub mod spec;
pub mod stock;
mod target;
mod validation;

pub mod driver {
    //! The other side of flows and operations: for those who run them (engine, worker, planner).
    pub use crate::context::{ContextParts, Place, Reporter};
    pub use crate::error::Evidence;
    pub use crate::handle::{Settlement, Sink};
    pub use crate::lines::Lines;
    pub use crate::rules::{Origin, Rule, Rules, RulesError};
    pub use crate::running::{Awaited, Expected, Item, Node, NodeId, OnFailure, Pull, RunningFlow, Step};
    pub use crate::semaphores::{Semaphores, waits_for_itself};
    pub use crate::stock::{OomKills, guard_commands, guard_commands_with, kill_commands};
}

pub use attributes::{flow, operation};
pub use collect::Collect;
pub use context::Context;
pub use descriptor::{Descriptor, Source};
pub use entry::{FlowEntry, Info, Kind, Need, OperationEntry, Registration, Requirement};
pub use error::Error;
pub use flow::{Flow, FlowSchema};
pub use handle::Handle;
pub use operation::{Call, IntoCall, Operation};
pub use problems::{Hint, Place, Problem, Problems};
pub use protocol::{Cause, Failure, Isolation, OperationName, RetryPolicy, SemaphoreName, Value, WorkerType};
pub use registry::{Builder, Flowing, Operational, Registry};
pub use resources::{Resource, Resources};
pub use running::{Estimate, FlowCall};
pub use semaphores::Permit;
pub use target::{Prepared, Resolve, Target, Template};

/// What operations and flows return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the macros' output names. No part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use {inventory, schemars, serde};

    pub use protocol::{ExitCodes, OnOutOfMemory, is_name};
}
