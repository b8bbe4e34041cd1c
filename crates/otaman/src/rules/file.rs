//! Rules from a file: a JSON list, each rule an object.

use std::io;
use std::path::Path;

use crate::rules::list::Rules;
use crate::rules::rule::Rule;

/// Why a file of rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It cannot be read.
    #[error("cannot read the rules {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not a list of rules.
    #[error(
        "the rules {path} cannot be used; write a list such as \
         [{{\"text\": \"quota exceeded\", \"cause\": \"transient\"}}]"
    )]
    Parse {
        /// The file.
        path: String,
        /// Which rule, what is wrong with it, and at which line and column.
        #[source]
        source: serde_path_to_error::Error<serde_json::Error>,
    },
}

impl Rules {
    /// The rules of a file, tried before those that Otaman has.
    ///
    /// # Errors
    /// If the file cannot be read or is not a list of rules.
    pub fn read(path: &Path) -> Result<Self, RulesError> {
        let name = path.display().to_string();
        let failed = |source| RulesError::Read { path: name.clone(), source };
        let text = std::fs::read_to_string(path).map_err(failed)?;
        Self::parse(&name, &text)
    }

    fn parse(path: &str, text: &str) -> Result<Self, RulesError> {
        let failed = |source| RulesError::Parse { path: path.to_owned(), source };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let rules: Vec<Rule> = serde_path_to_error::deserialize(&mut deserializer).map_err(failed)?;
        let trailing = |source| failed(serde_path_to_error::Error::new(root(), source));
        deserializer.end().map_err(trailing)?;
        Ok(Self::with_file(path, rules))
    }
}

/// The path to the whole document.
fn root() -> serde_path_to_error::Path {
    serde_path_to_error::Track::new().path()
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use protocol::{Cause, Failure};

    use super::*;
    use crate::rules::Origin;

    #[test]
    fn rules_of_a_file_come_before_the_default_ones() {
        let rules = Rules::parse("mine.json", r#"[{"text": "CUDA error:", "cause": "permanent"}]"#).unwrap();
        let failure = Failure::new(Cause::Permanent, "CUDA error: device lost");
        assert_eq!(Rules::default().cause(&failure, &[]), Cause::Transient);
        assert_eq!(rules.cause(&failure, &[]), Cause::Permanent);
        let (origin, first) = rules.iter().next().unwrap();
        assert_eq!((origin, first.cause()), (&Origin::File("mine.json".into()), Cause::Permanent));
        assert_eq!(rules.iter().count(), Rules::default().iter().count() + 1);
    }

    #[test]
    fn what_is_wrong_is_told_with_place_and_cure() {
        for (text, place, cure) in [
            ("{}", "line 1 column 0", "expected a sequence"),
            ("[", "line 1 column 1", "EOF"),
            ("[] []", "line 1 column 4", "trailing"),
            (r#"[{"text": "a", "cause": "lost"}]"#, "[0].cause", "`transient`, `permanent`"),
            ("[\n {\"txt\": \"a\", \"cause\": \"transient\"}]", "line 2 column 7", "expected one of `text`"),
            (r#"[{"cause": "transient"}]"#, "[0]", "at least one of text, type, exit_code, signal"),
            (r#"[{"text": "", "cause": "transient"}]"#, "[0]", "every failure contains"),
            (r#"[{"exit_code": 0, "cause": "transient"}]"#, "[0]", "from 1 to 255"),
            (r#"[{"signal": "KILLED", "cause": "transient"}]"#, "[0]", "such as \"SIGKILL\""),
            (r#"[{"signal": 99, "cause": "transient"}]"#, "[0]", "from 1 to 64"),
            (r#"[{"signal": true, "cause": "transient"}]"#, "[0].signal", "number or a name"),
            (r#"[{"type": "TimeOut", "cause": "transient"}]"#, "[0]", "did you mean \"TimedOut\"?"),
            (r#"[{"text": "a"}]"#, "[0]", "missing field `cause`"),
        ] {
            let error = Rules::parse("rules.json", text).unwrap_err();
            let told = error.source().unwrap().to_string();
            assert!(
                told.contains(place) && told.contains(cure) && told.contains(" at line "),
                "{text}: {told}"
            );
            assert!(error.to_string().contains("rules.json"), "{error}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Rules::read(Path::new("/no/such/rules.json")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the rules /no/such/rules.json");
    }
}
