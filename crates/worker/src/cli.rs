//! The worker's command line.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use otaman::{Registry, Resources};

/// Run the operations that are linked into this program.
#[derive(Debug, Parser)]
#[command(
    name = "worker",
    version,
    after_help = "This release runs tasks inside `coordinator execute`; workers of their own, over RabbitMQ and Redis, \
                  come with the next one."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the operations that this worker can run
    Operations {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command line of this process with everything that is linked into it. `resources` are
/// what its operations may need besides their arguments.
pub fn main(resources: Resources) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows which stream each belongs to.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let registry = match Registry::linked() {
        Ok(registry) => registry,
        Err(problems) => {
            let _ = writeln!(
                std::io::stderr(),
                "error: this program's operations do not fit together:\n{problems}"
            );
            return ExitCode::from(2);
        }
    };
    let Command::Operations { json } = cli.command;
    match operations(&registry, &resources, json) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: cannot print the operations: {error}");
            ExitCode::from(3)
        }
    }
}

fn operations(registry: &Registry, resources: &Resources, as_json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let infos: Vec<_> = registry.operations().map(|operation| &*operation.info).collect();
    if as_json {
        serde_json::to_writer_pretty(&mut out, &infos)?;
        writeln!(out)?;
    } else {
        let width = infos.iter().map(|info| info.name.as_str().len()).max().unwrap_or_default();
        for info in infos {
            let summary = info.description.lines().next().unwrap_or_default();
            writeln!(out, "{:width$}  {}  {}  {summary}", info.name, info.version, info.worker_type)?;
        }
    }
    for missing in registry.missing_resources(resources) {
        writeln!(std::io::stderr(), "warning: {missing}")?;
    }
    Ok(())
}
