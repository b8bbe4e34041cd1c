//! What to say when a task calls an operation that this worker does not have.

use otaman::Registry;
use protocol::{Cause, Failure, Task};

/// Most operations named in one message.
const MAX_NAMED: usize = 20;

/// Similarity from which a name may be what was meant.
const NEAR: f64 = 0.8;

/// The failure of a task whose operation is not in the registry.
pub(crate) fn failure(registry: &Registry, task: &Task) -> Failure {
    let Task { operation, version, .. } = task;
    let versions: Vec<String> = registry
        .operations()
        .filter(|known| known.info.name == *operation)
        .map(|known| known.info.version.to_string())
        .collect();
    if !versions.is_empty() {
        let message = format!(
            "this worker has operation {operation} in version {}, not {version}; start workers of the same release as the coordinator",
            versions.join(", ")
        );
        return Failure::new(Cause::Permanent, message);
    }
    let wanted = operation.as_str();
    let nearest = registry
        .operations()
        .map(|known| (strsim::jaro_winkler(wanted, known.info.name.as_str()), &known.info.name))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    let hint = nearest.map_or_else(String::new, |(_, name)| format!("; did you mean {name}?"));
    Failure::new(Cause::Permanent, format!("this worker has no operation {wanted}@{version}{hint}"))
        .caused_by(inventory(registry))
}

fn inventory(registry: &Registry) -> String {
    let mut names: Vec<String> =
        registry.operations().map(|known| format!("{}@{}", known.info.name, known.info.version)).collect();
    let more = names.len().saturating_sub(MAX_NAMED);
    names.truncate(MAX_NAMED);
    match (names.is_empty(), more) {
        (true, _) => "it has none at all; link the crate that registers them".to_owned(),
        (false, 0) => format!("it has {}", names.join(", ")),
        (false, more) => format!("it has {} and {more} more", names.join(", ")),
    }
}
