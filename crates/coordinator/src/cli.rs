//! The command line: what can be asked for, and the documented exit codes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::builder::styling::Styles;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use protocol::ExecutionId;

use crate::commands::{self, Stop};
use crate::embedded::StartWorker;

/// Expand the flows of a spec, run their tasks, remember every outcome.
#[derive(Debug, Parser)]
#[command(
    name = "coordinator",
    version,
    styles = Styles::plain(),
    after_help = "Exit codes: 0 succeeded, 1 some task or flow failed, 2 wrong usage or spec, \
                  3 store, broker or disk failed, 130 cancelled."
)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// Where executions are remembered [default: otaman below $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, global = true, env = "OTAMAN_STATE_DIR", value_name = "DIR", hide_env_values = true)]
    pub(crate) state_dir: Option<PathBuf>,
    /// Say more on standard error; twice for each task. OTAMAN_LOG=filter decides finely
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Show no progress and no notes; results and errors only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a spec to its end
    Execute(ExecuteArgs),
    /// Count the tasks of a spec without running any
    Plan(PlanArgs),
    /// Check a spec without running it
    Validate(SpecArgs),
    /// Print the JSON Schema of all specs, for editors
    Schema,
    /// List the operations and flows that specs may use
    Operations(OperationsArgs),
    /// Look at executions, running and past
    Executions(ExecutionsArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// A spec and its variables.
#[derive(Debug, Clone, Args)]
pub(crate) struct SpecArgs {
    /// The spec, a JSON file; - for standard input
    pub(crate) spec: PathBuf,
    /// Value of a variable of the spec, as JSON or else as text; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub(crate) variables: Vec<String>,
}

/// `coordinator execute`
#[derive(Debug, Clone, Args)]
pub(crate) struct ExecuteArgs {
    /// The spec, a JSON file; - for standard input. With --resume it may be left out
    pub(crate) spec: Option<PathBuf>,
    /// Value of a variable of the spec, as JSON or else as text; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub(crate) variables: Vec<String>,
    /// Name of the execution [default: made from the spec's file name]
    #[arg(long, value_name = "ID", conflicts_with = "resume")]
    pub(crate) id: Option<ExecutionId>,
    /// Go on with this execution: what succeeded is not run again
    #[arg(long, value_name = "ID")]
    pub(crate) resume: Option<ExecutionId>,
    /// Tasks run at once by this process [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) workers: Option<u32>,
    /// Flows are asked for more only while fewer tasks than this are unfinished
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) max_in_flight: u32,
    /// What a task that failed for good means to the rest [default: stop]
    #[arg(long, value_name = "POLICY", value_enum)]
    pub(crate) on_failure: Option<OnFailure>,
    /// Print one JSON document with counts, result and failures instead of the result alone
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a dead task means to the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFailure {
    /// Start nothing more; running tasks finish
    Stop,
    /// Go on with what does not depend on it
    Continue,
}

/// `coordinator plan`
#[derive(Debug, Clone, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `coordinator operations`
#[derive(Debug, Clone, Args)]
pub(crate) struct OperationsArgs {
    /// Show one, with its arguments
    pub(crate) name: Option<String>,
    /// Only those that have this tag; repeated: that have all of them
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `coordinator executions`
#[derive(Debug, Clone, Args)]
pub(crate) struct ExecutionsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ExecutionsCommand>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ExecutionsCommand {
    /// List executions, newest first
    List,
    /// Show one, with its failures and their evidence
    Show {
        /// The execution
        id: ExecutionId,
    },
}

/// Runs the command line of this process with everything that is linked into it; `start_worker`
/// starts the worker of embedded executions.
///
/// ```no_run
/// # fn worker() -> impl coordinator::embedded::StartWorker {
/// #     |_, _, _, _| -> futures::future::BoxFuture<'static, Result<(), coordinator::embedded::WorkerError>> {
/// #         Box::pin(async { Ok(()) })
/// #     }
/// # }
/// fn main() -> std::process::ExitCode {
///     coordinator::main(worker())
/// }
/// ```
pub fn main(start_worker: impl StartWorker) -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows which stream each belongs to.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    crate::logging::start(cli.common.verbose, cli.common.quiet);
    let common = &cli.common;
    let result = match cli.command {
        Command::Execute(args) => commands::execute::run(common, args, Arc::new(start_worker)),
        Command::Plan(args) => commands::plan::run(common, &args),
        Command::Validate(args) => commands::validate::run(common, &args),
        Command::Schema => commands::schema::run(),
        Command::Operations(args) => commands::operations::run(&args),
        Command::Executions(args) => commands::executions::run(common, &args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "coordinator", &mut script);
            commands::print(|out| out.write_all(&script)).map(|()| ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(Stop::report)
}
