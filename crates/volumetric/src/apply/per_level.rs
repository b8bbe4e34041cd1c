//! A setting for all levels at once, or one for each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A setting for all levels at once, or one for each, beginning with the largest chunks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PerLevel<T> {
    /// The same for all.
    All(T),
    /// One for each.
    Each(Vec<T>),
}

impl<T: Copy> PerLevel<T> {
    /// For each of so many levels; `None` if there are more or fewer.
    pub fn for_levels(&self, count: usize) -> Option<Vec<T>> {
        match self {
            Self::All(value) => Some(vec![*value; count]),
            Self::Each(values) => (values.len() == count).then(|| values.clone()),
        }
    }

    /// How many there are, if there is one for each.
    pub fn count(&self) -> Option<usize> {
        match self {
            Self::All(_) => None,
            Self::Each(values) => Some(values.len()),
        }
    }
}

impl<T: Default> Default for PerLevel<T> {
    fn default() -> Self {
        Self::All(T::default())
    }
}
