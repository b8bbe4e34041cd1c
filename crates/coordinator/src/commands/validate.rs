//! `coordinator validate`: checks a spec without running it.

use std::process::ExitCode;

use super::catalog::Known;
use super::{Stop, input, say};
use crate::args::SpecArgs;
use crate::cli::Common;

pub(crate) fn run(common: &Common, args: &SpecArgs) -> Result<ExitCode, Stop> {
    let text = input::read_spec(&args.spec)?;
    // Whether standard input will be there, and what it holds, is not the spec's affair.
    let known = Known::open(common)?.with_standard_input("/dev/null".into());
    let spec = known.parse(&text, &input::variables(&args.variables)?)?;
    if !common.quiet {
        input::show_notes(&spec);
        say(&format!("{} is valid", text.name));
    }
    Ok(ExitCode::SUCCESS)
}
