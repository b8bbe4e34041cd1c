//! Leases: which session may run which task, until when.
//!
//! Messages hold the obligation to run a task; Redis only arbitrates who may. Whatever is lost here
//! costs a task another run, never the task itself. The [`Arbiter`] asks, scripts inside Redis
//! decide, by Redis' clock alone; each script opens with its guarantee and may run more than once.
//! A [`Witness`] tells when Redis has lost writes.
//!
//! All processes on one Redis should use one lease duration: how long Redis may see nobody before
//! it stops taking sessions for dead is judged by the lease of whoever comes next.

mod answer;
mod arbiter;
mod error;
mod executions;
mod keys;
#[cfg(all(test, feature = "live"))]
mod live;
#[cfg(test)]
mod model;
mod parse;
mod question;
mod record;
mod scripts;
mod sessions;
#[cfg(test)]
mod transition;
mod witness;
#[cfg(test)]
mod world;

pub use answer::{
    Answer, Assertion, Beat, Claim, Completed, Completion, Flags, Grant, Held, Member, Release, Released,
    Renewal, Withdrawal, is_suspect,
};
pub use arbiter::Arbiter;
pub use error::Error;
pub use record::{Loss, MAX_LOSSES, Malformed, Record, State};
pub use witness::Witness;
