//! What was written and may not be on disk yet.

use crate::layer::Error;
use crate::layer::storage::Storage;

/// What was written and may not be on disk yet. Whoever reads sees it at once; a loss of power may take it until
/// [`Written::sync`] has returned.
#[derive(Debug, Default)]
#[must_use = "a loss of power may take it until it is synced"]
pub struct Written(Vec<(Storage, Vec<String>)>);

impl Written {
    /// What stands under these keys, or was deleted there.
    pub(crate) fn new(storage: &Storage, keys: Vec<String>) -> Self {
        Self(if keys.is_empty() { Vec::new() } else { vec![(storage.clone(), keys)] })
    }

    /// Has this wait for the other as well.
    pub fn join(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Waits until it is safe from a loss of power. Takes no processor's time.
    ///
    /// # Errors
    /// If that cannot be said.
    pub fn sync(self) -> Result<(), Error> {
        for (storage, keys) in self.0 {
            storage.sync(keys)?;
        }
        Ok(())
    }
}
