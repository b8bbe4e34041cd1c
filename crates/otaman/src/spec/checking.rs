//! Looking at tasks before they exist: filled-in templates are checked like written ones.

use std::path::PathBuf;

use protocol::Value;
use serde_json::Value as Json;

use crate::error::Error;
use crate::running::Node;
use crate::spec::catalog::{Catalog, Code, Entry};
use crate::spec::checker::Leniency;
use crate::spec::fill::Filling;
use crate::spec::path::Shown;
use crate::target::{Prepared, Resolve, Target};

/// Resolves as the catalog does, and refuses tasks with wrong arguments. For checks of flows before
/// an execution: what items make of a template's placeholders is wrong or right only then.
pub(crate) struct Checking<'c>(pub(crate) &'c Catalog);

impl<'c> Checking<'c> {
    fn prepared(&self, target: &Target, filling: Filling) -> Result<Prepared<'c>, Error> {
        let prepared = self.0.prepared(target, filling)?;
        let entry = self.0.read(target)?.entry;
        Ok(Box::new(move |variables| {
            let node = prepared(variables)?;
            if let Node::Task(task) = &node {
                let arguments = task.arguments.to_json()?;
                let complaints = entry.checker().check(&arguments, &entry.subject(), Leniency::default());
                if let Some(complaint) = complaints.first() {
                    return Err(Error::permanent(format!(
                        "{}: {}",
                        Shown(&complaint.path),
                        complaint.message
                    )));
                }
                check_arguments(entry, &arguments).map_err(Error::permanent)?;
            }
            Ok(node)
        }))
    }
}

impl Resolve for Checking<'_> {
    fn resolve(&self, target: &Target, variables: &[(&str, &Json)]) -> Result<Node, Error> {
        self.prepared(target, Filling::with(variables))?(variables)
    }

    fn prepare<'a>(&'a self, target: &'a Target) -> Result<Prepared<'a>, Error> {
        self.prepared(target, Filling::Placeholders)
    }

    fn standard_input(&self) -> Option<PathBuf> {
        self.0.standard_input()
    }
}

/// Whether an operation's own type takes these arguments, which fit its schema.
pub(crate) fn check_arguments(entry: &Entry, arguments: &Json) -> Result<(), String> {
    let Code::Operation(operation) = &entry.code else { return Ok(()) };
    let checked = Value::encode(arguments).map_err(Error::from).and_then(|value| operation.check(&value));
    checked.map_err(|error| {
        // The last message is that of the type; those before say that decoding failed.
        let cause = error.failure().messages.last().cloned().unwrap_or_default();
        format!("{} does not take these arguments: {cause}", entry.subject())
    })
}
