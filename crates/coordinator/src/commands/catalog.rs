//! What specs are checked against: what is linked into this program, and what live workers announce.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use otaman::Registry;
use otaman::spec::{Catalog, Problems, Spec};
use serde_json::Value as Json;

use super::Stop;
use super::announced::Announced;
use super::backend::{Backend, Needs};
use super::input::{self, Text};
use crate::cli::Common;

/// How messages of the spec builder begin that may be about a worker which is not there.
const UNKNOWN: &str = "unknown operation or flow";

/// What specs are checked against, and who offers it.
pub(crate) struct Known {
    pub(crate) catalog: Catalog,
    /// `None` without servers.
    pub(crate) announced: Option<Announced>,
}

impl Known {
    /// What is linked, and with servers what workers announce.
    ///
    /// # Errors
    /// If workers announce one operation differently, or the servers cannot be used.
    pub(crate) fn open(common: &Common) -> Result<Self, Stop> {
        let registry = input::registry()?;
        match Backend::open_servers(common, Needs::Store)? {
            Some(backend) => Self::of(common, &registry, &backend),
            None => Ok(Self { catalog: Catalog::new(&registry), announced: None }),
        }
    }

    /// The same, of servers that are connected already.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn of(common: &Common, registry: &Arc<Registry>, backend: &Backend) -> Result<Self, Stop> {
        let announced = announced(backend)?.map(Announced::agreed).transpose()?;
        Ok(Self::with(common, registry, announced))
    }

    /// The same for a command that only looks: of operations that workers announce differently one
    /// is taken, and that is said.
    ///
    /// # Errors
    /// If the servers cannot be used.
    pub(crate) fn at_a_glance(
        common: &Common,
        registry: &Arc<Registry>,
        backend: &Backend,
    ) -> Result<Self, Stop> {
        let announced = announced(backend)?;
        if let Some(announced) = announced.as_ref().filter(|_| !common.quiet) {
            announced.say_disagreements();
        }
        Ok(Self::with(common, registry, announced))
    }

    fn with(common: &Common, registry: &Arc<Registry>, announced: Option<Announced>) -> Self {
        let catalog = Catalog::new(registry);
        let Some(announced) = announced else { return Self { catalog, announced: None } };
        if !common.quiet {
            announced.compare(catalog.infos());
        }
        let catalog = catalog.with_announced(announced.infos().cloned());
        Self { catalog, announced: Some(announced) }
    }

    /// Says where lines of standard input are.
    #[must_use]
    pub(crate) fn with_standard_input(mut self, file: PathBuf) -> Self {
        self.catalog = self.catalog.with_standard_input(file);
        self
    }

    /// Checks a spec; all its problems at once.
    pub(crate) fn check(&self, text: &Text, variables: &BTreeMap<String, Json>) -> Result<Spec, Problems> {
        otaman::spec::parse(&text.name, &text.bytes, variables, &self.catalog)
    }

    /// Checks a spec, and says for people what is wrong with it.
    pub(crate) fn parse(&self, text: &Text, variables: &BTreeMap<String, Json>) -> Result<Spec, Stop> {
        self.check(text, variables).map_err(|problems| {
            let mut said = problems.to_string();
            if let Some(announced) = &self.announced
                && problems.list().iter().any(|problem| problem.message.starts_with(UNKNOWN))
            {
                said.push_str(&hint(announced.workers));
            }
            Stop::Usage(said)
        })
    }
}

/// What workers announce; `None` without servers.
fn announced(backend: &Backend) -> Result<Option<Announced>, Stop> {
    let Some(control) = backend.control() else { return Ok(None) };
    let (descriptions, workers) =
        backend.block_on(async { futures::join!(control.announced(), control.workers()) });
    let mut announced = Announced::of(&descriptions?);
    announced.workers = workers?.len();
    Ok(Some(announced))
}

fn hint(workers: usize) -> String {
    let who = match workers {
        0 => "no worker is alive".to_owned(),
        1 => "the one live worker does not announce it".to_owned(),
        many => format!("none of the {many} live workers announces it"),
    };
    format!(
        "\noperations of workers are known while one that has them is alive; {who}; see `coordinator operations`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(announced: Option<Announced>) -> String {
        let registry = Registry::builder().build().unwrap();
        let known = Known { catalog: Catalog::new(&registry), announced };
        let text = Text { name: "spec.json".to_owned(), bytes: br#"{"@type": "resize"}"#.to_vec() };
        match known.parse(&text, &BTreeMap::new()) {
            Err(Stop::Usage(said)) => said,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_unknown_operation_may_be_one_whose_worker_is_missing() {
        let mut announced = Announced::of(&[]);
        announced.workers = 3;
        let said = refusal(Some(announced));
        assert!(said.contains("none of the 3 live workers announces it"), "{said}");
        assert!(!refusal(None).contains("live worker"));
    }
}
