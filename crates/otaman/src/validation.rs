//! Checks a set of operations and flows as a whole and finds all that is wrong with it at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::error::NameError;
use protocol::{OperationName, SemaphoreName};
use semver::{Version, VersionReq};
use serde_json::Value as Json;

use crate::dependencies::Dependencies;
use crate::descriptor::Descriptor;
use crate::entry::{FlowEntry, Info, Kind, OperationEntry, Requirement};
use crate::problems::{Hint, Place, Problem, Problems};
use crate::registry::{Flowing, Operational};

/// The entries with what is known of them, sorted by name and version.
pub(crate) fn check(
    mut operations: Vec<OperationEntry>,
    mut flows: Vec<FlowEntry>,
) -> Result<(Vec<Operational>, Vec<Flowing>), Problems> {
    // The linker's order is nobody's choice; sorted, the problems come in the same order always.
    operations.sort_by_key(|entry| order(&entry.descriptor));
    flows.sort_by_key(|entry| order(&entry.descriptor));
    let of_operations =
        operations.iter().map(|entry| Checked::new(Kind::Operation, &entry.descriptor, entry.schema));
    let of_flows = flows.iter().map(|entry| Checked::new(Kind::Flow, &entry.descriptor, entry.schema));
    let mut checked: Vec<_> = of_operations.chain(of_flows).collect();

    let mut problems: Vec<_> = checked.iter_mut().flat_map(|one| std::mem::take(&mut one.problems)).collect();
    problems.extend(clashes(&checked));
    problems.extend(unmet(&checked));
    problems.extend(cycles(&checked));
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    // Without problems there is an info for each entry.
    let mut infos = checked.into_iter().filter_map(|one| one.info.map(Arc::new));
    let mut operations: Vec<_> =
        operations.into_iter().zip(infos.by_ref()).map(|(entry, info)| Operational { info, entry }).collect();
    let mut flows: Vec<_> =
        flows.into_iter().zip(infos).map(|(entry, info)| Flowing { info, entry }).collect();
    operations.sort_by(|a, b| (&a.info.name, &a.info.version).cmp(&(&b.info.name, &b.info.version)));
    flows.sort_by(|a, b| (&a.info.name, &a.info.version).cmp(&(&b.info.name, &b.info.version)));
    Ok((operations, flows))
}

fn order(descriptor: &Descriptor) -> (&'static str, &'static str, &'static str, u32) {
    (descriptor.name, descriptor.version, descriptor.source.file, descriptor.source.line)
}

/// An entry as far as it could be understood.
struct Checked {
    place: Place,
    version: &'static str,
    requirements: Vec<(&'static str, Requirement)>,
    /// `None` if something in it is malformed.
    info: Option<Info>,
    problems: Vec<Problem>,
}

impl Checked {
    fn new(kind: Kind, descriptor: &Descriptor, schema: fn() -> Json) -> Self {
        let place = Place { kind, name: descriptor.name, source: descriptor.source };
        let mut problems = Vec::new();
        let name = descriptor.name.parse();
        let name = noted(name, &mut problems, |reason| Problem::Name { place: place.clone(), reason });
        let text = descriptor.version;
        let version = noted(text.parse(), &mut problems, |reason| Problem::Version {
            place: place.clone(),
            text,
            reason,
        });
        let text = descriptor.spec_versions;
        let spec_versions = noted(text.parse(), &mut problems, |reason| Problem::SpecVersions {
            place: place.clone(),
            text,
            reason,
        });
        let worker_type = descriptor.worker_type.parse();
        let worker_type =
            noted(worker_type, &mut problems, |reason| Problem::WorkerType { place: place.clone(), reason });
        for tag in descriptor.tags {
            // A tag is one word, in the grammar of names.
            let tag: Result<OperationName, NameError> = tag.parse();
            noted(tag, &mut problems, |reason| Problem::Tag { place: place.clone(), reason });
        }
        let mut semaphores: Vec<SemaphoreName> = Vec::new();
        for &name in descriptor.semaphores {
            let name = name.parse();
            semaphores.extend(noted(name, &mut problems, |reason| Problem::Semaphore {
                place: place.clone(),
                reason,
            }));
        }
        let mut requirements = Vec::new();
        for &text in descriptor.requires {
            match requirement(text) {
                Some(requirement) => requirements.push((text, requirement)),
                None => problems.push(Problem::Requirement { place: place.clone(), text }),
            }
        }
        let arguments = schema();
        if arguments.get("type").and_then(Json::as_str) != Some("object") {
            let found =
                arguments.get("type").map_or("of no one type".to_owned(), |found| format!("of type {found}"));
            problems.push(Problem::Arguments { place: place.clone(), found });
        }
        let info = match (name, version, spec_versions, worker_type) {
            (Some(name), Some(version), Some(spec_versions), Some(worker_type)) => Some(Info {
                kind,
                name,
                version,
                spec_versions,
                description: descriptor.description.to_owned(),
                tags: descriptor.tags.iter().map(|tag| (*tag).to_owned()).collect(),
                author: descriptor.author.map(str::to_owned),
                worker_type,
                runtime_limit: descriptor.runtime_limit,
                retry: descriptor.retry.clone(),
                isolation: descriptor.isolation,
                memory_limit: descriptor.memory_limit,
                semaphores,
                requires: requirements.iter().map(|(_, requirement)| requirement.clone()).collect(),
                arguments,
            }),
            _ => None,
        };
        Self { place, version: descriptor.version, requirements, info, problems }
    }

