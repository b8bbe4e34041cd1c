//! `coordinator validate`: checks a spec without running it.

use std::process::ExitCode;

use super::{Stop, input, say};
use crate::cli::{Common, SpecArgs};

pub(crate) fn run(common: &Common, args: &SpecArgs) -> Result<ExitCode, Stop> {
    let text = input::read_spec(&args.spec)?;
    // Whether standard input will be there, and what it holds, is not the spec's affair.
    let catalog = input::catalog()?.with_standard_input("/dev/null".into());
    let spec = input::parse(&text, &input::variables(&args.variables)?, &catalog)?;
    if !common.quiet {
        input::show_notes(&spec);
        say(&format!("{} is valid", text.name));
    }
    Ok(ExitCode::SUCCESS)
}
