//! Tasks with a process of their own: this program, started once more, that runs one task after the
//! other for one worker and is thrown away when a task has harmed it.
//!
//! ```text
//!  worker                                   process of a slot
//!  ──────                                   ─────────────────
//!  Isolates ── Isolate ═══ socket (fd 0) ═══ child: reads orders on a thread, runs the operation
//!                      ◀── pipe (fd 1, 2) ── whatever it prints
//! ```
//!
//! Such a process does not outlive its worker: it hears the socket close, and on Linux the kernel kills it.

mod child;
mod groups;
mod isolates;
mod message;
mod process;
mod spawner;
mod tree;

pub(crate) use child::serve_if_asked;
pub(crate) use isolates::Isolates;
pub(crate) use message::{Assignment, Machine};
