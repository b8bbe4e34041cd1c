//! A network between a client and a server that can be made as bad as networks are.

mod accept;
mod link;
mod rules;
mod traffic;

pub use accept::Proxy;
pub use traffic::{Direction, Traffic};
