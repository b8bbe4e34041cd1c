//! What is done with each chunk: a function, the context around a chunk, the resolution to read at.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value as Json};

use crate::array::Array;
use crate::function::{Error, Function, FunctionSpec};
use crate::geometry::{Bounds, Region, Resolution, Vec3};

/// Mazepa's name of an operation that calls a function.
const CALLABLE: &str = "VolumetricCallableOperation";
/// Of the one that copies.
const COPY: &str = "CopyOperation";

/// What is done with each chunk, as specs write it: `{"@type": "VolumetricCallableOperation", "fn": …}`,
/// `{"@type": "CopyOperation"}`, or a function by its own name, with the same options beside its parameters:
/// `{"@type": "downsample", "factor": [2, 2, 1], "crop_pad": [0, 0, 0]}`.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationSpec {
    /// The function.
    pub fn_: FunctionSpec,
    /// What it holds while it runs; nothing by default.
    pub fn_semaphores: Option<Vec<String>>,
    /// Context on each side of a chunk, in voxels of the result; taken off the result.
    pub crop_pad: Vec3,
    /// Inputs are read at the resolution of the result divided by this. By default that is what the function
    /// shrinks by, which is 1 for most.
    pub res_change_mult: Option<[f64; 3]>,
    /// What its tasks are called; by default as the function.
    pub operation_name: Option<String>,
}

impl OperationSpec {
    /// Of a function as specs give it beside `fn_semaphores`.
    pub fn of(function: FunctionSpec, semaphores: Option<Vec<String>>) -> Self {
        Self {
            fn_: function,
            fn_semaphores: semaphores,
            crop_pad: Vec3::ZERO,
            res_change_mult: None,
            operation_name: None,
        }
    }

    /// Builds it and checks everything.
    ///
    /// # Errors
    /// If anything is wrong with it. The error's place is relative to the function.
    pub fn build(&self) -> Result<Operation, Error> {
        let function = self.fn_.build()?;
        let name = self.operation_name.clone().unwrap_or_else(|| function.name().to_owned());
        let wrong = |name, value: String, wanted| {
            Err(Error::Parameter { function: CALLABLE.into(), name, value, wanted })
        };
        if self.crop_pad.0.iter().any(|pad| *pad < 0) {
            return wrong("crop_pad", self.crop_pad.to_string(), "0 or more along each axis");
        }
        #[expect(clippy::cast_precision_loss, reason = "factors are small")]
        let shrinks = function.shrinks_by().0.map(|factor| factor as f64);
        let multiplier = self.res_change_mult.unwrap_or(shrinks);
        if !multiplier.iter().all(|factor| factor.is_finite() && *factor > 0.0) {
            return wrong("res_change_mult", format!("{multiplier:?}"), "above 0 along each axis");
        }
        if function.shrinks_by() != Vec3::ONE && multiplier != shrinks {
            return wrong(
                "res_change_mult",
                format!("{multiplier:?}"),
                "the factor that the function shrinks by",
            );
        }
        let semaphores = self.fn_semaphores.clone().unwrap_or_default();
        Ok(Operation { function, semaphores, crop_pad: self.crop_pad, multiplier, name })
    }
}

/// What is done with each chunk, checked and ready.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The function.
    pub function: Function,
    /// What it holds while it runs.
    pub semaphores: Vec<String>,
    /// What its tasks are called.
    pub name: String,
    crop_pad: Vec3,
    multiplier: [f64; 3],
}

impl Operation {
    /// With more context.
    #[must_use]
    pub fn with_added_crop_pad(mut self, pad: Vec3) -> Self {
        self.crop_pad = self.crop_pad + pad;
        self
    }

    /// The context on each side of a chunk, in voxels of the result: what the spec says, and at least what the
    /// function needs.
    pub fn crop_pad(&self) -> Vec3 {
        let halo = self.function.halo();
        let mut pad = self.crop_pad;
        for axis in 0..3 {
            let multiplier = self.multiplier[axis];
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                reason = "halos are small"
            )]
            let least = (halo[axis] as f64 / multiplier).ceil() as i64;
            if least > pad[axis] {
                #[expect(clippy::cast_precision_loss, reason = "pads are small")]
                let is_whole = |pad: &i64| (*pad as f64 * multiplier).fract().abs() < 1e-9;
                pad[axis] = (least..least + 64).find(is_whole).unwrap_or(least);
            }
        }
        pad
    }

    /// At which resolution inputs are read.
    ///
    /// # Errors
    /// If it is no whole number of femtometres.
    pub fn input_resolution(&self, result: Resolution) -> Result<Resolution, Error> {
        let mut lengths = result.femtometres();
        for (length, multiplier) in lengths.iter_mut().zip(self.multiplier) {
            #[expect(clippy::cast_precision_loss, reason = "lengths of voxels are far below 2^53 fm")]
            let input = *length as f64 / multiplier;
            if (input - input.round()).abs() > 1e-3 || input.round() < 1.0 || input > 9e18 {
                return Err(Error::Multiplier { multiplier: self.multiplier, resolution: result });
            }
            #[expect(clippy::cast_possible_truncation, reason = "is whole and fits")]
            let whole = input.round() as i64;
            *length = whole;
        }
        Ok(Resolution::from_femtometres(lengths))
    }

    /// What is read of each input for a chunk of the result, context included, in voxels of the inputs.
    ///
    /// # Errors
    /// If the chunk or its context is not made of whole ones.
    pub fn input_bounds(&self, chunk: Bounds, result: Resolution) -> Result<Bounds, Error> {
        let input = self.input_resolution(result)?;
        let pad = self.crop_pad();
        let in_inputs = |what, bounds: Bounds, size| {
            Region::of(bounds, result).bounds(input).map_err(|_| Error::NotWhole {
                what,
                size,
                resolution: result,
                input,
                multiplier: self.multiplier,
            })
        };
        in_inputs("crop_pad", Bounds::at(Vec3::ZERO, pad), pad)?;
        in_inputs("a chunk of", chunk.padded(pad), chunk.size())
    }

    /// A result without the context.
    ///
    /// # Errors
    /// If it is not as large as chunk and context.
    pub fn crop(&self, result: Array, chunk: Vec3) -> Result<Array, Error> {
        let pad = self.crop_pad();
        let (wanted, found) = (chunk + pad * 2, result.shape().size);
        if wanted != found {
            return Err(Error::ResultSize { function: self.function.name().into(), found, wanted });
        }
        Ok(if pad == Vec3::ZERO { result } else { result.part(Bounds::at(pad, chunk)) })
    }
}

