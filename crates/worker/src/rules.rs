//! The rules by which this worker tells what a failure means, read and listed.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;
use otaman::driver::{Origin, Rule, Rules, RulesError};
use serde::Serialize;

use crate::failed::Failed;

/// Names a file of rules.
pub(crate) const VARIABLE: &str = "OTAMAN_RULES";

/// Where rules come from.
#[derive(Debug, Clone, Args)]
pub(crate) struct RuleArgs {
    /// A JSON file with rules that tell transient failures from permanent ones, before the usual ones;
    /// `worker rules` lists them all
    #[arg(long, global = true, env = VARIABLE, value_name = "FILE")]
    rules: Option<PathBuf>,
}

impl RuleArgs {
    /// All rules.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub(crate) fn read(&self) -> Result<Rules, RulesError> {
        self.rules.as_deref().map_or_else(|| Ok(Rules::default()), Rules::read)
    }
}

/// The rules that the environment names; the usual ones if it names none.
///
/// # Errors
/// If the file cannot be used.
pub(crate) fn of_environment() -> Result<Rules, RulesError> {
    let file = std::env::var_os(VARIABLE).filter(|file: &OsString| !file.is_empty()).map(PathBuf::from);
    RuleArgs { rules: file }.read()
}

/// Prints them in the order in which they are tried.
pub(crate) fn list(rules: &Rules, as_json: bool) -> Result<(), Failed> {
    match print(rules, as_json) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failed::PrintRules(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A rule as it is listed.
#[derive(Serialize)]
struct Listed<'a> {
    /// The file that it is from, or `default`.
    from: &'a str,
    #[serde(flatten)]
    rule: &'a Rule,
}

fn print(rules: &Rules, as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let listed: Vec<Listed<'_>> =
        rules.iter().map(|(origin, rule)| Listed { from: place(origin), rule }).collect();
    if as_json {
        serde_json::to_writer_pretty(&mut out, &listed)?;
        return writeln!(out);
    }
    let conditions: Vec<String> = listed.iter().map(|listed| listed.rule.to_string()).collect();
    let widest = conditions.iter().map(|condition| condition.chars().count()).max().unwrap_or_default();
    let from = listed.iter().map(|listed| listed.from.chars().count()).max().unwrap_or_default();
    for (Listed { from: place, rule }, condition) in listed.iter().zip(&conditions) {
        let cause = rule.cause().as_str();
        let note = rule.reason().unwrap_or_default();
        let line = format!("{cause:13}  {condition:widest$}  {place:from$}  {note}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn place(origin: &Origin) -> &str {
    match origin {
        Origin::File(name) => name,
        Origin::Default => "default",
    }
}
