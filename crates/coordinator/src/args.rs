//! What each command is told on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use protocol::{DurationText, ExecutionId, SemaphoreWidth, TaskId};

/// The form of a command's result.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct OutputArgs {
    /// Form of the result
    #[arg(short, long, global = true, value_name = "FORM", value_enum)]
    output: Option<Form>,
    /// The same as --output json
    #[arg(long, global = true)]
    json: bool,
}

/// The form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Table,
    /// One JSON document
    Json,
}

impl OutputArgs {
    /// Whether JSON is wanted.
    pub(crate) fn is_json(self) -> bool {
        self.json || self.output == Some(Form::Json)
    }
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
#[derive(Debug, Clone, Default, Args)]
#[command(
    after_help = "With --broker and --store tasks run on all workers that use the same servers; start some with \
                  `worker --queue cpu`. The same execution may be taken up again from any machine. What a spec \
                  reads from standard input (\"lines\": \"-\") is then kept in the store, up to 64 MiB.\n\n\
                  Ctrl-C: what no worker has yet is taken back, and running tasks finish; a second Ctrl-C ends \
                  this process at once.\n\n\
                  --json prints one document with counts, result and failures instead of the result alone.\n\n\
                  Exit codes: 0 succeeded, 1 some task or flow failed, 2 wrong usage or spec, 3 store, \
                  broker or disk failed, or another coordinator runs the execution, 130 cancelled."
)]
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
    /// Forget an earlier execution of this name, unless it still runs, and begin anew
    #[arg(long, conflicts_with = "resume")]
    pub(crate) replace: bool,
    #[command(flatten)]
    pub(crate) how: RunArgs,
    // The only dead tasks to be tried again; all if absent.
    #[arg(skip)]
    pub(crate) only: Option<Vec<TaskId>>,
}

/// How an execution is run.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// Tasks run at once by this process; without servers only [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) workers: Option<u32>,
    /// How many may hold a semaphore at once on this machine, such as cuda=1; without servers only. May be
    /// repeated
    #[arg(long = "semaphore", value_name = "NAME=WIDTH", value_delimiter = ',')]
    pub(crate) semaphores: Vec<SemaphoreWidth>,
    /// Flows are asked for more only while fewer tasks than this are unfinished
    #[arg(long, value_name = "N", default_value_t = MAX_IN_FLIGHT, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) max_in_flight: u32,
    /// What a task that failed for good means to the rest [default: stop]
    #[arg(long, value_name = "POLICY", value_enum)]
    pub(crate) on_failure: Option<OnFailure>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

const MAX_IN_FLIGHT: u32 = 10_000;

impl Default for RunArgs {
    fn default() -> Self {
        Self {
            workers: None,
            semaphores: Vec::new(),
            max_in_flight: MAX_IN_FLIGHT,
            on_failure: None,
            output: OutputArgs::default(),
        }
    }
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
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `coordinator validate`
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "With -o json one document is printed: {\"valid\", \"problems\": [{\"file\", \"line\", \"column\", \"path\", \
                  \"message\", \"suggestion\"}], \"more\", \"notes\"}; `more` problems were found beyond those listed. Exit \
                  codes: 0 valid, 2 not."
)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `coordinator operations`
#[derive(Debug, Clone, Args)]
#[command(after_help = "With servers named, operations that live workers announce are listed too.")]
pub(crate) struct OperationsArgs {
    /// Show one, with its arguments
    pub(crate) name: Option<String>,
    /// Only those that have this tag; repeated: that have all of them
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `coordinator executions`
#[derive(Debug, Clone, Args)]
pub(crate) struct ExecutionsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ExecutionsCommand>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
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
    /// Forget executions that nobody runs: their outcomes, evidence and kept files
    #[command(after_help = "Examples: coordinator executions remove climate-0f3a11\n          \
                      coordinator executions remove --older-than 30d\n\
                      What tasks have written themselves stays. Kept files go, too; those in a shared directory if \
                      --shared-dir names it. A name can be used again.")]
    Remove(RemoveArgs),
}

/// `coordinator executions remove`
#[derive(Debug, Clone, Args)]
#[command(
    override_usage = "coordinator executions remove [OPTIONS] <ID>...\n       coordinator executions remove [OPTIONS] --older-than <DURATION>"
)]
pub(crate) struct RemoveArgs {
    /// The executions
    #[arg(value_name = "ID", required_unless_present = "older_than", conflicts_with = "older_than")]
    pub(crate) ids: Vec<ExecutionId>,
    /// All that succeeded, failed or were cancelled, and that nobody has taken up again for so long
    #[arg(long, value_name = "DURATION")]
    pub(crate) older_than: Option<DurationText>,
}

/// `coordinator cancel`, `pause`, `resume`
#[derive(Debug, Clone, Args)]
pub(crate) struct ExecutionArgs {
    /// The execution
    pub(crate) id: ExecutionId,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `coordinator retry`
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example: coordinator retry climate-0f3a11\n\
                  Goes on as `coordinator execute --resume ID` does, with its exit codes; with nothing dead it \
                  says so and ends with 0, and --json prints the document of the execution as it is.")]
pub(crate) struct RetryArgs {
    /// The execution
    pub(crate) id: ExecutionId,
    #[command(flatten)]
    pub(crate) how: RunArgs,
}

/// `coordinator dead`
#[derive(Debug, Clone, Args)]
pub(crate) struct DeadArgs {
    #[command(subcommand)]
    pub(crate) command: DeadCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum DeadCommand {
    /// List dead tasks, the latest first, at most 1,000 of each execution
    List {
        /// Of this execution only
        id: Option<ExecutionId>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show the evidence of dead tasks: arguments, attempts, last output
    Show {
        /// The execution
        id: ExecutionId,
        /// These tasks only
        tasks: Vec<TaskId>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Try dead tasks again, with fresh budgets, and go on with what depends on them
    ///
    /// Without tasks it tries all of them, as `coordinator retry` does. With tasks the others stay
    /// dead, and what depends on those is skipped.
    Replay {
        /// The execution
        id: ExecutionId,
        /// These tasks only
        tasks: Vec<TaskId>,
        #[command(flatten)]
        how: RunArgs,
    },
}

/// `coordinator bundle`
#[derive(Debug, Clone, Args)]
pub(crate) struct BundleArgs {
    /// The dead task
    pub(crate) task: TaskId,
    /// The execution [default: the latest one in which it is dead]
    #[arg(long, value_name = "ID")]
    pub(crate) execution: Option<ExecutionId>,
}

/// `coordinator explain`
#[derive(Debug, Clone, Args)]
pub(crate) struct ExplainArgs {
    /// The execution
    pub(crate) id: ExecutionId,
    /// One of its tasks
    pub(crate) task: Option<TaskId>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `coordinator workers`, `queues`
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// `coordinator fetch`
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example: coordinator fetch otaman://climate-0f3a11/9f2c… -o report.txt\n\
                  file:// URLs are read from this machine, otaman:// URLs from the store. The file is written as it \
                  was kept: -o names it, as it has no form to choose.")]
pub(crate) struct FetchArgs {
    /// The URL, as it stands in a task's result
    pub(crate) url: String,
    /// The file to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
