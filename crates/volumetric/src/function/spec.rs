//! Functions as specs write them.

use std::borrow::Cow;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::expression::Expression;
use crate::function::lambda::Lambda;
use crate::function::{Error, Function, registered};

/// A function as specs write it: `{"@type": "lambda", "lambda_str": "lambda src: src + 1"}`, or the name of one
/// written in Rust with its parameters, `{"@type": "threshold", "@mode": "partial", "above": 10}`. Any `@version`
/// will do.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct FunctionSpec(Map<String, Json>);

impl FunctionSpec {
    /// An expression.
    pub fn lambda(text: &str) -> Self {
        Self(Map::from_iter([("@type".into(), "lambda".into()), ("lambda_str".into(), text.into())]))
    }

    /// A function by name, without parameters.
    pub fn named(name: &str) -> Self {
        Self(Map::from_iter([("@type".into(), name.into())]))
    }

    /// The same with one more parameter.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// Its `@type`.
    pub fn type_name(&self) -> &str {
        self.0.get("@type").and_then(Json::as_str).unwrap_or_default()
    }

    /// Builds it: reads expressions, checks names, parameters and their values.
    ///
    /// # Errors
    /// If anything is wrong with it.
    pub fn build(&self) -> Result<Function, Error> {
        let mut parameters = self.0.clone();
        parameters.retain(|name, _| name != "@type" && name != "@version");
        match parameters.remove("@mode") {
            None => {}
            Some(Json::String(mode)) if mode == "partial" || mode == "regular" => {}
            Some(Json::String(mode)) => return Err(Error::Mode(mode)),
            Some(other) => return Err(Error::Mode(other.to_string())),
        }
        let name = self.type_name();
        if name == "lambda" {
            return lambda(parameters);
        }
        let all = registered();
        let mut found = all.iter().filter(|registration| registration.name() == name);
        let Some(registration) = found.next() else {
            let mut names: Vec<&str> = all.iter().map(|registration| registration.name()).collect();
            names.push("lambda");
            return Err(Error::Unknown {
                name: name.into(),
                nearest: otaman::spec::nearest(name, names.iter().copied()).map(str::to_owned),
                known: otaman::spec::listed(&names, "and"),
            });
        };
        if found.next().is_some() {
            return Err(Error::Ambiguous(name.into()));
        }
        Ok(Function::new(name, registration.build(parameters)?))
    }
}

fn lambda(mut parameters: Map<String, Json>) -> Result<Function, Error> {
    let text = parameters.remove("lambda_str");
    if let Some(other) = parameters.keys().next() {
        return Err(Error::LambdaParameters(format!("{other:?} is none of a lambda")));
    }
    let text = match text {
        Some(Json::String(text)) => text,
        Some(other) => return Err(Error::LambdaParameters(format!("{other} is no text"))),
        None => return Err(Error::LambdaParameters("it is missing".into())),
    };
    Ok(Function::new("lambda", Arc::new(Lambda(Expression::parse(&text)?))))
}

impl<'de> Deserialize<'de> for FunctionSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = Map::deserialize(deserializer)?;
        match fields.get("@type") {
            Some(Json::String(_)) => Ok(Self(fields)),
            Some(other) => Err(D::Error::custom(format!("@type is {other}; it is the name of a function"))),
            None => Err(D::Error::missing_field("@type")),
        }
    }
}

impl JsonSchema for FunctionSpec {
    fn schema_name() -> Cow<'static, str> {
        "FunctionSpec".into()
    }

    // The same whatever functions are linked: processes that know different ones must not disagree about the
    // arguments of the operations that carry them.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object", "required": ["@type"], "x-otaman": "value",
            "description": "A function on arrays: an expression, or one written in Rust by name, with its parameters.",
            "properties": {
                "@type": {"type": "string", "examples": ["lambda"]},
                "@mode": {"enum": ["partial", "regular"]},
                "lambda_str": {"type": "string", "examples": ["lambda src: src + 1"]}
            },
            "if": {"properties": {"@type": {"const": "lambda"}}},
            "then": {"required": ["lambda_str"]},
            "examples": [json!({"@type": "lambda", "lambda_str": "lambda src: src + 1"})]
        })
    }
}
