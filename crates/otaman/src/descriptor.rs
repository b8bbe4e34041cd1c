//! What an operation or a flow says about itself.

use std::time::Duration;

use protocol::{Isolation, RetryPolicy};

/// What an operation or flow says about itself. Checked when a registry is built, not here.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Descriptor {
    /// Name by which specs and messages refer to it.
    pub name: &'static str,
    /// Semantic version; part of the ids of its tasks.
    pub version: &'static str,
    /// Which `@version` of a spec selects it, as a semver requirement; `*` for any.
    pub spec_versions: &'static str,
    /// What it does, in Markdown.
    pub description: &'static str,
    /// Words to find it by.
    pub tags: &'static [&'static str],
    /// Who to ask about it.
    pub author: Option<&'static str>,
    /// Which workers run it.
    pub worker_type: &'static str,
    /// Longest that one attempt may take.
    pub runtime_limit: Option<Duration>,
    /// How failed attempts are tried again.
    pub retry: Option<RetryPolicy>,
    /// What it shares with the worker.
    pub isolation: Isolation,
    /// Most memory that one attempt may take, in bytes; it then has a process of its own.
    pub memory_limit: Option<u64>,
    /// Semaphores of which an attempt holds a place each while it runs.
    pub semaphores: &'static [&'static str],
    /// Operations it depends on, each `name@requirement`, such as `import@^1.2`.
    pub requires: &'static [&'static str],
    /// Where it is defined.
    pub source: Source,
}

/// A place in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The file.
    pub file: &'static str,
    /// The line, from 1.
    pub line: u32,
}

impl Descriptor {
    /// A description with nothing but a name, a version and the caller's place.
    #[track_caller]
    pub const fn new(name: &'static str, version: &'static str) -> Self {
        let place = std::panic::Location::caller();
        Self {
            name,
            version,
            spec_versions: "*",
            description: "",
            tags: &[],
            author: None,
            worker_type: "cpu",
            runtime_limit: None,
            retry: None,
            isolation: Isolation::None,
            memory_limit: None,
            semaphores: &[],
            requires: &[],
            source: Source { file: place.file(), line: place.line() },
        }
    }

    /// Says what it does, in Markdown.
    #[must_use]
    pub const fn description(mut self, description: &'static str) -> Self {
        self.description = description;
        self
    }

    /// Restricts the spec `@version`s that select it, as a semver requirement such as `<=0.0.2`.
    #[must_use]
    pub const fn spec_versions(mut self, requirement: &'static str) -> Self {
        self.spec_versions = requirement;
        self
    }

    /// Sets the words to find it by.
    #[must_use]
    pub const fn tags(mut self, tags: &'static [&'static str]) -> Self {
        self.tags = tags;
        self
    }

    /// Says who to ask about it.
    #[must_use]
    pub const fn author(mut self, author: &'static str) -> Self {
        self.author = Some(author);
        self
    }

    /// Says which workers run it; `cpu` unless said.
    #[must_use]
    pub const fn worker_type(mut self, worker_type: &'static str) -> Self {
        self.worker_type = worker_type;
        self
    }

    /// Limits one attempt's time.
    #[must_use]
    pub const fn runtime_limit(mut self, limit: Duration) -> Self {
        self.runtime_limit = Some(limit);
        self
    }

    /// Says how failed attempts are tried again.
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Says what it shares with the worker.
    #[must_use]
    pub const fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = isolation;
        self
    }

    /// Limits one attempt's memory, in bytes, and gives it a process of its own.
    #[must_use]
    pub const fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit = Some(bytes);
        self
    }

    /// Names semaphores of which an attempt holds a place each while it runs, such as `cuda`. How many
    /// places there are on a machine is for its workers to say.
    #[must_use]
    pub const fn semaphores(mut self, semaphores: &'static [&'static str]) -> Self {
        self.semaphores = semaphores;
        self
    }

    /// Names operations it depends on, each `name@requirement`.
    #[must_use]
    pub const fn requires(mut self, requires: &'static [&'static str]) -> Self {
        self.requires = requires;
        self
    }
}
