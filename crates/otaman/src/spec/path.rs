//! Places inside a spec: paths, and what at the end of a path a problem is about.

use std::fmt;

use serde_json::Value as Json;

/// One step down a JSON value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Segment {
    Key(String),
    Index(usize),
}

impl From<&str> for Segment {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

/// What a problem is about, for its line and column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Focus {
    /// The value at the path.
    #[default]
    Value,
    /// The key that is the last segment of the path.
    Key,
    /// This member of the object at the path, or the object if it has none.
    Member(&'static str),
    /// This byte of the text.
    Byte(usize),
}

/// A place inside a spec.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) path: Vec<Segment>,
    pub(crate) focus: Focus,
}

impl Place {
    pub(crate) fn new(path: &[Segment], focus: Focus) -> Self {
        Self { path: path.to_vec(), focus }
    }
}

/// Shows a path as `$.stages[1].argv`.
pub(crate) struct Shown<'a>(pub(crate) &'a [Segment]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for segment in self.0 {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if is_plain(key) => write!(f, ".{key}")?,
                Segment::Key(key) => write!(f, "[{}]", Json::from(key.as_str()))?,
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty()
        && key
            .bytes()
            .all(|byte| matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'@'))
}

/// Reads a JSON pointer into `value`, as far as it leads.
pub(crate) fn from_pointer(pointer: &str, value: &Json) -> Vec<Segment> {
    let mut path = Vec::new();
    let mut here = Some(value);
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let (segment, next) = match here {
            Some(Json::Array(items)) => match part.parse() {
                Ok(index) => (Segment::Index(index), items.get(index)),
                Err(_) => break,
            },
            Some(Json::Object(fields)) => {
                let next = fields.get(&part);
                (Segment::Key(part), next)
            }
            _ => break,
        };
        path.push(segment);
        here = next;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_like_the_code_that_would_get_there() {
        let path = ["stages".into(), Segment::Index(1), "@retry".into(), "a b".into(), "".into()];
        assert_eq!(Shown(&path).to_string(), r#"$.stages[1].@retry["a b"][""]"#);
    }

    #[test]
    fn pointers_stop_where_the_value_ends() {
        let value = serde_json::json!({"a/b": [{"c": 1}], "7": 2});
        let shown = |pointer| Shown(&from_pointer(pointer, &value)).to_string();
        assert_eq!(shown("/a~1b/0/c"), r#"$["a/b"][0].c"#);
        assert_eq!(shown("/7"), "$.7");
        assert_eq!(shown("/a~1b/x/c"), r#"$["a/b"]"#);
        assert_eq!(shown(""), "$");
    }
}
