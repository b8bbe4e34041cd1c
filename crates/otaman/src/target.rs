//! Targets: parts of a spec that stand for a task or a flow, as arguments of flows.

use std::borrow::Cow;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value as Json;

use crate::error::Error;
use crate::running::Node;

/// A part of a spec that stands for a task or a flow: an object with `@type`. The spec builder has
/// checked it before a flow sees it, so that resolving it does not fail for the user's mistakes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Target(Json);

/// A target with placeholders for variables of a flow, as arguments of flows that make a task or flow
/// for each item of something: `{item}` and `{index}`. A field with other variables names them by
/// `#[schemars(extend("x-otaman-variables" = ["values"]))]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(Target);

/// Makes tasks and flows of targets.
pub trait Resolve: Send + Sync {
    /// The task or flow that a target stands for. Without `variables` its strings stand for
    /// themselves. With some it is a template: a string that is exactly `{name}` for one of the
    /// variables becomes its value (numbers and truth values become text where only a string may
    /// stand), `{name}` inside a longer string is replaced by its text, `{name.field}` and
    /// `{name.0}` stand for parts of a value, and `{{` for a brace. Braces around anything else
    /// stand for themselves. A template inside a template belongs to the inner flow and stays as
    /// it is.
    ///
    /// # Errors
    /// If it stands for nothing, or its arguments are wrong.
    fn resolve(&self, target: &Target, variables: &[(&str, &Json)]) -> Result<Node, Error>;

    /// Gets a template ready to be resolved very often: [`Self::resolve`] with variables, in two
    /// steps.
    ///
    /// # Errors
    /// If it stands for nothing.
    fn prepare<'a>(&'a self, target: &'a Target) -> Result<Prepared<'a>, Error> {
        Ok(Box::new(move |variables| self.resolve(target, variables)))
    }

    /// Where the coordinator has put what came on its standard input, if it was asked to.
    fn standard_input(&self) -> Option<PathBuf> {
        None
    }
}

/// A template that makes a task or flow of each set of variables.
pub type Prepared<'a> = Box<dyn Fn(&[(&str, &Json)]) -> Result<Node, Error> + Send + Sync + 'a>;

impl Template {
    /// The template that this part of a spec stands for.
    pub fn new(spec: Json) -> Self {
        Self(Target::new(spec))
    }

    /// The target with its placeholders, for [`Resolve::prepare`].
    pub fn target(&self) -> &Target {
        &self.0
    }
}

impl Target {
    /// The target that this part of a spec stands for.
    pub fn new(spec: Json) -> Self {
        Self(spec)
    }

    /// The part of the spec.
    pub fn spec(&self) -> &Json {
        &self.0
    }
}

/// Keys that say where and how a task runs, not what it computes; ids must not depend on them.
const NOT_IDENTITY: [&str; 6] =
    ["@worker_type", "@runtime_limit", "@retry", "@isolation", "@memory_limit", "@semaphores"];

fn identity(spec: &Json) -> Json {
    match spec {
        Json::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !(fields.contains_key("@type") && NOT_IDENTITY.contains(&key.as_str())))
            .map(|(key, value)| (key.clone(), identity(value)))
            .collect(),
        Json::Array(items) => items.iter().map(identity).collect(),
        other => other.clone(),
    }
}

impl Serialize for Target {
    /// Only what it computes: flows take their id from their serialised arguments.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        identity(&self.0).serialize(serializer)
    }
}

impl JsonSchema for Target {
    fn schema_name() -> Cow<'static, str> {
        "Target".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "a task or a flow: an object with @type",
            "required": ["@type"],
            "x-otaman": "target"
        })
    }
}

impl JsonSchema for Template {
    fn schema_name() -> Cow<'static, str> {
        "Template".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "a task or a flow for each item: an object with @type; strings may contain {item} and {index}",
            "required": ["@type"],
            "x-otaman": "template",
            "x-otaman-variables": ["item", "index"]
        })
    }
}
