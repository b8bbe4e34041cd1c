//! What commands read: specs, variables, standard input, the state directory.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use otaman::Registry;
use otaman::spec::{self, Spec};
use serde_json::Value as Json;

use super::{Stop, say};
use crate::cli::Common;

/// A spec's text, and how to call it.
pub(crate) struct Text {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Reads a spec; `-` is standard input.
pub(crate) fn read_spec(path: &Path) -> Result<Text, Stop> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("reading the spec from standard input")?;
        return Ok(Text { name: "-".to_owned(), bytes });
    }
    let bytes = std::fs::read(path)
        .map_err(|error| Stop::Usage(format!("error: cannot read the spec {}: {error}", path.display())))?;
    Ok(Text { name: path.display().to_string(), bytes })
}

/// Parses `--var` options.
pub(crate) fn variables(options: &[String]) -> Result<BTreeMap<String, Json>, Stop> {
    let mut variables = BTreeMap::new();
    for option in options {
        let (name, value) = spec::parse_variable(option)
            .map_err(|error| Stop::Usage(format!("error: --var {option}: {error}")))?;
        if variables.insert(name.clone(), value).is_some() {
            return Err(Stop::Usage(format!("error: --var {name} is given twice")));
        }
    }
    Ok(variables)
}

/// All that is linked into this program.
pub(crate) fn registry() -> Result<Arc<Registry>, Stop> {
    let registry = Registry::linked().map_err(|problems| {
        Stop::Usage(format!("error: this program's operations and flows do not fit together:\n{problems}"))
    })?;
    Ok(Arc::new(registry))
}

/// Says what a spec asks for that has no effect here.
pub(crate) fn show_notes(spec: &Spec) {
    for note in &spec.notes {
        say(&format!("note: {note}"));
    }
}

/// `--state-dir`, else `otaman` below `$XDG_STATE_HOME`, else below `~/.local/state`.
pub(crate) fn state_dir(common: &Common) -> Result<PathBuf, Stop> {
    let from_env = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let chosen = common
        .state_dir
        .clone()
        .or_else(|| Some(from_env("XDG_STATE_HOME")?.join("otaman")))
        .or_else(|| Some(from_env("HOME")?.join(".local/state/otaman")))
        .ok_or_else(|| {
            let problem = "error: neither HOME nor XDG_STATE_HOME is set; name a directory with --state-dir";
            Stop::Usage(problem.to_owned())
        })?;
    // A resumed execution goes to another directory, and its state must not come along.
    Ok(std::path::absolute(&chosen).with_context(|| format!("finding {}", chosen.display()))?)
}

/// Whether the spec reads standard input, as `"lines": "-"`.
pub(crate) fn reads_standard_input(spec: &Spec) -> bool {
    fn looks(spec: &Json) -> bool {
        match spec {
            Json::Object(fields) => {
                fields.iter().any(|(key, value)| key == "lines" && value == "-" || looks(value))
            }
            Json::Array(items) => items.iter().any(looks),
            _ => false,
        }
    }
    looks(spec.root.spec())
}

/// A temporary file for standard input, since that can be read only once.
pub(crate) struct Spool(tempfile::NamedTempFile);

impl Spool {
    /// An empty one below a directory.
    pub(crate) fn new(directory: &Path) -> Result<Self, Stop> {
        let context = || format!("making a temporary file below {}", directory.display());
        std::fs::create_dir_all(directory).with_context(context)?;
        Ok(Self(
            tempfile::Builder::new()
                .prefix("standard-input-")
                .tempfile_in(directory)
                .with_context(context)?,
        ))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Copies standard input into it.
    pub(crate) fn fill(&self, text: &Text) -> Result<(), Stop> {
        if text.name == "-" {
            let problem = "error: the spec itself came from standard input, so its \"lines\": \"-\" has nothing to \
                           read; put one of them in a file";
            return Err(Stop::Usage(problem.to_owned()));
        }
        if std::io::stdin().is_terminal() {
            say("reading lines from standard input; end with Ctrl-D");
        }
        let context = || format!("copying standard input to {}", self.path().display());
        let mut file = self.0.as_file();
        std::io::copy(&mut std::io::stdin().lock(), &mut file).with_context(context)?;
        file.sync_all().with_context(context)?;
        Ok(())
    }

    /// Puts into it what an earlier run has kept.
    pub(crate) fn restore(&self, bytes: &[u8]) -> Result<(), Stop> {
        let context = || format!("writing {}", self.path().display());
        Ok(std::fs::write(self.path(), bytes).with_context(context)?)
    }

    /// How many bytes are in it.
    pub(crate) fn size(&self) -> Result<u64, Stop> {
        Ok(self
            .0
            .as_file()
            .metadata()
            .with_context(|| format!("looking at {}", self.path().display()))?
            .len())
    }

    /// What is in it.
    pub(crate) fn read(&self) -> Result<Vec<u8>, Stop> {
        Ok(std::fs::read(self.path()).with_context(|| format!("reading {}", self.path().display()))?)
    }

    /// Gives it a second name, under which later runs find it.
    pub(crate) fn keep(&self, path: &Path) -> Result<(), Stop> {
        let context = || format!("keeping standard input as {}", path.display());
        std::fs::create_dir_all(path.parent().unwrap_or(path)).with_context(context)?;
        if std::fs::hard_link(self.path(), path).is_err() {
            // Some file systems have no second names.
            std::fs::copy(self.path(), path).with_context(context)?;
        }
        Ok(())
    }
}
