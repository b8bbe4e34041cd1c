//! `coordinator functions`: what may stand as `fn` in flows over volumes.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{ArgMatches, Args, FromArgMatches};
use coordinator::Extra;
use serde_json::{Value as Json, json};
use volumetric::expression;
use volumetric::function::{Registration, registered};

const LAMBDA: &str = r#"{"@type": "lambda", "lambda_str": "lambda src: where(src > 40, src, 0)"}"#;

/// List the functions on arrays that flows over volumes may name as `fn`, with their parameters
#[derive(Debug, Args)]
struct FunctionsArgs {
    /// One of them alone
    name: Option<String>,
    /// JSON, with a schema of each one's parameters
    #[arg(long)]
    json: bool,
}

/// The command, for the coordinator's command line.
pub(crate) fn extra() -> Extra {
    Extra { command: FunctionsArgs::augment_args(clap::Command::new("functions")), run }
}

fn run(matches: &ArgMatches) -> ExitCode {
    let args = match FunctionsArgs::from_arg_matches(matches) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    let is_wanted = |known: &str| args.name.as_ref().is_none_or(|name| name == known);
    let found: Vec<_> = registered().into_iter().filter(|function| is_wanted(function.name())).collect();
    let has_lambda = is_wanted("lambda");
    if let Some(name) = args.name.as_ref().filter(|_| found.is_empty() && !has_lambda) {
        let _ = writeln!(io::stderr(), "error: no function is named {name:?}; see `coordinator functions`");
        return ExitCode::from(2);
    }
    let printed = if args.json { print_json(&found) } else { print(&found, has_lambda) };
    match printed {
        // Whoever reads no further needs no more.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(io::stderr(), "error: cannot print the functions: {error}");
            ExitCode::from(3)
        }
        Ok(()) | Err(_) => ExitCode::SUCCESS,
    }
}

fn print_json(functions: &[&Registration]) -> io::Result<()> {
    let all: Vec<Json> = functions
        .iter()
        .map(|function| json!({"name": function.name(), "parameters": function.schema()}))
        .collect();
    writeln!(io::stdout(), "{:#}", Json::from(all))
}

fn print(functions: &[&Registration], has_lambda: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if has_lambda {
        writeln!(out, "lambda: An expression, with NumPy's operators and types, such as {LAMBDA}")?;
        writeln!(out, "  lambda_str (required): lambda, names of inputs, and the expression; it may call")?;
        for line in expression::functions().collect::<Vec<_>>().chunks(6) {
            writeln!(out, "    {}", line.join(", "))?;
        }
        writeln!(
            out,
            "  sum, mean, min, max, any and all of one array are those of the chunk at hand, so that results depend on"
        )?;
        writeln!(out, "  how a volume is cut.\n")?;
    }
    for function in functions {
        let schema = Json::from(function.schema());
        writeln!(out, "{}: {}", function.name(), text(&schema))?;
        let required =
            |name: &str| schema["required"].as_array().is_some_and(|all| all.contains(&name.into()));
        for (name, parameter) in schema["properties"].as_object().into_iter().flatten() {
            let need = if required(name) { "required" } else { "optional" };
            writeln!(out, "  {name} ({need}): {}", text(parameter))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// What a schema says of what it describes, on one line.
fn text(schema: &Json) -> String {
    schema["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}
