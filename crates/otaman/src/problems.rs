//! What can be wrong with a set of operations and flows.

use std::fmt;

use protocol::error::NameError;
use semver::Version;

use crate::descriptor::Source;
use crate::entry::Kind;

/// Everything that is wrong with a set of operations and flows, in an order that depends on
/// nothing but the set.
#[derive(Debug, thiserror::Error)]
pub struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    /// The problems.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

/// An operation or flow, and where it is defined.
#[derive(Debug, Clone)]
pub struct Place {
    /// Operation or flow.
    pub kind: Kind,
    /// Its name, which may be malformed.
    pub name: &'static str,
    /// Where it is defined.
    pub source: Source,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Source { file, line } = self.source;
        write!(f, "{} {} at {file}:{line}", self.kind.as_str(), self.name.escape_debug())
    }
}

/// One thing that is wrong with a set of operations and flows.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A malformed name.
    #[error("{place}: {reason}")]
    Name {
        /// Whose.
        place: Place,
        /// What is wrong with it.
        reason: NameError,
    },
    /// A malformed version.
    #[error("{place}: version {text:?}: {reason}; write for example 1.2.0")]
    Version {
        /// Whose.
        place: Place,
        /// The version.
        text: &'static str,
        /// What is wrong with it.
        reason: semver::Error,
    },
    /// A malformed requirement on spec versions.
    #[error("{place}: spec versions {text:?}: {reason}; write for example <=0.0.2")]
    SpecVersions {
        /// Whose.
        place: Place,
        /// The requirement.
        text: &'static str,
        /// What is wrong with it.
        reason: semver::Error,
    },
    /// A malformed worker type.
    #[error("{place}: worker type: {reason}")]
    WorkerType {
        /// Whose.
        place: Place,
        /// What is wrong with it.
        reason: NameError,
    },
    /// A malformed tag.
    #[error("{place}: tag: {reason}")]
    Tag {
        /// Whose.
        place: Place,
        /// What is wrong with it.
        reason: NameError,
    },
    /// A malformed name of a semaphore.
    #[error("{place}: semaphore: {reason}")]
    Semaphore {
        /// Whose.
        place: Place,
        /// What is wrong with it.
        reason: NameError,
    },
    /// Arguments that are no object.
    #[error(
        "{place}: arguments go by name, so their type must be a struct with named fields; its schema is {found}"
    )]
    Arguments {
        /// Whose.
        place: Place,
        /// What the schema says instead.
        found: String,
    },
    /// Two of one kind with one name and version.
    #[error(
        "{} {name}@{version} is defined twice, at {}:{} and at {}:{}; give one of them another name or version",
        kind.as_str(), first.file, first.line, second.file, second.line
    )]
    Twice {
        /// Operation or flow.
        kind: Kind,
        /// The name.
        name: &'static str,
        /// The version.
        version: &'static str,
        /// One of them.
        first: Source,
        /// The other.
        second: Source,
    },
    /// One name for an operation and a flow.
    #[error(
        "{name} is the name of an operation, at {}:{}, and of a flow, at {}:{}; rename one of them",
        operation.file, operation.line, flow.file, flow.line
    )]
    OperationAndFlow {
        /// The name.
        name: &'static str,
        /// The operation.
        operation: Source,
        /// The flow.
        flow: Source,
    },
    /// A malformed requirement.
    #[error(
        "{place}: requirement {text:?} is malformed; write a name, an @ and versions, such as import@^1.2"
    )]
    Requirement {
        /// Whose.
        place: Place,
        /// The requirement.
        text: &'static str,
    },
    /// A required operation that does not exist.
    #[error("{place}: requires {name}, but there is no such operation{hint}")]
    UnknownOperation {
        /// Whose requirement.
        place: Place,
        /// The operation.
        name: String,
        /// What may be meant.
        hint: Hint,
    },
    /// A required operation of which there are only other versions.
    #[error("{place}: requires {requirement}, but of {name} there is only {}", list(existing))]
    NoVersion {
        /// Whose requirement.
        place: Place,
        /// The requirement.
        requirement: &'static str,
        /// The operation.
        name: String,
        /// Its versions.
        existing: Vec<Version>,
    },
    /// Operations that require each other.
    #[error("operations require each other: {}; drop one of these requirements", path.join(" → "))]
    Cycle {
        /// The way round; its first is its last.
        path: Vec<String>,
    },
}

/// What may be meant by a name that is none.
#[derive(Debug)]
pub enum Hint {
    /// No idea.
    Nothing,
    /// A flow has this name.
    IsFlow,
    /// An operation with a name that is nearly the same.
    Near {
        /// Its name.
        name: String,
        /// Its versions.
        versions: Vec<Version>,
    },
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => Ok(()),
            Self::IsFlow => f.write_str("; it is a flow, and flows cannot be required"),
            Self::Near { name, versions } => write!(f, "; did you mean {name} ({})?", list(versions)),
        }
    }
}

fn list(versions: &[Version]) -> String {
    versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
