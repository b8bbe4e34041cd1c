//! Resources: things an operation needs besides its arguments, given by the worker and found by
//! type. They appear in no schema and no message.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use crate::error::Error;

/// The things a worker has for its operations, one of each type.
#[derive(Clone, Default)]
pub struct Resources(HashMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Resources {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one; an earlier one of the same type is replaced.
    #[must_use]
    pub fn with<T: Send + Sync + 'static>(mut self, resource: T) -> Self {
        self.0.insert(TypeId::of::<T>(), Arc::new(resource));
        self
    }

    /// Whether there is one of this type.
    pub fn contains(&self, id: TypeId) -> bool {
        self.0.contains_key(&id)
    }

    /// The one of this type.
    ///
    /// # Errors
    /// If the worker was given none.
    pub fn get<T: Send + Sync + 'static>(&self) -> Result<Resource<T>, Error> {
        let found = self.0.get(&TypeId::of::<T>()).cloned().and_then(|any| any.downcast::<T>().ok());
        found.map(Resource).ok_or_else(|| {
            Error::permanent(format!(
                "this worker has no resource of type {}; give it one with Resources::with",
                type_name::<T>()
            ))
        })
    }
}

impl std::fmt::Debug for Resources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resources({})", self.0.len())
    }
}

/// A resource of type `T`. As a parameter of an `#[operation]` function it is injected.
#[derive(Debug)]
pub struct Resource<T>(Arc<T>);

impl<T> Clone for Resource<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Resource<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}
