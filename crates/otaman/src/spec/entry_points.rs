//! Mazepa's entry points as roots of a spec: which of their parameters mean something here, which
//! do not, and why.

use std::num::NonZeroU32;

use protocol::ExecutionId;
use serde_json::{Map, Value as Json, json};

use crate::spec::checker::{Checker, Complaint};
use crate::spec::findings::Finding;
use crate::spec::path::{Focus, Segment};
use crate::spec::settings::{FailurePolicy, Settings};

/// An entry point.
#[derive(Debug)]
pub(crate) struct EntryPoint {
    pub(crate) name: &'static str,
    pub(crate) schema: Json,
    pub(crate) checker: Checker,
}

const EXECUTE: &str = "mazepa.execute";
const EXECUTE_LOCALLY: &str = "mazepa.execute_locally";

/// What a parameter means.
enum Effect {
    /// Has a meaning here, which the text says.
    Maps(&'static str),
    /// Accepted; the text says why it changes nothing.
    Without(&'static str),
    /// Refused unless null; the text says why and what to do.
    Refused(&'static str),
}
use Effect::{Maps, Refused, Without};

/// A parameter: its name, its type in JSON Schema, its meaning.
type Parameter = (&'static str, &'static str, Effect);

/// Parameters of both entry points.
const COMMON: &[Parameter] = &[
    ("execution_id", "string", Maps("Name of the execution.")),
    (
        "raise_on_failed_task",
        "boolean",
        Maps("Whether the first dead task stops the execution; else independent work goes on."),
    ),
    ("show_progress", "boolean", Maps("Whether to show progress.")),
    (
        "max_batch_len",
        "integer",
        Without("tasks go out one by one as slots become free; --max-in-flight bounds them"),
    ),
    ("batch_gap_sleep_sec", "number", Without("nothing sleeps between batches here")),
    (
        "do_dryrun_estimation",
        "boolean",
        Without("no dry run is made; `coordinator plan` counts tasks without running them"),
    ),
    ("checkpoint_interval_sec", "number", Without("every outcome is recorded at once")),
    (
        "raise_on_failed_checkpoint",
        "boolean",
        Without(
            "a task counts as done only when its outcome is recorded, so an execution cannot outrun its record",
        ),
    ),
    ("write_progress_summary", "boolean", Without("the coordinator's dashboard and API show progress")),
    ("require_interrupt_confirm", "boolean", Without("an interrupt never loses work; --resume goes on")),
    ("task_queue", "object", Refused("queues are not named in specs; give the broker with --broker")),
    ("outcome_queue", "object", Refused("queues are not named in specs; give the broker with --broker")),
    (
        "checkpoint",
        "string",
        Refused(
            "Mazepa's checkpoint files cannot be read here; go on with an earlier execution by --resume ID",
        ),
    ),
    ("state_constructor", "object", Refused("the execution's state cannot be replaced; leave it out")),
];

/// Parameters of `mazepa.execute_locally` only.
const LOCAL: &[Parameter] = &[
    ("num_procs", "integer", Maps("How many workers to run on this machine.")),
    ("debug", "boolean", Without("tasks of an embedded execution run in this process anyway")),
    ("suppress_worker_logs", "boolean", Without("tasks' logs are kept apart by task")),
    ("resource_monitor_interval", "number", Without("workers report their resources by themselves")),
    ("queues_dir", "string", Without("embedded queues need no directory")),
    (
        "semaphores_spec",
        "object",
        Refused("semaphores belong to machines; start workers with --semaphore cuda=1"),
    ),
];

impl EntryPoint {
    pub(crate) fn all() -> Vec<Self> {
        [EXECUTE, EXECUTE_LOCALLY].map(Self::new).into()
    }

    fn new(name: &'static str) -> Self {
        let schema = schema(name);
        Self { name, checker: Checker::new(&schema), schema }
    }

    /// Adds to a complaint about an unknown parameter what only an entry point knows.
    pub(crate) fn explain(&self, mut complaint: Complaint) -> Complaint {
        if let ([Segment::Key(key)], Focus::Key) = (complaint.path.as_slice(), complaint.focus)
            && LOCAL.iter().any(|parameter| parameter.0 == key)
        {
            complaint.message =
                format!("{key} is a parameter of \"{EXECUTE_LOCALLY}\"; use that as \"@type\"");
            complaint.suggestion = None;
        }
        complaint
    }

    /// The settings that these parameters make, what is refused, and notes about what has no
    /// effect. The parameters fit the schema.
    pub(crate) fn settings(&self, parameters: &Map<String, Json>, path: &[Segment]) -> Outcome {
        let mut outcome = Outcome::default();
        let at = |name: &str, focus, message: String| {
            let path: Vec<Segment> = path.iter().cloned().chain([name.into()]).collect();
            Finding::new(&path, focus, message)
        };
        let given = of(self.name).filter_map(|parameter| Some((parameter, parameters.get(parameter.0)?)));
        for ((name, _, effect), value) in given.filter(|(_, value)| !value.is_null()) {
            match effect {
                Without(reason) => {
                    let message = format!("{name} has no effect: {reason}");
                    outcome.notes.push(at(name, Focus::Key, message));
                }
                Refused(reason) => {
                    outcome.problems.push(at(name, Focus::Key, format!("{name} is refused: {reason}")))
                }
                Maps(_) => {
                    if let Err(message) = outcome.settings.set(name, value) {
                        outcome.problems.push(at(name, Focus::Value, message));
                    }
                }
            }
        }
        outcome
    }
}

/// What the parameters of an entry point come to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) settings: Settings,
    pub(crate) problems: Vec<Finding>,
    pub(crate) notes: Vec<Finding>,
}

impl Settings {
    fn set(&mut self, name: &str, value: &Json) -> Result<(), String> {
        match name {
            "execution_id" => {
                let id = value.as_str().unwrap_or_default().parse::<ExecutionId>();
                self.execution_id = Some(id.map_err(|error| error.to_string())?);
            }
            "raise_on_failed_task" => {
                let stop = value.as_bool().unwrap_or(true);
                self.on_failure = Some(if stop { FailurePolicy::Stop } else { FailurePolicy::Continue });
            }
            "show_progress" => self.quiet = value == false,
            "num_procs" => {
                let number =
                    value.as_u64().and_then(|number| u32::try_from(number).ok()).and_then(NonZeroU32::new);
                self.workers =
                    Some(number.ok_or_else(|| format!("{value} is no number of workers; write 1 or more"))?);
            }
            other => unreachable!("{other} is not a parameter with a meaning"),
        }
        Ok(())
    }
}

fn of(name: &str) -> impl Iterator<Item = &'static Parameter> {
    let local: &[Parameter] = if name == EXECUTE_LOCALLY { LOCAL } else { &[] };
    COMMON.iter().chain(local)
}

/// JSON Schema of an entry point's parameters.
fn schema(name: &str) -> Json {
    let mut properties = Map::new();
    let target = json!({
        "type": "object", "required": ["@type"], "x-otaman": "target", "description": "The task or flow to execute."
    });
    properties.insert("target".into(), target);
    for (name, kind, effect) in of(name) {
        let property = match effect {
            Maps(meaning) if *name == "num_procs" => {
                json!({"type": kind, "minimum": 1, "description": meaning})
            }
            Maps(meaning) => json!({"type": [kind, "null"], "description": meaning}),
            Without(reason) => {
                json!({"type": [kind, "null"], "description": format!("No effect: {reason}.")})
            }
            // Any value, so that the refusal is not drowned by complaints about its type.
            Refused(reason) => json!({"description": format!("Refused: {reason}.")}),
        };
        properties.insert((*name).to_owned(), property);
    }
    json!({"type": "object", "properties": properties, "required": ["target"], "additionalProperties": false})
}

/// What to use instead of a name of Mazepa's that is nothing here.
pub(crate) fn replacement(name: &str) -> Option<&'static str> {
    const BROKER: &str =
        "queues are not named in specs; give the broker to coordinator and workers with --broker";
    Some(match name {
        "mazepa.execute_on_slurm" => {
            "start workers by sbatch (`worker --queue cpu`) and run this spec with \"mazepa.execute\" as its @type, \
             or its target alone, by `coordinator execute --broker … --store …`"
        }
        "mazepa.execute_on_gcp_with_sqs" => {
            "start workers on the cluster (`worker --queue cpu`) and run this spec with \"mazepa.execute\" as its \
             @type, or its target alone, by `coordinator execute --broker … --store …`"
        }
        "mazepa.Executor" => {
            "a spec is executed by `coordinator execute`; use \"mazepa.execute\" or the target alone"
        }
        "mazepa.run_worker_manager" | "mazepa.run_worker" => {
            "workers need no spec; start `worker --queue cpu`"
        }
        "mazepa.TaskRouter" => "a task is routed by \"@worker_type\" on it",
        "mazepa.AutoexecuteTaskQueue" => "without --broker everything runs in one process",
        "FileQueue" | "SQSQueue" | "PubSubPullQueue" | "sqs_queue_ctx_mngr" => BROKER,
        "k8s_deployment_ctx_mngr" => "deploy workers with your own tools; they need no spec",
        _ if name.starts_with("mazepa.k8s.") => "deploy workers with your own tools; they need no spec",
        _ => return None,
    })
}
