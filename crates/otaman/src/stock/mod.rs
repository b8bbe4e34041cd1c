//! Operations and flows that every coordinator and worker has.

mod command;
mod echo;
mod map_flow;
mod sleep;
mod stages;
#[cfg(test)]
mod testing;

pub use command::{Command, Finished, KeptFile};
#[doc(hidden)]
pub use command::{OomKills, guard_commands, guard_commands_with, kill_all as kill_commands};
pub use echo::Echo;
pub use map_flow::{MapFlow, Over, Range};
pub use sleep::Sleep;
pub use stages::{ConcurrentFlow, SequentialFlow};
