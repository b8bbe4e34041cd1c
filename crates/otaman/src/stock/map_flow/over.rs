//! What to go over: a range, a list, files, or the lines of a file.

use std::io::ErrorKind;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

/// What to go over. In a spec a list may also stand by itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// Integers.
    Range(Range),
    /// These items.
    List(Vec<Json>),
    /// The paths that match a pattern, sorted; hidden files only if the pattern names the dot.
    Glob(String),
    /// The lines of a file; `-` is standard input.
    Lines(String),
}

/// Integers from `start` up to but without `stop`, as `[start, stop]` or `[start, stop, step]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    start: i64,
    stop: i64,
    step: i64,
}

/// The form with a key, as it is written in specs.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Keyed {
    Range(Range),
    List(Vec<Json>),
    Glob(String),
    Lines(String),
}

impl Over {
    /// The key that stands for it in specs.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Range(_) => "range",
            Self::List(_) => "list",
            Self::Glob(_) => "glob",
            Self::Lines(_) => "lines",
        }
    }

    /// Whether it names a file that is not there (yet).
    pub(super) fn is_missing_file(&self) -> bool {
        match self {
            Self::Range(_) | Self::List(_) => false,
            Self::Glob(pattern) if pattern.contains(['*', '?', '[']) => false,
            Self::Glob(path) | Self::Lines(path) => {
                path != "-"
                    && std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
            }
        }
    }
}

impl Range {
    /// How many integers these are.
    pub fn count(&self) -> u64 {
        let (start, stop, step) = (i128::from(self.start), i128::from(self.stop), i128::from(self.step));
        let distance = if step > 0 { stop - start } else { start - stop };
        let count = (distance + step.abs() - 1).div_euclid(step.abs());
        u64::try_from(count.max(0)).unwrap_or(u64::MAX)
    }

    /// The integers from `start` up to but without `stop`; `None` if the step is 0.
    pub fn new(start: i64, stop: i64, step: i64) -> Option<Self> {
        (step != 0).then_some(Self { start, stop, step })
    }

    /// The number at this position; `None` beyond the end.
    pub(super) fn get(&self, index: u64) -> Option<i64> {
        let number = i128::from(self.start) + i128::from(index) * i128::from(self.step);
        let stop = i128::from(self.stop);
        let is_inside = if self.step > 0 { number < stop } else { number > stop };
        i64::try_from(number).ok().filter(|_| is_inside)
    }
}

impl<'de> Deserialize<'de> for Over {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        match Json::deserialize(deserializer)? {
            Json::Array(items) => Ok(Self::List(items)),
            fields @ Json::Object(_) => Ok(match Keyed::deserialize(fields).map_err(D::Error::custom)? {
                Keyed::Range(range) => Self::Range(range),
                Keyed::List(items) => Self::List(items),
                Keyed::Glob(pattern) => Self::Glob(pattern),
                Keyed::Lines(path) => Self::Lines(path),
            }),
            other => Err(D::Error::custom(format!(
                "{other} is nothing to go over; write a list, or an object with one of range, list, glob, lines"
            ))),
        }
    }
}

impl Serialize for Range {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        [self.start, self.stop, self.step].serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let (start, stop, step) = match *Vec::<i64>::deserialize(deserializer)? {
            [start, stop] => (start, stop, 1),
            [start, stop, step] => (start, stop, step),
            _ => return Err(D::Error::custom("a range is [start, stop] or [start, stop, step]")),
        };
        Self::new(start, stop, step).ok_or_else(|| D::Error::custom("the step of a range must not be 0"))
    }
}

impl JsonSchema for Over {
    fn schema_name() -> Cow<'static, str> {
        "Over".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let keyed = |key: &str, mut schema: Json, description: &str| {
            schema["description"] = description.into();
            let mut properties = serde_json::Map::new();
            properties.insert(key.to_owned(), schema);
            serde_json::json!({
                "type": "object",
                "properties": properties,
                "required": [key],
                "additionalProperties": false
            })
        };
        let integers = serde_json::json!({
            "type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3
        });
        let text = serde_json::json!({"type": "string"});
        json_schema!({
            "description": "what to go over: a list, a range of integers, paths, or lines of a file",
            "oneOf": [
                {"type": "array", "description": "these items"},
                keyed("range", integers, "[start, stop] or [start, stop, step]: integers up to but without stop"),
                keyed("list", serde_json::json!({"type": "array"}), "these items"),
                keyed("glob", text.clone(), "the paths that match this pattern, sorted; ** is any number of directories"),
                keyed("lines", text, "the lines of this file; - is standard input"),
            ]
        })
    }
}
