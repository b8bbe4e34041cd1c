//! Semaphores: how many do something at once on a machine, over all worker processes of a user.
//!
//! Each semaphore is a directory. A place in it is an exclusive lock on one of as many slot files as
//! the semaphore is wide, so whatever else goes wrong there are never more holders than that, and the
//! kernel gives a dead holder's place back. Who finds none draws a ticket: a file with the next number,
//! locked as long as its owner waits. Only the lowest ticket whose lock is held may take a slot, and a
//! newcomer only if there is no such ticket; so who comes first is served first, in whatever process,
//! and a dead waiter holds up nobody. Tickets are drawn under a lock that is held for microseconds.
//! While nobody waits nobody looks for tickets: a place then costs eight system calls, and no file is made.

mod attend;
mod directory;
mod error;
mod files;
mod gate;
mod machine;
mod report;
mod ticket;
mod usage;
mod watch;

pub use error::Error;
pub(crate) use machine::MachineSemaphores;
pub(crate) use report::Figures;

#[cfg(test)]
mod tests;
