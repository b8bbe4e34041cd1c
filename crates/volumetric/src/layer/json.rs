//! Comparison of metadata, where `4` and `4.0` are the same.

use serde_json::{Map, Value as Json};

/// Whether two values are the same when `4` and `4.0` are.
pub(crate) fn is_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(name, one)| other.get(name).is_some_and(|other| is_same(one, other)))
        }
        (one, other) => one == other,
    }
}

/// The first field in which two objects differ, in words.
pub(crate) fn difference(is: &Map<String, Json>, shall: &Map<String, Json>) -> Option<String> {
    let names = is.keys().chain(shall.keys().filter(|name| !is.contains_key(*name)));
    names.into_iter().find_map(|name| {
        let (old, new) = (is.get(name), shall.get(name));
        let same = old.zip(new).is_some_and(|(old, new)| is_same(old, new));
        (!same).then(|| format!("{name} is {} and shall be {}", shown(old), shown(new)))
    })
}

/// A value for messages, not too long.
pub(crate) fn shown(value: Option<&Json>) -> String {
    let text = value.map_or_else(|| "absent".to_owned(), Json::to_string);
    if text.chars().count() > 200 {
        format!("{}…", text.chars().take(200).collect::<String>())
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_compared_by_value_and_differences_are_named() {
        let object = |json: Json| json.as_object().unwrap().clone();
        let one = object(json!({"a": [4, {"b": 4.0}], "c": "x"}));
        assert_eq!(difference(&one, &object(json!({"c": "x", "a": [4.0, {"b": 4}]}))), None);
        let other = object(json!({"a": [4, {"b": 4.0}], "d": 1}));
        assert_eq!(difference(&one, &other).unwrap(), "c is \"x\" and shall be absent");
        let other = object(json!({"a": [4, {"b": 4.0}], "c": "x", "d": 1}));
        assert_eq!(difference(&one, &other).unwrap(), "d is absent and shall be 1");
    }
}
