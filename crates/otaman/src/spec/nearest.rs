//! Names that were perhaps meant, and lists of names for messages.

/// The candidate most like `name`, if one is like it at all.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = simplified(name);
    let length = wanted.chars().count();
    let scored = candidates.into_iter().filter_map(|candidate| {
        let simple = simplified(candidate);
        // `sequential_flow` for `mazepa.sequential_flow`.
        if candidate.rsplit_once('.').is_some_and(|(_, last)| simplified(last) == wanted) {
            return Some((0, candidate));
        }
        // Comparing takes time in the product of the lengths; names far apart in length never match.
        if simple.chars().count().abs_diff(length) > allowed(length) {
            return None;
        }
        let distance = strsim::damerau_levenshtein(&wanted, &simple);
        (distance <= allowed(length)).then_some((distance, candidate))
    });
    scored.min().map(|(_, candidate)| candidate)
}

/// How many slips a name of this length may have.
fn allowed(length: usize) -> usize {
    match length {
        0..=1 => 0,
        2..=5 => 1,
        6..=9 => 2,
        _ => length.min(128) / 4 + 1,
    }
}

/// Slips of case and punctuation count for nothing.
fn simplified(name: &str) -> String {
    let name = name.chars().take(256).filter(|character| !matches!(character, '_' | '-' | '.' | ' '));
    name.flat_map(char::to_lowercase).collect()
}

/// `a, b and c` or `a, b or c`, the rest counted when there are very many.
pub fn listed<T: AsRef<str>>(items: &[T], joint: &str) -> String {
    const MOST: usize = 20;
    let mut items: Vec<&str> = items.iter().map(T::as_ref).collect();
    let more = items.len().saturating_sub(MOST);
    let rest = format!("{more} more");
    if more > 0 {
        items.truncate(MOST);
        items.push(&rest);
    }
    match items.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} {joint} {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_found_and_strangers_are_not() {
        let names = ["command", "sleep", "echo", "map_flow", "x", "mazepa.execute"];
        for (name, expected) in [
            ("comand", Some("command")),
            ("Command", Some("command")),
            ("mapflow", Some("map_flow")),
            ("execute", Some("mazepa.execute")),
            ("ehco", Some("echo")),
            ("resize", None),
            ("y", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, names), expected, "{name}");
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        assert!(listed(&names, "or").ends_with("18, 19 or 10 more"));
        assert_eq!(listed(&["a", "b", "c"], "and"), "a, b and c");
        assert_eq!(listed(&["a"], "and"), "a");
    }
}
