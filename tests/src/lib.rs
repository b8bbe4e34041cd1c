//! Harness: real processes, private servers, a network that fails, conditions with deadlines.
//!
//! Everything is blocking, so that tests with and without a runtime may use it; whoever has a
//! runtime with one thread only should call what takes long (starting a server) from a blocking
//! thread. What is started ends when it is dropped, and at the latest with the test process, be that
//! killed. What processes say is kept in files: a failing test shows its processes' last lines, and
//! with `OTAMAN_TESTS_KEEP=1` all files stay in the temporary directory.

mod cluster;
mod coordinator;
mod directory;
mod memory;
mod pages;
mod passwords;
mod programs;
mod proxy;
mod running;
pub mod servers;
mod spawn;
mod stopwatch;
mod wait;
mod worker;

pub use cluster::{Cluster, Proxies};
pub use coordinator::Coordinator;
pub use memory::{measured, most_memory};
pub use pages::Page;
pub use passwords::assert_hidden;
pub use programs::{program, repository};
pub use proxy::{Direction, Proxy, Traffic};
pub use running::{Ended, Running};
pub use stopwatch::Stopwatch;
pub use wait::{until, until_the_end_of, until_within};
pub use worker::Worker;
