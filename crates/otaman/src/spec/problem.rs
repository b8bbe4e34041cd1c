//! Problems of a spec as its author sees them, and notes about what is accepted without effect.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value as Json;

/// One thing that is wrong with a spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Name of the spec, mostly of its file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Where it is in the JSON, such as `$.stages[1].argv`.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
    /// A name that was perhaps meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, path, message, suggestion } = self;
        write!(f, "{file}:{line}:{column}: {path}: {message}")?;
        match suggestion {
            Some(name) => write!(f, "; did you mean {}?", Json::from(name.as_str())),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a spec, in the order of the text, up to a hundred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    pub(crate) list: Vec<Problem>,
    pub(crate) more: usize,
}

impl Problems {
    /// The problems.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// How many more there are, at least.
    pub fn more(&self) -> usize {
        self.more
    }

    /// The problems as a JSON list of objects, for programs.
    pub fn to_json(&self) -> Json {
        // Problems are plain strings and numbers.
        serde_json::to_value(&self.list).expect("problems have a JSON form")
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Problems {}

/// Something in a spec that is accepted but has no effect here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Name of the spec, mostly of its file.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Where it is in the JSON.
    pub path: String,
    /// What has no effect, and why.
    pub message: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, path, message } = self;
        write!(f, "{file}:{line}:{column}: {path}: {message}")
    }
}
