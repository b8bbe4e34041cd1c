//! What a registry knows, and in which order.

use otaman::{Context, Descriptor, Operation, OperationEntry, Registry, Result, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An operation that does nothing; its descriptor comes from the test.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Template {}

impl Operation for Template {
    type Output = ();
    fn descriptor() -> Descriptor {
        Descriptor::new("template", "1.0.0")
    }
    async fn run(self, _: Context) -> Result<()> {
        Ok(())
    }
}

/// An operation that says this about itself.
pub(crate) fn operation(descriptor: Descriptor) -> OperationEntry {
    OperationEntry::of::<Template>().described(descriptor)
}

/// A description of something defined in line `line` of `here.rs`.
pub(crate) fn at(name: &'static str, version: &'static str, line: u32) -> Descriptor {
    let mut descriptor = Descriptor::new(name, version);
    descriptor.source = Source { file: "here.rs", line };
    descriptor
}

fn built(descriptors: impl IntoIterator<Item = Descriptor>) -> Registry {
    let entries = descriptors.into_iter().map(operation);
    entries.fold(Registry::builder(), |builder, entry| builder.operation_entry(entry)).build().unwrap()
}

fn labels<'a>(operations: impl IntoIterator<Item = &'a otaman::Operational>) -> Vec<String> {
    operations.into_iter().map(|operation| format!("{operation:?}")).collect()
}

#[test]
fn operations_come_by_name_then_by_version_not_by_its_text() {
    let registry =
        built([at("b", "1.10.0", 1), at("b", "1.9.0", 2), at("a", "1.0.0", 3), at("b", "1.10.0-rc", 4)]);
    assert_eq!(labels(registry.operations()), ["a@1.0.0", "b@1.9.0", "b@1.10.0-rc", "b@1.10.0"]);
    let newest = registry.operation(&"b".parse().unwrap(), &"1.10.0".parse().unwrap()).unwrap();
    assert_eq!((newest.info.version.to_string(), newest.entry.source().line), ("1.10.0".to_owned(), 1));
    assert!(registry.operation(&"b".parse().unwrap(), &"2.0.0".parse().unwrap()).is_none());
}

#[test]
fn the_topological_order_puts_requirements_first_and_ties_by_name() {
    let registry = built([
        at("a", "1.0.0", 1).requires(&["z@1", "c@1"]),
        at("b", "1.0.0", 2),
        at("c", "1.0.0", 3).requires(&["z@^1.1"]),
        at("z", "1.0.0", 4),
        at("z", "1.1.0", 5).requires(&["b@*"]),
    ]);
    assert_eq!(labels(registry.topological()), ["b@1.0.0", "z@1.0.0", "z@1.1.0", "c@1.0.0", "a@1.0.0"]);
}

#[test]
fn a_requirement_named_twice_does_not_confuse_the_order() {
    let registry = built([at("a", "1.0.0", 1).requires(&["b@1", "b@*"]), at("b", "1.0.0", 2)]);
    assert_eq!(labels(registry.topological()), ["b@1.0.0", "a@1.0.0"]);
}
