//! Semaphores of one process, for tests.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use protocol::{SemaphoreName, SemaphoreWidths, Width};
use tokio::sync::Semaphore;

use crate::error::Error;
use crate::semaphores::{Permit, Semaphores, waits_for_itself};

/// Semaphores of one process: the stock ones have one place each.
#[derive(Default)]
pub(crate) struct LocalSemaphores {
    widths: SemaphoreWidths,
    /// Those used so far. A std mutex: it is held to look one up.
    used: Mutex<BTreeMap<SemaphoreName, Arc<Semaphore>>>,
}

impl LocalSemaphores {
    pub(crate) fn new(widths: SemaphoreWidths) -> Self {
        Self { widths, used: Mutex::default() }
    }

    async fn take(&self, name: &SemaphoreName, held: u32) -> Result<Permit, Error> {
        let width = match self.widths.get(name) {
            Some(Width::Given(width)) => width.get(),
            Some(Width::Stock) => NonZeroU32::MIN.get(),
            None => {
                return Err(Error::permanent(format!(
                    "unknown semaphore {name}; there are {}; add it with Runner::with_semaphores",
                    self.widths.known()
                )));
            }
        };
        if held >= width {
            return Err(waits_for_itself(name, width));
        }
        let semaphore = {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(used.entry(name.clone()).or_insert_with(|| Arc::new(Semaphore::new(width as usize))))
        };
        let permit = semaphore.acquire_owned().await.expect("these semaphores are never closed");
        Ok(Permit::new(name.clone(), permit))
    }
}

impl Semaphores for LocalSemaphores {
    fn acquire<'a>(&'a self, name: &'a SemaphoreName, held: u32) -> BoxFuture<'a, Result<Permit, Error>> {
        self.take(name, held).boxed()
    }
}
