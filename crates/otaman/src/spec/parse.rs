//! From the text of a spec to a checked spec, or to all its problems.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::spec::catalog::Catalog;
use crate::spec::document::Document;
use crate::spec::findings::{Finding, Findings};
use crate::spec::lexical;
use crate::spec::problem::{Note, Problems};
use crate::spec::settings::Settings;
use crate::spec::variables::substitute;
use crate::spec::walk::Walk;
use crate::target::Target;

/// A checked spec.
#[derive(Debug, Clone)]
pub struct Spec {
    /// The task or flow to execute. Every target in it names its `@version`, if the spec has one.
    pub root: Target,
    /// Settings that the spec carries.
    pub settings: Settings,
    /// What is accepted without effect.
    pub notes: Vec<Note>,
    /// Name of the spec, mostly of its file.
    pub source: Arc<str>,
    /// The text it was read from.
    pub text: String,
    /// The variables it was read with.
    pub variables: BTreeMap<String, Json>,
}

/// Reads and checks a spec. `source` is its name in messages, mostly a file's.
///
/// # Errors
/// All problems, each with its place; if the text is not JSON, only the first.
pub fn parse(
    source: &str,
    text: impl AsRef<[u8]>,
    variables: &BTreeMap<String, Json>,
    catalog: &Catalog,
) -> Result<Spec, Problems> {
    let source: Arc<str> = source.into();
    let refuse = |text: &str, finding: Finding| {
        let mut findings = Findings::default();
        findings.add(finding);
        let refused = findings.finish(&source, &Document::unparsed(text));
        refused.expect_err("there is a problem")
    };
    let text = lexical::decode(text.as_ref()).map_err(|refused| refuse(refused.text, refused.finding))?;
    let document = Document::parse(text).map_err(|finding| refuse(text, finding))?;
    let mut findings = Findings::default();
    let mut spec = document.json(&mut findings);
    substitute(&mut spec, variables, &mut findings);
    let settings = Walk::new(catalog, &mut findings).root(&mut spec);
    let notes = findings.finish(&source, &document)?;
    let (text, variables) = (text.to_owned(), variables.clone());
    Ok(Spec { root: Target::new(spec), settings, notes, source, text, variables })
}
