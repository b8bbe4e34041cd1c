//! `coordinator schema`: the JSON Schema of all specs.

use std::process::ExitCode;

use super::input;
use super::{Stop, print_json};

pub(crate) fn run() -> Result<ExitCode, Stop> {
    print_json(&otaman::spec::schema(&input::catalog()?))?;
    Ok(ExitCode::SUCCESS)
}