    fn version(&self) -> Option<&Version> {
        self.info.as_ref().map(|info| &info.version)
    }
}

fn noted<T, E>(
    result: Result<T, E>,
    problems: &mut Vec<Problem>,
    problem: impl FnOnce(E) -> Problem,
) -> Option<T> {
    result.map_err(|reason| problems.push(problem(reason))).ok()
}

fn requirement(text: &str) -> Option<Requirement> {
    let (name, versions) = text.split_once('@')?;
    Some(Requirement { name: name.parse().ok()?, versions: versions.parse::<VersionReq>().ok()? })
}

/// Names and versions that are taken twice.
fn clashes(checked: &[Checked]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut by_name = BTreeMap::<_, Vec<&Checked>>::new();
    for one in checked {
        by_name.entry(one.place.name).or_default().push(one);
    }
    for (name, same_name) in by_name {
        let mut firsts = BTreeMap::new();
        for &second in &same_name {
            let kind = second.place.kind;
            let first = *firsts.entry((kind.as_str(), second.version)).or_insert(second);
            if !std::ptr::eq(first, second) {
                let (version, first, second) = (second.version, first.place.source, second.place.source);
                problems.push(Problem::Twice { kind, name, version, first, second });
            }
        }
        let first = |kind| same_name.iter().find(|one| one.place.kind == kind).map(|one| one.place.source);
        if let (Some(operation), Some(flow)) = (first(Kind::Operation), first(Kind::Flow)) {
            problems.push(Problem::OperationAndFlow { name, operation, flow });
        }
    }
    problems
}

/// Requirements that nothing here meets.
fn unmet(checked: &[Checked]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for one in checked {
        for (text, requirement) in &one.requirements {
            let place = one.place.clone();
            let named = || checked.iter().filter(|other| other.place.name == requirement.name.as_str());
            let candidates: Vec<_> = named().filter(|other| other.place.kind == Kind::Operation).collect();
            // A malformed one may be what is meant; it has been complained about already.
            if candidates.iter().any(|other| other.info.is_none()) {
                continue;
            }
            let existing: Vec<_> = candidates.iter().filter_map(|other| other.version()).cloned().collect();
            let name = requirement.name.to_string();
            if existing.is_empty() {
                let hint = if named().next().is_some() { Hint::IsFlow } else { nearest(&name, checked) };
                problems.push(Problem::UnknownOperation { place, name, hint });
            } else if !existing.iter().any(|version| requirement.versions.matches(version)) {
                problems.push(Problem::NoVersion { place, requirement: text, name, existing });
            }
        }
    }
    problems
}

/// The operation whose name is nearest to this one, if any is near.
fn nearest(name: &str, checked: &[Checked]) -> Hint {
    let operations =
        || checked.iter().filter_map(|one| one.info.as_ref()).filter(|info| info.kind == Kind::Operation);
    let distance = |info: &Info| strsim::damerau_levenshtein(name, info.name.as_str());
    let near = operations()
        .min_by_key(|info| distance(info))
        .filter(|info| distance(info) <= name.len().div_ceil(3));
    near.map_or(Hint::Nothing, |near| Hint::Near {
        name: near.name.to_string(),
        versions: operations()
            .filter(|info| info.name == near.name)
            .map(|info| info.version.clone())
            .collect(),
    })
}

/// Operations that require each other.
fn cycles(checked: &[Checked]) -> Vec<Problem> {
    let mut operations: Vec<_> = checked
        .iter()
        .filter_map(|one| one.info.as_ref())
        .filter(|info| info.kind == Kind::Operation)
        .collect();
    operations.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    let label = |&index: &usize| {
        let info = operations[index];
        match operations.iter().filter(|other| other.name == info.name).count() {
            1 => info.name.to_string(),
            _ => format!("{}@{}", info.name, info.version),
        }
    };
    let cycles = Dependencies::new(&operations).cycles();
    cycles
        .iter()
        .map(|cycle| Problem::Cycle { path: cycle.iter().chain(cycle.first()).map(label).collect() })
        .collect()
}
