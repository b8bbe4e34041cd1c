//! `coordinator schema`: the JSON Schema of all specs.

use std::process::ExitCode;

use super::catalog::Known;
use super::{Stop, print_json};
use crate::cli::Common;

pub(crate) fn run(common: &Common) -> Result<ExitCode, Stop> {
    print_json(&otaman::spec::schema(&Known::open(common)?.catalog))?;
    Ok(ExitCode::SUCCESS)
}
