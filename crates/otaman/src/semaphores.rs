//! Semaphores: how many do something at once on a machine.

use std::fmt;

use futures::future::BoxFuture;
use protocol::SemaphoreName;

use crate::error::Error;

/// Where operations get their places in semaphores; whoever runs operations implements it.
pub trait Semaphores: Send + Sync {
    /// Waits for a place. The caller keeps `held` places of the same semaphore until it has this one
    /// and given it back; a semaphore without more than those is an error, not a wait without end.
    fn acquire<'a>(&'a self, name: &'a SemaphoreName, held: u32) -> BoxFuture<'a, Result<Permit, Error>>;
}

/// A place in a semaphore; given back when dropped.
#[must_use = "the place is given back when this is dropped"]
pub struct Permit {
    name: SemaphoreName,
    _held: Box<dyn Send + Sync>,
}

impl Permit {
    /// A place that is given back when `held` is dropped.
    pub fn new(name: SemaphoreName, held: impl Send + Sync + 'static) -> Self {
        Self { name, _held: Box::new(held) }
    }

    /// The semaphore.
    pub fn semaphore(&self) -> &SemaphoreName {
        &self.name
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permit({})", self.name)
    }
}

/// The error of a caller that waits for itself: it holds all the places there are.
pub fn waits_for_itself(name: &SemaphoreName, width: u32) -> Error {
    let places = if width == 1 { "the only place".to_owned() } else { format!("all {width} places") };
    Error::permanent(format!(
        "the task would wait for itself: it has {places} of semaphore {name} already, by its @semaphores; \
         take it in one of the two ways"
    ))
}
