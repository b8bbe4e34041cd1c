//! The `@` keys of an object with `@type`, apart from its arguments.

use semver::Version;
use serde_json::{Map, Value as Json};

use crate::spec::describe::{found, quoted};
use crate::spec::findings::Finding;
use crate::spec::nearest::{listed, nearest};
use crate::spec::options;
use crate::spec::path::{Focus, Segment};

/// The keys that every object with `@type` may have.
const COMMON: [&str; 3] = ["@type", "@version", "@mode"];

/// What stands beside the arguments.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Header {
    /// `None` if `@type` is not a string.
    pub(crate) name: Option<String>,
    pub(crate) version: Option<Version>,
    pub(crate) partial: bool,
    /// Task options, unread.
    pub(crate) options: Map<String, Json>,
}

impl Header {
    /// Reads the `@` keys of the object at `path`, and tells what is wrong with them.
    pub(crate) fn read(object: &Map<String, Json>, path: &[Segment]) -> (Self, Vec<Finding>) {
        let mut header = Self::default();
        let mut findings = Vec::new();
        for (key, value) in object.iter().filter(|(key, _)| key.starts_with('@')) {
            let result = match (key.as_str(), value) {
                ("@type", Json::String(name)) => {
                    header.name = Some(name.clone());
                    Ok(())
                }
                ("@type", other) => {
                    Err(format!("\"@type\" must be the name of an operation or flow, found {}", found(other)))
                }
                ("@version", value) => version(value).map(|version| header.version = Some(version)),
                ("@mode", Json::String(mode)) if mode == "partial" => {
                    header.partial = true;
                    Ok(())
                }
                ("@mode", Json::String(mode)) if mode == "regular" => Ok(()),
                ("@mode", other) => {
                    Err(format!("\"@mode\" is \"regular\" or \"partial\", found {}", found(other)))
                }
                (option, value) if options::KEYS.contains(&option) => {
                    header.options.insert(key.clone(), value.clone());
                    Ok(())
                }
                (other, _) => {
                    let path: Vec<Segment> = path.iter().cloned().chain([other.into()]).collect();
                    findings.push(unknown(&path, other));
                    Ok(())
                }
            };
            if let Err(message) = result {
                let path: Vec<Segment> = path.iter().cloned().chain([key.as_str().into()]).collect();
                findings.push(Finding::new(&path, Focus::Value, message));
            }
        }
        (header, findings)
    }
}

fn unknown(path: &[Segment], key: &str) -> Finding {
    let known = || COMMON.iter().chain(&options::KEYS).copied();
    let suggestion = nearest(key, known());
    let list = match suggestion {
        Some(_) => String::new(),
        None => format!("; there are {}", listed(&known().collect::<Vec<_>>(), "and")),
    };
    Finding::new(path, Focus::Key, format!("unknown key {}{list}", quoted(key))).suggest(suggestion)
}

/// A version of one to three numbers; missing ones are 0.
fn version(value: &Json) -> Result<Version, String> {
    let Json::String(text) = value else {
        let advice = match value {
            Json::Number(number) => format!("; put it between quotes: \"{number}\""),
            _ => String::new(),
        };
        return Err(format!("\"@version\" must be a string such as \"0.4\", found {}{advice}", found(value)));
    };
    let (numbers, rest) = text.split_at(text.find(['-', '+']).unwrap_or(text.len()));
    let padded = match numbers.matches('.').count() {
        0 => format!("{numbers}.0.0{rest}"),
        1 => format!("{numbers}.0{rest}"),
        _ => text.clone(),
    };
    padded
        .parse()
        .map_err(|error| format!("{} is not a version such as \"0.4\" or \"1.2.3\": {error}", quoted(text)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn partial_versions_are_padded() {
        for (text, expected) in
            [("0", "0.0.0"), ("0.4", "0.4.0"), ("1.2.3", "1.2.3"), ("1.2-rc.1", "1.2.0-rc.1")]
        {
            assert_eq!(version(&json!(text)).unwrap().to_string(), expected);
        }
        for bad in [json!("v1"), json!(""), json!("1.2.3.4"), json!(0.4), json!(null), json!("01.2")] {
            assert!(version(&bad).is_err(), "{bad}");
        }
    }
}
