//! The registry: an immutable set of operations and flows, checked as a whole when it is built.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::OperationName;
use semver::Version;

use crate::dependencies::Dependencies;
use crate::entry::{FlowEntry, Info, OperationEntry, Registration};
use crate::flow::FlowSchema;
use crate::operation::Operation;
use crate::problems::Problems;
use crate::resources::Resources;
use crate::validation;

/// An immutable set of operations and flows. There is no global one: build it at start and hand it
/// to whoever needs it.
#[derive(Debug, Default)]
pub struct Registry {
    operations: BTreeMap<OperationName, Vec<Operational>>,
    flows: BTreeMap<OperationName, Vec<Flowing>>,
}

/// An operation of a registry.
#[derive(Clone)]
pub struct Operational {
    /// What is known of it.
    pub info: Arc<Info>,
    /// Its code.
    pub entry: OperationEntry,
}

/// A flow of a registry.
#[derive(Clone)]
pub struct Flowing {
    /// What is known of it.
    pub info: Arc<Info>,
    /// Its code.
    pub entry: FlowEntry,
}

impl Registry {
    /// All operations and flows that are linked into this program by `#[operation]` and `#[flow]`,
    /// the stock ones included.
    ///
    /// # Errors
    /// All problems, not the first only.
    pub fn linked() -> Result<Self, Problems> {
        Self::builder().with_linked().build()
    }

    /// An empty set to add to.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// All operations, by name, then version.
    pub fn operations(&self) -> impl Iterator<Item = &Operational> {
        self.operations.values().flatten()
    }

    /// All flows, by name, then version.
    pub fn flows(&self) -> impl Iterator<Item = &Flowing> {
        self.flows.values().flatten()
    }

    /// The operation of this name and version.
    pub fn operation(&self, name: &OperationName, version: &Version) -> Option<&Operational> {
        self.operations.get(name)?.iter().find(|operation| operation.info.version == *version)
    }

    /// The flow of this name and version.
    pub fn flow(&self, name: &OperationName, version: &Version) -> Option<&Flowing> {
        self.flows.get(name)?.iter().find(|flow| flow.info.version == *version)
    }

    /// All operations, each after those that it requires, otherwise by name, then version.
    pub fn topological(&self) -> Vec<&Operational> {
        let operations: Vec<_> = self.operations().collect();
        let infos: Vec<_> = operations.iter().map(|operation| &*operation.info).collect();
        Dependencies::new(&infos).order().into_iter().map(|index| operations[index]).collect()
    }

    /// What operations need and these resources lack, one message for each operation and type.
    pub fn missing_resources(&self, resources: &Resources) -> Vec<String> {
        let mut missing = Vec::new();
        for operation in self.operations() {
            let source = operation.entry.source();
            for need in operation.entry.needs().iter().filter(|need| !resources.contains((need.id)())) {
                missing.push(format!(
                    "operation {operation:?} at {}:{} needs a resource of type {}; give the worker one with \
                     Resources::with",
                    source.file,
                    source.line,
                    (need.name)()
                ));
            }
        }
        missing
    }
}

/// Gathers the entries of a registry.
#[derive(Default)]
pub struct Builder {
    operations: Vec<OperationEntry>,
    flows: Vec<FlowEntry>,
}

impl Builder {
    /// Adds an operation.
    #[must_use]
    pub fn operation<T: Operation>(self) -> Self {
        self.operation_entry(OperationEntry::of::<T>())
    }

    /// Adds an operation's entry.
    #[must_use]
    pub fn operation_entry(mut self, entry: OperationEntry) -> Self {
        self.operations.push(entry);
        self
    }

    /// Adds a flow.
    #[must_use]
    pub fn flow<S: FlowSchema>(mut self) -> Self {
        self.flows.push(FlowEntry::of::<S>());
        self
    }

    /// Adds all that is linked into this program by `#[operation]` and `#[flow]`.
    #[must_use]
    pub fn with_linked(mut self) -> Self {
        for registration in inventory::iter::<Registration> {
            match registration {
                Registration::Operation(entry) => self.operations.push(entry()),
                Registration::Flow(entry) => self.flows.push(entry()),
            }
        }
        self
    }

    /// Checks everything as a whole.
    ///
    /// # Errors
    /// All problems, not the first only: malformed names, versions, worker types and tags, duplicates
    /// (with both places), requirements that nothing meets, cycles (with their path), arguments that
    /// are no object.
    pub fn build(self) -> Result<Registry, Problems> {
        let (operations, flows) = validation::check(self.operations, self.flows)?;
        let mut registry = Registry::default();
        for operation in operations {
            registry.operations.entry(operation.info.name.clone()).or_default().push(operation);
        }
        for flow in flows {
            registry.flows.entry(flow.info.name.clone()).or_default().push(flow);
        }
        Ok(registry)
    }
}

impl std::fmt::Debug for Operational {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.info.name, self.info.version)
    }
}

impl std::fmt::Debug for Flowing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.info.name, self.info.version)
    }
}
