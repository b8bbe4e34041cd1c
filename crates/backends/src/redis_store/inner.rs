//! What all parts of the store share.

use std::sync::Arc;

use super::scripts::Scripts;
use crate::redis::Redis;

/// A cheap handle.
#[derive(Debug, Clone)]
pub(super) struct Inner {
    pub(super) redis: Redis,
    pub(super) prefix: Arc<str>,
    pub(super) scripts: Arc<Scripts>,
}
