//! The registry of all that is linked into this program.

use otaman::{Registry, Resource, Resources, Result, operation};
use protocol::OperationName;

/// A data base, as it were.
struct Database;

#[operation]
async fn needs_a_database(database: Resource<Database>, name: String) -> Result<String> {
    let Database = *database;
    Ok(name)
}

#[test]
fn operations_and_flows_of_this_program_are_linked() {
    let registry = Registry::linked().unwrap();
    let name = |text: &str| OperationName::new(text).unwrap();
    let operation = registry.operation(&name("copy-chunk"), &"1.2.0-rc.1+build".parse().unwrap()).unwrap();
    assert_eq!(operation.info.tags, ["images", "io"]);
    assert_eq!(operation.info.requires[0].name.as_str(), "fetch");
    assert!(registry.flow(&name("count.up"), &"2.0.0".parse().unwrap()).is_some());
    assert!(registry.operation(&name("inside_a_function"), &"1.0.0".parse().unwrap()).is_some());
}

#[test]
fn missing_resources_are_named_with_their_operation() {
    let registry = Registry::linked().unwrap();
    let mine = |resources: &Resources| -> Vec<String> {
        let missing = registry.missing_resources(resources);
        missing.into_iter().filter(|message| message.contains("needs_a_database")).collect()
    };
    let missing = mine(&Resources::new());
    assert_eq!(missing.len(), 1);
    assert!(missing[0].starts_with("operation needs_a_database@1.0.0 at "), "{}", missing[0]);
    assert!(missing[0].contains("linked.rs:") && missing[0].contains("::linked::Database"), "{}", missing[0]);
    assert!(mine(&Resources::new().with(Database)).is_empty());
}
