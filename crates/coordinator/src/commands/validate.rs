//! `coordinator validate`: checks a spec without running it.

use std::process::ExitCode;

use serde_json::json;

use super::catalog::Known;
use super::{Stop, USAGE, input, print_json, say};
use crate::args::ValidateArgs;
use crate::cli::Common;

pub(crate) fn run(common: &Common, args: &ValidateArgs) -> Result<ExitCode, Stop> {
    let text = input::read_spec(&args.spec.spec)?;
    let variables = input::variables(&args.spec.variables)?;
    // Whether standard input will be there, and what it holds, is not the spec's affair.
    let known = Known::open(common)?.with_standard_input("/dev/null".into());
    if args.output.is_json() {
        let (document, code) = match known.check(&text, &variables) {
            Ok(spec) => {
                let notes: Vec<_> = spec.notes.iter().map(ToString::to_string).collect();
                (json!({"valid": true, "problems": [], "more": 0, "notes": notes}), ExitCode::SUCCESS)
            }
            Err(found) => {
                let (problems, more) = (found.to_json(), found.more());
                let document = json!({"valid": false, "problems": problems, "more": more, "notes": []});
                (document, ExitCode::from(USAGE))
            }
        };
        print_json(&document)?;
        return Ok(code);
    }
    let spec = known.parse(&text, &variables)?;
    if !common.quiet {
        input::show_notes(&spec);
        say(&format!("{} is valid", text.name));
    }
    Ok(ExitCode::SUCCESS)
}
