//! The arrows between crates point down; nothing else holds that.

use std::collections::BTreeMap;
use std::fs;

use cargo_metadata::{DependencyKind, MetadataCommand};
use tests::repository;

/// Which packages of ours each package may depend on, and nothing else of ours.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("protocol", &[]),
    ("macros", &[]),
    ("backends", &["protocol"]),
    ("otaman", &["macros", "protocol"]),
    ("volumetric", &["otaman"]),
    // `volumetric` for its program alone: the library must not name it.
    ("worker", &["backends", "otaman", "protocol", "volumetric"]),
    // `worker` and `volumetric` for its program alone: the library must not name them.
    ("coordinator", &["backends", "otaman", "protocol", "volumetric", "worker"]),
    ("tests", &["backends", "coordinator", "otaman", "protocol", "volumetric", "worker"]),
    ("rough", &["coordinator", "otaman", "worker"]),
    ("own-operation", &["coordinator", "otaman", "worker"]),
];

/// Third-party crates that one package alone may name.
const ONLY_IN: [(&str, &str); 5] = [
    ("lapin", "backends"),
    ("redis", "backends"),
    ("redb", "backends"),
    ("object_store", "volumetric"),
    ("zarrs", "volumetric"),
];

#[test]
fn packages_depend_only_on_what_lies_below_them() {
    let manifest = repository().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.into_iter().collect();
    for package in &metadata.packages {
        let below = allowed.get(package.name.as_str());
        let below =
            below.unwrap_or_else(|| panic!("{} has no place in the house; give it one here", package.name));
        for dependency in &package.dependencies {
            if allowed.contains_key(dependency.name.as_str())
                && dependency.kind != DependencyKind::Development
            {
                assert!(
                    below.contains(&dependency.name.as_str()),
                    "{} must not know {}",
                    package.name,
                    dependency.name
                );
            }
            for (name, home) in ONLY_IN {
                assert!(dependency.name != name || package.name == home, "only {home} may name {name}");
            }
        }
    }
}

#[test]
fn the_coordinators_library_does_not_name_the_worker() {
    let of_the_program = ["functions.rs", "main.rs", "view.rs"];
    assert_library_does_not_name("coordinator", &["worker::", "volumetric::"], &of_the_program, 20);
}

#[test]
fn the_workers_library_does_not_name_volumes() {
    assert_library_does_not_name("worker", &["volumetric"], &["main.rs"], 20);
}

#[track_caller]
fn assert_library_does_not_name(package: &str, names: &[&str], program: &[&str], at_least: usize) {
    let source = repository().join("crates").join(package).join("src");
    let mut open = vec![source.clone()];
    let mut seen = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if !program.iter().any(|file| path == source.join(file)) {
            let text = fs::read_to_string(&path).unwrap();
            for name in names {
                assert!(!text.contains(name), "{} names {name}", path.display());
            }
            seen += 1;
        }
    }
    assert!(seen > at_least, "the library was not found");
}

#[test]
fn only_what_authors_need_is_published() {
    let manifest = repository().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    for package in metadata.packages {
        let is_published = package.publish.as_ref().is_none_or(|registries| !registries.is_empty());
        assert_eq!(is_published, ["otaman", "macros"].contains(&package.name.as_str()), "{}", package.name);
    }
}

/// Licences that ours may stand beside.
const LICENCES: [&str; 13] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    // Of data: the root certificates that TLS trusts.
    "CDLA-Permissive-2.0",
    "ISC",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    // Of the bzip2 that some Zarr arrays are compressed by: what BSD and Zlib ask for.
    "bzip2-1.0.6",
];

#[test]
fn every_dependency_has_a_licence_that_allows_ours() {
    let manifest = repository().join("Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).exec().unwrap();
    assert!(metadata.packages.len() > 50, "dependencies were not resolved");
    for package in &metadata.packages {
        let licence =
            package.license.as_deref().unwrap_or_default().replace(['(', ')'], "").replace('/', " OR ");
        let allows =
            |alternative: &str| alternative.split(" AND ").all(|part| LICENCES.contains(&part.trim()));
        assert!(
            licence.split(" OR ").any(allows),
            "{} {} has licence {licence:?}",
            package.name,
            package.version
        );
    }
}
