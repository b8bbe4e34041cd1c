//! The items, one at a time: a million of them take no more memory than one.

use glob::{MatchOptions, Paths};
use serde_json::Value as Json;

use crate::error::Error;
use crate::stock::map_flow::lines::Lines;
use crate::stock::map_flow::over::{Over, Range};
use crate::target::Resolve;

/// As shells do it: `*` matches neither a separator nor a leading dot.
const LIKE_A_SHELL: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The items of something, in order. Files are read as items are asked for; that is quick enough to
/// be done where the flow runs.
pub(super) enum Items<'a> {
    Range(Range, u64),
    List(std::slice::Iter<'a, Json>),
    Glob(Box<Paths>),
    Lines(Lines),
}

impl<'a> Items<'a> {
    /// Gets at the items.
    ///
    /// # Errors
    /// If a file is missing or a pattern malformed.
    pub(super) fn open(over: &'a Over, resolver: &dyn Resolve) -> Result<Self, Error> {
        match over {
            Over::Range(range) => Ok(Self::Range(*range, 0)),
            Over::List(items) => Ok(Self::List(items.iter())),
            Over::Glob(pattern) => paths(pattern).map(|paths| Self::Glob(Box::new(paths))),
            Over::Lines(path) => Lines::open(path, resolver).map(Self::Lines),
        }
    }
}

/// The matching paths; sorted within each directory.
fn paths(pattern: &str) -> Result<Paths, Error> {
    let is_plain = !pattern.contains(['*', '?', '[']);
    if is_plain && let Err(error) = std::fs::symlink_metadata(pattern) {
        let message = format!("nothing is at {pattern:?}, which has no wildcard; correct the path");
        return Err(Error::from(error).context(message));
    }
    glob::glob_with(pattern, LIKE_A_SHELL)
        .map_err(|error| Error::from(error).context(format!("{pattern:?} is not a pattern")))
}

impl Items<'_> {
    /// How many there are, where that is known without reading them.
    pub(super) fn known_count(&self) -> Option<u64> {
        match self {
            Self::Range(range, _) => Some(range.count()),
            Self::List(items) => Some(items.len() as u64),
            Self::Glob(_) | Self::Lines(_) => None,
        }
    }
}

impl Iterator for Items<'_> {
    type Item = Result<Json, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Range(range, index) => {
                let number = range.get(*index)?;
                *index += 1;
                Some(Ok(number.into()))
            }
            Self::List(items) => items.next().cloned().map(Ok),
            Self::Glob(paths) => next_path(paths),
            Self::Lines(lines) => lines.next().map(|line| line.map(Json::from)),
        }
    }
}

fn next_path(paths: &mut Paths) -> Option<Result<Json, Error>> {
    // The library panics at names that are not UTF-8 instead of telling them.
    let next = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| paths.next()));
    let Ok(next) = next else {
        return Some(Err(Error::permanent(
            "a file name among those of the glob is not UTF-8; rename the file",
        )));
    };
    Some(
        next?
            .map_err(|error| {
                let place = format!("cannot look into {}", error.path().display());
                Error::from(std::io::Error::from(error)).context(place)
            })
            .and_then(|path| match path.into_os_string().into_string() {
                Ok(path) => Ok(path.into()),
                Err(path) => Err(Error::permanent(format!("path {path:?} is not UTF-8; rename it"))),
            }),
    )
}
