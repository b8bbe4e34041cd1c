//! Handles: what a flow holds of its children, and where their ends are told.

use std::marker::PhantomData;
use std::sync::{Arc, OnceLock, Weak};

use protocol::{Ending, Failure, Outcome, Value};
use serde::de::DeserializeOwned;

use crate::collect::Cells;
use crate::error::Error;
use crate::running::{Awaited, NodeId};

/// How a child ended, as its flow is told.
#[derive(Debug, Clone)]
pub enum Settlement {
    /// A task ended.
    Task(Arc<Outcome>),
    /// A flow ended.
    Flow(Result<Value, Arc<Failure>>),
    /// It never ran and never will: something it depends on failed, or this is only a plan.
    Unknown,
}

impl Settlement {
    /// The value, the failure, or neither.
    pub fn value(&self) -> Option<Result<&Value, &Failure>> {
        match self {
            Self::Task(outcome) => match &outcome.ending {
                Ending::Succeeded(value) => Some(Ok(value)),
                Ending::Failed(failure) => Some(Err(failure)),
                Ending::Cancelled => None,
            },
            Self::Flow(Ok(value)) => Some(Ok(value)),
            Self::Flow(Err(failure)) => Some(Err(failure)),
            Self::Unknown => None,
        }
    }
}

/// Where a handle finds how its child ended.
pub(crate) type Slot = Arc<OnceLock<Settlement>>;

/// Where a child's end is to be told. What the flow no longer holds is not kept for it.
#[derive(Debug)]
pub struct Sink(Kind);

#[derive(Debug)]
enum Kind {
    Slot(Weak<OnceLock<Settlement>>),
    Cell(Weak<Cells>, usize),
}

impl Sink {
    pub(crate) fn slot(slot: &Slot) -> Self {
        Self(Kind::Slot(Arc::downgrade(slot)))
    }

    pub(crate) fn cell(cells: &Arc<Cells>, index: usize) -> Self {
        Self(Kind::Cell(Arc::downgrade(cells), index))
    }

    /// Tells how the child ended. The first telling counts.
    pub fn tell(&self, settlement: &Settlement) {
        match &self.0 {
            Kind::Slot(slot) => {
                if let Some(slot) = slot.upgrade() {
                    // An error means that it was told before, which is harmless.
                    let _ = slot.set(settlement.clone());
                }
            }
            Kind::Cell(cells, index) => {
                if let Some(cells) = cells.upgrade() {
                    cells.set(*index, settlement);
                }
            }
        }
    }
}

/// A flow's hold on one of its children. Dropping it forgets the child's value, not the child.
#[derive(Debug)]
pub struct Handle<T> {
    id: NodeId,
    slot: Slot,
    output: PhantomData<fn() -> T>,
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self { id: self.id, slot: Arc::clone(&self.slot), output: PhantomData }
    }
}

impl<T> Handle<T> {
    pub(crate) fn new(id: NodeId) -> Self {
        Self { id, slot: Arc::default(), output: PhantomData }
    }

    pub(crate) fn sink(&self) -> Sink {
        Sink::slot(&self.slot)
    }

    pub(crate) fn awaited(&self) -> Awaited {
        Awaited { id: self.id, slot: Some(Arc::clone(&self.slot)) }
    }

    /// The child's identity.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Whether it is done, well or badly.
    pub fn is_done(&self) -> bool {
        self.slot.get().is_some()
    }

    /// Whether it is done and failed.
    pub fn is_failed(&self) -> bool {
        matches!(self.slot.get().and_then(Settlement::value), Some(Err(_)))
    }

    /// Its failure, if it is done and failed.
    pub fn failure(&self) -> Option<&Failure> {
        self.slot.get().and_then(Settlement::value).and_then(Result::err)
    }

    /// Its value, undecoded.
    ///
    /// # Errors
    /// If it failed, or is not done: wait for it first.
    pub fn raw(&self) -> Result<Value, Error> {
        let settlement = self.slot.get().ok_or_else(|| {
            Error::permanent(format!(
                "the value of {} was read before it was done; wait for it first",
                self.id
            ))
        })?;
        match settlement.value() {
            Some(Ok(value)) => Ok(value.clone()),
            Some(Err(failure)) => {
                Err(Error::from_failure(failure.clone()).context(format!("{} failed", self.id)))
            }
            None => {
                crate::running::note_undecided();
                Err(Error::undecided(&self.id))
            }
        }
    }
}

impl<T: DeserializeOwned> Handle<T> {
    /// Its value.
    ///
    /// # Errors
    /// If it failed, is not done (wait for it first), or its value is of another type.
    pub fn value(&self) -> Result<T, Error> {
        let value = self.raw()?;
        value
            .decode()
            .map_err(|error| Error::from(error).context(format!("reading the value of {}", self.id)))
    }
}
