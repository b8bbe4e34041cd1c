//! What specs are checked against: the operations and flows of a registry, and operations that
//! are only known by what workers announce of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use protocol::OperationName;
use semver::Version;

use crate::entry::{FlowEntry, Info, Kind, OperationEntry};
use crate::registry::Registry;
use crate::spec::checker::Checker;
use crate::spec::describe::quoted;
use crate::spec::entry_points::EntryPoint;
use crate::spec::nearest::{listed, nearest};
use crate::spec::options;

/// What specs are checked against. It also makes tasks and flows of targets.
#[derive(Debug)]
pub struct Catalog {
    entries: BTreeMap<OperationName, Vec<Arc<Entry>>>,
    pub(crate) options: Checker,
    pub(crate) entry_points: Vec<EntryPoint>,
    pub(crate) standard_input: Option<PathBuf>,
}

/// An operation or a flow of a catalog.
pub(crate) struct Entry {
    pub(crate) info: Arc<Info>,
    pub(crate) code: Code,
    checker: OnceLock<Checker>,
}

/// What there is of an entry besides its description.
pub(crate) enum Code {
    Operation(OperationEntry),
    Flow(FlowEntry),
    /// Only workers have it.
    Announced,
}

/// Why no entry was selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unselected {
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
    /// Whether the version is at fault, not the name.
    pub(crate) version: bool,
}

impl Catalog {
    /// Of a registry.
    pub fn new(registry: &Registry) -> Self {
        let mut catalog = Self {
            entries: BTreeMap::new(),
            options: Checker::new(&options::schema()),
            entry_points: EntryPoint::all(),
            standard_input: None,
        };
        for operation in registry.operations() {
            catalog.insert(&operation.info, Code::Operation(operation.entry.clone()));
        }
        for flow in registry.flows() {
            catalog.insert(&flow.info, Code::Flow(flow.entry.clone()));
        }
        catalog
    }

    /// Adds operations that workers have announced. What the registry has stays as it is; flows
    /// are left out, since they need their code here.
    #[must_use]
    pub fn with_announced(mut self, announced: impl IntoIterator<Item = Info>) -> Self {
        for info in announced.into_iter().filter(|info| info.kind == Kind::Operation) {
            let known = self.entries.get(&info.name).into_iter().flatten();
            if !known.into_iter().any(|entry| entry.info.version == info.version) {
                self.insert(&Arc::new(info), Code::Announced);
            }
        }
        self
    }

    /// Says where the coordinator has put what came on its standard input.
    #[must_use]
    pub fn with_standard_input(mut self, file: PathBuf) -> Self {
        self.standard_input = Some(file);
        self
    }

    /// What is known of each operation and flow, by name, then version.
    pub fn infos(&self) -> impl Iterator<Item = &Info> {
        self.entries.values().flatten().map(|entry| &*entry.info)
    }

    fn insert(&mut self, info: &Arc<Info>, code: Code) {
        let versions = self.entries.entry(info.name.clone()).or_default();
        versions.push(Arc::new(Entry { info: Arc::clone(info), code, checker: OnceLock::new() }));
        versions.sort_by(|a, b| a.info.version.cmp(&b.info.version));
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(OperationName::as_str)
    }

    /// The entry for a name and the `@version` that holds there.
    pub(crate) fn select(&self, name: &str, version: Option<&Version>) -> Result<&Arc<Entry>, Unselected> {
        let Some(entries) = self.entries.get(name) else { return Err(self.unknown(name)) };
        let Some(version) = version else {
            return entries.last().ok_or_else(|| self.unknown(name));
        };
        let matching = || entries.iter().filter(|entry| entry.info.spec_versions.matches(version));
        let exact = || matching().find(|entry| entry.info.version == *version);
        let mut all = matching();
        match (all.next(), all.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Unselected {
                message: no_version(name, version, entries),
                suggestion: None,
                version: true,
            }),
            (Some(_), Some(_)) => exact().ok_or_else(|| Unselected {
                message: several_versions(name, version, matching()),
                suggestion: None,
                version: true,
            }),
        }
    }

    fn unknown(&self, name: &str) -> Unselected {
        let suggestion = nearest(name, self.names()).map(str::to_owned);
        let mut message = format!("unknown operation or flow {}", quoted(name));
        if suggestion.is_none() {
            let names: Vec<&str> = self.names().collect();
            message.push_str(&match names.as_slice() {
                [] => "; none is known here, so link some or start a worker that has some".to_owned(),
                names => format!("; known are {}", listed(names, "and")),
            });
        }
        Unselected { message, suggestion, version: false }
    }
}

fn no_version(name: &str, version: &Version, entries: &[Arc<Entry>]) -> String {
    let versions: Vec<String> = entries.iter().map(|entry| accepts(&entry.info)).collect();
    let versions = versions.join("; ");
    format!(
        "no version of {name:?} is for \"@version\" {version}; there is {versions}; set \"@version\" on this object"
    )
}

fn several_versions<'e>(
    name: &str,
    version: &Version,
    entries: impl Iterator<Item = &'e Arc<Entry>>,
) -> String {
    let versions: Vec<String> = entries.map(|entry| format!("\"{}\"", entry.info.version)).collect();
    let versions = listed(&versions, "or");
    format!(
        "several versions of {name:?} are for \"@version\" {version}; choose one with \"@version\": {versions} on this object"
    )
}

fn accepts(info: &Info) -> String {
    format!("{} for {}", info.version, info.spec_versions)
}

impl Entry {
    /// `operation "resize"`.
    pub(crate) fn subject(&self) -> String {
        format!("{} \"{}\"", self.info.kind.as_str(), self.info.name)
    }

    /// Its argument schema, compiled when first asked for.
    pub(crate) fn checker(&self) -> &Checker {
        self.checker.get_or_init(|| Checker::new(&self.info.arguments))
    }
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.info.name, self.info.version)
    }
}
