//! What a function is given: layers, which are read chunk by chunk, and plain values.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

use crate::layer::LayerSpec;

/// What a function is given for one of its parameters.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Argument {
    /// A layer, of which each chunk gets its part.
    Layer(LayerSpec),
    /// A number, a boolean, a text or null.
    Value(Json),
}

impl Argument {
    /// Gives a layer a path that means the same in every process of this machine.
    pub(crate) fn make_absolute(&mut self) -> Result<(), crate::layer::Error> {
        if let Self::Layer(layer) = self {
            *layer = layer.absolute()?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Argument {
    /// By hand, so that a mistake in a layer is told as one.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)? {
            value @ Json::Object(_) => {
                serde_json::from_value(value).map(Self::Layer).map_err(D::Error::custom)
            }
            Json::Array(_) => {
                Err(D::Error::custom("lists of layers are not taken; give each layer a parameter of its own"))
            }
            value => Ok(Self::Value(value)),
        }
    }
}

impl JsonSchema for Argument {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Argument".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let layer = generator.subschema_for::<LayerSpec>();
        json_schema!({
            "description": "a layer, a number, a boolean, a text or null",
            "anyOf": [layer, {"type": ["number", "boolean", "string", "null"]}]
        })
    }
}