/// The options that stand beside a function.
#[derive(Serialize, Deserialize)]
struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    fn_semaphores: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "is_zero")]
    crop_pad: Vec3,
    #[serde(skip_serializing_if = "Option::is_none")]
    res_change_mult: Option<[f64; 3]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation_name: Option<String>,
}

const OPTIONS: [&str; 4] = ["fn_semaphores", "crop_pad", "res_change_mult", "operation_name"];

fn is_zero(vector: &Vec3) -> bool {
    *vector == Vec3::ZERO
}

impl Serialize for OperationSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            #[serde(rename = "@type")]
            type_name: &'static str,
            r#fn: &'a FunctionSpec,
            #[serde(flatten)]
            options: Options,
        }
        let options = Options {
            fn_semaphores: self.fn_semaphores.clone(),
            crop_pad: self.crop_pad,
            res_change_mult: self.res_change_mult,
            operation_name: self.operation_name.clone(),
        };
        Written { type_name: CALLABLE, r#fn: &self.fn_, options }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OperationSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let name = match fields.get("@type") {
            Some(Json::String(name)) => name.clone(),
            Some(other) => {
                return Err(D::Error::custom(format!("@type is {other}; it is the name of an operation")));
            }
            None => return Err(D::Error::missing_field("@type")),
        };
        let options: Map<String, Json> =
            OPTIONS.into_iter().filter_map(|option| fields.remove_entry(option)).collect();
        let options: Options = serde_json::from_value(Json::Object(options)).map_err(D::Error::custom)?;
        let function: FunctionSpec = match name.as_str() {
            CALLABLE | COPY => {
                fields.retain(|key, _| !matches!(key.as_str(), "@type" | "@version" | "@mode"));
                let function = match (fields.remove("fn"), name == COPY) {
                    (Some(function), false) => serde_json::from_value(function).map_err(D::Error::custom)?,
                    (None, true) => FunctionSpec::named("copy"),
                    (None, false) => return Err(D::Error::missing_field("fn")),
                    (Some(_), true) => return Err(D::Error::custom(format!("{COPY} takes no fn"))),
                };
                if let Some(unknown) = fields.keys().next() {
                    let known = otaman::spec::listed(&OPTIONS, "and");
                    return Err(D::Error::custom(format!("{name} has no {unknown:?}; it has fn, {known}")));
                }
                function
            }
            _ => serde_json::from_value(Json::Object(fields)).map_err(D::Error::custom)?,
        };
        let Options { fn_semaphores, crop_pad, res_change_mult, operation_name } = options;
        Ok(Self { fn_: function, fn_semaphores, crop_pad, res_change_mult, operation_name })
    }
}

impl JsonSchema for OperationSpec {
    fn schema_name() -> Cow<'static, str> {
        "OperationSpec".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let function = generator.subschema_for::<FunctionSpec>();
        json_schema!({
            "type": "object", "required": ["@type"], "x-otaman": "value",
            "description": "What is done with each chunk: a function with its context and resolution.",
            "properties": {
                "@type": {"type": "string", "examples": [CALLABLE, COPY]},
                "fn": function,
                "fn_semaphores": {"type": ["array", "null"], "items": {"type": "string"}},
                "crop_pad": {
                    "type": "array", "minItems": 3, "maxItems": 3, "items": {"type": "integer", "minimum": 0}
                },
                "res_change_mult": {
                    "type": ["array", "null"], "minItems": 3, "maxItems": 3,
                    "items": {"type": "number", "exclusiveMinimum": 0}
                },
                "operation_name": {"type": ["string", "null"]}
            },
            "if": {"properties": {"@type": {"const": CALLABLE}}},
            "then": {"required": ["fn"]}
        })
    }
}
