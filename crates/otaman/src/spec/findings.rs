//! Gathering what is found while a spec is read, and giving it lines and columns at the end.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::spec::document::Document;
use crate::spec::path::{Focus, Place, Segment, Shown};
use crate::spec::problem::{Note, Problem, Problems};

/// Most problems that are shown.
const MAX_SHOWN: usize = 100;
/// Most problems that are kept; more are only counted, so that a huge broken spec stays cheap.
const MAX_KEPT: usize = 1000;

/// A problem without line and column.
#[derive(Debug, Clone, Default)]
pub(crate) struct Finding {
    pub(crate) place: Place,
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
    /// Another byte of the text that belongs to it.
    pub(crate) other: Option<usize>,
}

impl Finding {
    pub(crate) fn new(path: &[Segment], focus: Focus, message: impl Into<String>) -> Self {
        Self { place: Place::new(path, focus), message: message.into(), ..Self::default() }
    }

    /// Adds a name that was perhaps meant.
    pub(crate) fn suggest(mut self, name: Option<impl Into<String>>) -> Self {
        self.suggestion = name.map(Into::into);
        self
    }
}

/// All that was found so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    problems: Vec<Finding>,
    more: usize,
    notes: Vec<Finding>,
    /// Places whose value comes from variables, by the variables' names.
    origins: HashMap<Vec<Segment>, String>,
    /// Places whose value is not known, since a variable is missing.
    unknown: HashSet<Vec<Segment>>,
}

impl Findings {
    /// Adds a problem, unless it is about a value that is not known: that has been told.
    pub(crate) fn add(&mut self, mut problem: Finding) {
        let mut path = problem.place.path.clone();
        if let Focus::Member(name) = problem.place.focus {
            path.push(name.into());
        }
        if !self.knows_all() && (0..=path.len()).any(|length| self.unknown.contains(&path[..length])) {
            return;
        }
        if let Some(variables) = self.origin(&path) {
            problem.message.push_str(&format!(" (the value comes from {variables})"));
        }
        if self.problems.len() < MAX_KEPT {
            self.problems.push(problem);
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn note(&mut self, note: Finding) {
        self.notes.push(note);
    }

    /// Remembers that the value at this place is not what the text says.
    pub(crate) fn comes_from(&mut self, path: &[Segment], variables: String) {
        self.origins.insert(path.to_vec(), variables);
    }

    /// Remembers that the value at this place is not known, so that nothing more is said about it.
    pub(crate) fn is_unknown(&mut self, path: &[Segment]) {
        self.unknown.insert(path.to_vec());
    }

    /// Whether all values are known.
    pub(crate) fn knows_all(&self) -> bool {
        self.unknown.is_empty()
    }

    /// How many problems there are; to see whether some step found any.
    pub(crate) fn count(&self) -> usize {
        self.problems.len() + self.more
    }

    /// The notes, or the problems if there are any.
    pub(crate) fn finish(mut self, file: &Arc<str>, document: &Document<'_>) -> Result<Vec<Note>, Problems> {
        let problems = std::mem::take(&mut self.problems);
        let notes = std::mem::take(&mut self.notes);
        if problems.is_empty() {
            let notes = located(notes, file, document);
            return Ok(notes.into_iter().map(|(_, found)| found.into_note()).collect());
        }
        let mut problems = located(problems, file, document);
        problems.sort_by_key(|(byte, _)| *byte);
        problems.dedup_by(|later, earlier| later.1 == earlier.1);
        let more = self.more + problems.len().saturating_sub(MAX_SHOWN);
        problems.truncate(MAX_SHOWN);
        Err(Problems { list: problems.into_iter().map(|(_, problem)| problem).collect(), more })
    }

    fn origin(&self, path: &[Segment]) -> Option<&String> {
        if self.origins.is_empty() {
            return None;
        }
        (0..=path.len()).find_map(|length| self.origins.get(&path[..length]))
    }
}

fn located(findings: Vec<Finding>, file: &Arc<str>, document: &Document<'_>) -> Vec<(usize, Problem)> {
    let bytes: Vec<usize> = findings.iter().map(|finding| document.locate(&finding.place)).collect();
    let others = findings.iter().filter_map(|finding| finding.other);
    let lines = lines_and_columns(document.text(), bytes.iter().copied().chain(others));
    let located = findings.into_iter().zip(bytes).map(|(finding, byte)| {
        let (line, column) = lines[&byte];
        let mut message = finding.message;
        if let Some((line, column)) = finding.other.map(|other| lines[&other]) {
            message.push_str(&format!("; the other is at {line}:{column}"));
        }
        let path = Shown(&finding.place.path).to_string();
        let problem =
            Problem { file: Arc::clone(file), line, column, path, message, suggestion: finding.suggestion };
        (byte, problem)
    });
    located.collect()
}

impl Problem {
    fn into_note(self) -> Note {
        let Self { file, line, column, path, message, suggestion: _ } = self;
        Note { file, line, column, path, message }
    }
}

/// Line and column of each of these bytes, in one pass over the text.
fn lines_and_columns(text: &str, bytes: impl Iterator<Item = usize>) -> BTreeMap<usize, (usize, usize)> {
    let mut wanted: BTreeMap<usize, (usize, usize)> = bytes.map(|byte| (byte, (1, 1))).collect();
    let (mut line, mut column, mut at) = (1, 1, 0);
    for (byte, place) in &mut wanted {
        let end = (at..=(*byte).min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(at);
        for character in text[at..end].chars() {
            (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        at = end;
        *place = (line, column);
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let text = "aé\n\u{1f600}x\r\ny";
        let places = lines_and_columns(text, [0, 1, 3, 4, 8, 11, 99].into_iter());
        let expected =
            [(0, (1, 1)), (1, (1, 2)), (3, (1, 3)), (4, (2, 1)), (8, (2, 2)), (11, (3, 1)), (99, (3, 2))];
        assert_eq!(places, expected.into_iter().collect());
    }
}
