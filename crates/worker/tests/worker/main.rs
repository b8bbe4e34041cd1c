//! Workers at a broker in memory, at one that answers as the test says, and as a program.

mod attempts;
mod causes;
mod pipelining;
mod program;
mod scripted;
mod semaphores;
mod slots;
mod support;
