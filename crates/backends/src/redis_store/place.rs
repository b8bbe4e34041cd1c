//! How errors name what they are about.

use protocol::ExecutionId;

use crate::redis::Redis;
use crate::store::Error;

/// Says what could not be done to an execution.
pub(super) fn medium<E>(action: &'static str, redis: &Redis, id: &ExecutionId) -> impl FnOnce(E) -> Error
where
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    move |source| Error::Medium { action, place: place(redis, id), source: source.into() }
}

/// An execution's place, for people.
pub(super) fn place(redis: &Redis, id: &ExecutionId) -> String {
    format!("execution {id} in {}", redis.place())
}
