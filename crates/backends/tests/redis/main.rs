//! Redis, live: the client that goes on over reconnects, and the store on it.
#![cfg(feature = "live")]

mod checks;
mod client;
mod cluster;
mod faults;
mod logs;
mod making;
mod sentinel;
mod store;
mod tls;
