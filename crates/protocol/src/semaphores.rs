//! Semaphores as they are configured: names and widths.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::names::{NameError, SemaphoreName};

/// Semaphores that there are without being configured; the names that Mazepa has.
const STOCK: [&str; 5] = ["cpu", "cuda", "read", "tensorrt", "write"];

/// Most places that a semaphore may have.
const MAX_WIDTH: u32 = 1024;

/// Why a text does not configure a semaphore.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WidthError {
    /// There is no `=`.
    #[error("{0:?} has no width; write for example cuda=1")]
    Missing(String),
    /// The name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Nobody could ever hold it.
    #[error(
        "semaphore {0} with width 0 would let nobody in; give it at least 1, or send no work here that needs it"
    )]
    Zero(SemaphoreName),
    /// The width is none.
    #[error("the width {width:?} of semaphore {name} is not a whole number from 1 to {MAX_WIDTH}")]
    Width {
        /// The semaphore.
        name: SemaphoreName,
        /// What was given.
        width: String,
    },
}

/// A semaphore was configured twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("semaphore {0} is given twice; give each one width")]
pub struct TwiceError(SemaphoreName);

/// One semaphore's width, written as `cuda=1`: how many may hold it at once on a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SemaphoreWidth {
    /// The semaphore.
    pub name: SemaphoreName,
    /// How many may hold it at once.
    pub width: NonZeroU32,
}

/// All semaphores that may be used: those that were given a width, and the stock ones `read`,
/// `write`, `cuda`, `cpu` and `tensorrt`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SemaphoreWidths(BTreeMap<SemaphoreName, NonZeroU32>);

/// How wide a semaphore is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// As it was given.
    Given(NonZeroU32),
    /// As others on the machine have it, or 1.
    Stock,
}

impl FromStr for SemaphoreWidth {
    type Err = WidthError;
    fn from_str(text: &str) -> Result<Self, WidthError> {
        let (name, width) = text.split_once('=').ok_or_else(|| WidthError::Missing(text.to_owned()))?;
        let name = SemaphoreName::new(name)?;
        match width.parse::<u32>().map(NonZeroU32::new) {
            Ok(None) => Err(WidthError::Zero(name)),
            Ok(Some(width)) if width.get() <= MAX_WIDTH => Ok(Self { name, width }),
            Ok(Some(_)) | Err(_) => Err(WidthError::Width { name, width: width.to_owned() }),
        }
    }
}

impl fmt::Display for SemaphoreWidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.width)
    }
}

impl Serialize for SemaphoreWidth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SemaphoreWidth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl SemaphoreWidths {
    /// These, and the stock ones.
    ///
    /// # Errors
    /// If one of them is given twice.
    pub fn new(given: impl IntoIterator<Item = SemaphoreWidth>) -> Result<Self, TwiceError> {
        let mut widths = BTreeMap::new();
        for SemaphoreWidth { name, width } in given {
            if widths.insert(name.clone(), width).is_some() {
                return Err(TwiceError(name));
            }
        }
        Ok(Self(widths))
    }

    /// How wide a semaphore is to be; `None` if it is neither given nor a stock one.
    pub fn get(&self, name: &SemaphoreName) -> Option<Width> {
        match self.0.get(name) {
            Some(width) => Some(Width::Given(*width)),
            None if STOCK.contains(&name.as_str()) => Some(Width::Stock),
            None => None,
        }
    }

    /// Those that were given, by name.
    pub fn given(&self) -> impl Iterator<Item = (&SemaphoreName, NonZeroU32)> {
        self.0.iter().map(|(name, width)| (name, *width))
    }

    /// The names of all that may be used, in order, for people.
    pub fn known(&self) -> String {
        let mut names: Vec<&str> =
            STOCK.iter().copied().chain(self.0.keys().map(SemaphoreName::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widths(given: &[&str]) -> SemaphoreWidths {
        SemaphoreWidths::new(given.iter().map(|text| text.parse().unwrap())).unwrap()
    }

    #[test]
    fn a_width_is_written_behind_the_name() {
        let width: SemaphoreWidth = "disk.a_1-b=12".parse().unwrap();
        assert_eq!((width.name.as_str(), width.width.get()), ("disk.a_1-b", 12));
        assert_eq!(width.to_string(), "disk.a_1-b=12");
    }

    #[test]
    fn what_is_no_width_is_refused_with_the_cure() {
        for (text, cure) in [
            ("cuda", "write for example cuda=1"),
            ("cuda=0", "give it at least 1"),
            ("cuda=-1", "a whole number from 1 to 1024"),
            ("cuda=1025", "a whole number from 1 to 1024"),
            ("cuda=", "a whole number from 1 to 1024"),
            ("=1", "1 to 128 characters"),
            ("a/b=1", "1 to 128 characters"),
        ] {
            let error = text.parse::<SemaphoreWidth>().unwrap_err().to_string();
            assert!(error.contains(cure), "{text}: {error}");
        }
    }

    #[test]
    fn stock_names_are_there_and_others_only_if_given() {
        let widths = widths(&["read=8", "disk=2"]);
        let width = |name: &str| widths.get(&name.parse().unwrap());
        assert_eq!(width("read"), NonZeroU32::new(8).map(Width::Given));
        assert_eq!(width("disk"), NonZeroU32::new(2).map(Width::Given));
        assert_eq!((width("cuda"), width("net")), (Some(Width::Stock), None));
        assert_eq!(widths.known(), "cpu, cuda, disk, read, tensorrt, write");
    }

    #[test]
    fn a_name_has_one_width() {
        let given = ["read=8", "read=8"].map(|text| text.parse().unwrap());
        let error = SemaphoreWidths::new(given).unwrap_err().to_string();
        assert_eq!(error, "semaphore read is given twice; give each one width");
    }
}
