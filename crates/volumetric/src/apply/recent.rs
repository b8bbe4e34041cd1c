//! What tasks of this process have opened lately: most tasks that come one after another are of one flow, and opening its
//! layers anew for each would read their metadata each time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use otaman::Context;

/// How many different flows' things are kept.
const MOST: usize = 8;

/// What was opened lately, by execution and by the text that it was opened from. A later execution opens everything anew,
/// since somebody may have made another layer in the same place.
pub(crate) struct Recent<T> {
    /// A std mutex: it is held for a look-up, never while something is opened.
    opened: Mutex<VecDeque<(String, String, T)>>,
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
        let is_it = |(of, from, _): &&(String, String, T)| *of == execution && from == text;
        if let Some((.., found)) = lock().iter().find(is_it) {
            return Ok(found.clone());
        }
        let found = open()?;
        let mut opened = lock();
        opened.truncate(MOST - 1);
        opened.push_front((execution, text.to_owned(), found.clone()));
        Ok(found)
    }
}
