//! What tasks of this process have opened lately: most tasks that come one after another are of one flow, and opening its
//! layers anew for each would read their metadata each time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use otaman::Context;

/// How many different flows' things are kept.
const MOST: usize = 8;

/// For how long. Somebody may delete an execution with its layers and start another of the same name.
const KEPT: Duration = Duration::from_secs(60);

/// What was opened lately, by execution and by the text that it was opened from. A later execution opens everything anew,
/// since somebody may have made another layer in the same place.
pub(crate) struct Recent<T> {
    /// A std mutex: it is held for a look-up, never while something is opened.
    opened: Mutex<VecDeque<Opened<T>>>,
}

struct Opened<T> {
    execution: String,
    text: String,
    at: Instant,
    value: T,
}

impl<T: Clone> Recent<T> {
    /// Nothing yet.
    pub(crate) const fn new() -> Self {
        Self { opened: Mutex::new(VecDeque::new()) }
    }

    /// What was opened from this text, or is now.
    ///
    /// # Errors
    /// If it cannot be opened; then the next one tries again.
    pub(crate) fn get<E>(
        &self,
        context: &Context,
        text: &str,
        open: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let execution = context.execution().to_string();
        let lock = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it =
            |one: &&Opened<T>| one.execution == execution && one.text == text && one.at.elapsed() < KEPT;
        if let Some(found) = lock().iter().find(is_it) {
            return Ok(found.value.clone());
        }
        let value = open()?;
        let mut opened = lock();
        opened.truncate(MOST - 1);
        opened.push_front(Opened {
            execution,
            text: text.to_owned(),
            at: Instant::now(),
            value: value.clone(),
        });
        Ok(value)
    }
}
