//! The harness does what scenarios rely on.

mod certificates;
mod cluster;
mod lifetime;
mod processes;
mod proxy;
mod servers;
