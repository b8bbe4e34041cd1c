//! Task options: the `@` keys that say where and how a task runs.

use std::time::Duration;

use protocol::{
    BytesText, DurationText, ExitCodes, Isolation, OnOutOfMemory, RetryPolicy, SemaphoreName, WorkerType,
};
use serde_json::{Map, Value as Json, json};

use crate::spec::checker::{Checker, Complaint, Leniency};
use crate::spec::describe::quoted;
use crate::spec::path::{Focus, Segment};

/// The keys, all of which only tasks have.
pub(crate) const KEYS: [&str; 7] =
    ["@worker_type", "@runtime_limit", "@retry", "@key", "@isolation", "@memory_limit", "@semaphores"];

/// Delays of `@retry`.
const DELAYS: [&str; 4] = ["initial_delay", "max_delay", "timeout_delay", "out_of_memory_delay"];

/// Task options, read; what is absent stays as the operation has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct TaskOptions {
    pub(crate) worker_type: Option<WorkerType>,
    pub(crate) runtime_limit: Option<Duration>,
    /// The fields of `@retry`, checked.
    retry: Option<Map<String, Json>>,
    on_out_of_memory: Option<OnOutOfMemory>,
    pub(crate) key: Option<String>,
    pub(crate) isolation: Option<Isolation>,
    /// In bytes.
    pub(crate) memory_limit: Option<u64>,
    pub(crate) semaphores: Option<Vec<SemaphoreName>>,
}

/// JSON Schema of an object with only the task options.
pub(crate) fn schema() -> Json {
    let times = |description: &str| json!({"type": "integer", "minimum": 1, "maximum": u32::MAX, "description": description});
    let delay = |meaning: &str| json!({"type": "string", "description": format!("a duration such as \"30s\" or \"2h\": {meaning}.")});
    json!({
        "type": "object",
        "properties": {
            "@worker_type": {"type": "string", "description": "Which workers run the task, such as \"gpu\"."},
            "@runtime_limit": delay("the longest that one attempt may take"),
            "@key": {"type": "string", "minLength": 1, "description": "Identifies the task instead of its content."},
            "@isolation": {"type": "string", "enum": Isolation::ALL.map(Isolation::as_str),
                "description": "What the task shares with its worker: \"none\" (its threads), \"thread\" (a thread of its own), \"process\" (a process of its own)."},
            "@memory_limit": {"type": "string",
                "description": "The most memory that one attempt may take, such as \"2GiB\"; it then has a process of its own."},
            "@semaphores": {
                "type": "array",
                "items": {"type": "string"},
                "uniqueItems": true,
                "description": "Semaphores of which an attempt holds a place each while it runs, such as [\"cuda\"], in place of those that its operation names; [] for none."
            },
            "@retry": {
                "type": "object",
                "description": "How failed attempts are tried again; what is left out stays as the operation has it.",
                "properties": {
                    "max_attempts": times("Most attempts that may fail by the task's own doing."),
                    "max_timeouts": times("Most of those that may be timeouts."),
                    "max_out_of_memory": times("Most of those that may run out of memory."),
                    "max_losses": times("Most attempts whose worker may die."),
                    "initial_delay": delay("the longest delay before the second attempt"),
                    "multiplier": {"type": "number", "minimum": 1, "description": "Growth of the delay with each attempt."},
                    "max_delay": delay("no delay between attempts is longer"),
                    "timeout_delay": delay("takes the place of initial_delay after a timeout"),
                    "out_of_memory_delay": delay("takes the place of initial_delay after an attempt that ran out of memory"),
                    "on_out_of_memory": {
                        "type": "object",
                        "description": "Where the task goes after an attempt that ran out of memory.",
                        "properties": {
                            "worker_type": {"type": "string", "description": "Which workers run it from then on, such as \"cpu-large\"."}
                        },
                        "required": ["worker_type"],
                        "additionalProperties": false
                    },
                    "transient_exit_codes": {
                        "description": "Exit codes after which another attempt is made: a list of numbers, or \"all\".",
                        "anyOf": [
                            {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 255}},
                            {"type": "string", "enum": ["all"]}
                        ]
                    }
                },
                "additionalProperties": false
            }
        }
    })
}

impl TaskOptions {
    /// Reads the options. `checker` is of their schema.
    pub(crate) fn read(options: Map<String, Json>, checker: &Checker) -> Result<Self, Vec<Complaint>> {
        if options.is_empty() {
            return Ok(Self::default());
        }
        let options = Json::Object(options);
        let mut complaints = checker.check(&options, "the task options", Leniency::default());
        if !complaints.is_empty() {
            return Err(complaints);
        }
        let mut complain = |path: Vec<Segment>, message: String| {
            complaints.push(Complaint::new(path, Focus::Value, message));
        };
        let text = |name: &str| options.get(name).and_then(Json::as_str);
        let mut read = Self { key: text("@key").map(str::to_owned), ..Self::default() };
        match text("@worker_type").map(worker_type).transpose() {
            Ok(worker_type) => read.worker_type = worker_type,
            Err(message) => complain(vec!["@worker_type".into()], message),
        }
        match text("@runtime_limit").map(duration).transpose() {
            Ok(Some(Duration::ZERO)) => complain(
                vec!["@runtime_limit".into()],
                "a limit of 0 lets no attempt finish; leave it out for none".into(),
            ),
            Ok(limit) => read.runtime_limit = limit,
            Err(message) => complain(vec!["@runtime_limit".into()], message),
        }
        if let Some(names) = options.get("@semaphores").and_then(Json::as_array) {
            let mut semaphores = Vec::new();
            for (index, name) in names.iter().filter_map(Json::as_str).enumerate() {
                match name.parse() {
                    Ok(name) => semaphores.push(name),
                    Err(_) => complain(
                        vec!["@semaphores".into(), Segment::Index(index)],
                        format!(
                            "{} is not a semaphore; it has 1 to 128 characters out of A-Z a-z 0-9 _ . -",
                            quoted(name)
                        ),
                    ),
                }
            }
            read.semaphores = Some(semaphores);
        }
        // The schema knows the words.
        read.isolation = text("@isolation").and_then(|word| word.parse().ok());
        match text("@memory_limit").map(str::parse::<BytesText>).transpose() {
            Ok(Some(BytesText(0))) => {
                complain(
                    vec!["@memory_limit".into()],
                    "no attempt can run in 0 bytes; leave it out for no limit".into(),
                );
            }
            Ok(limit) => read.memory_limit = limit.map(|BytesText(bytes)| bytes),
            Err(error) => complain(vec!["@memory_limit".into()], error.to_string()),
        }
        if let Some(Json::Object(retry)) = options.get("@retry") {
            for name in DELAYS {
                if let Some(Err(message)) = retry.get(name).and_then(Json::as_str).map(duration) {
                    complain(vec!["@retry".into(), name.into()], message);
                }
            }
            let larger = retry.get("on_out_of_memory").and_then(|on| on["worker_type"].as_str());
            match larger.map(worker_type).transpose() {
                Ok(larger) => {
                    read.on_out_of_memory = larger.map(|worker_type| OnOutOfMemory { worker_type });
                }
                Err(message) => {
                    complain(vec!["@retry".into(), "on_out_of_memory".into(), "worker_type".into()], message);
                }
            }
            read.retry = Some(retry.clone());
        }
        if complaints.is_empty() { Ok(read) } else { Err(complaints) }
    }

    /// The retry policy over that of the operation; `None` if neither says anything.
    pub(crate) fn retry(&self, of_operation: Option<&RetryPolicy>) -> Option<RetryPolicy> {
        let Some(retry) = &self.retry else { return of_operation.cloned() };
        let mut policy = of_operation.cloned().unwrap_or_default();
        let number =
            |name: &str| retry.get(name).and_then(Json::as_u64).and_then(|number| u32::try_from(number).ok());
        let delay = |name: &str| retry.get(name).and_then(Json::as_str).and_then(|text| duration(text).ok());
        policy.max_attempts = number("max_attempts").unwrap_or(policy.max_attempts);
        policy.max_timeouts = number("max_timeouts").unwrap_or(policy.max_timeouts);
        policy.max_out_of_memory = number("max_out_of_memory").unwrap_or(policy.max_out_of_memory);
        policy.max_losses = number("max_losses").unwrap_or(policy.max_losses);
        policy.initial_delay = delay("initial_delay").unwrap_or(policy.initial_delay);
        policy.multiplier = retry.get("multiplier").and_then(Json::as_f64).unwrap_or(policy.multiplier);
        policy.max_delay = delay("max_delay").unwrap_or(policy.max_delay);
        policy.timeout_delay = delay("timeout_delay").or(policy.timeout_delay);
        policy.out_of_memory_delay = delay("out_of_memory_delay").or(policy.out_of_memory_delay);
        policy.on_out_of_memory = self.on_out_of_memory.clone().or(policy.on_out_of_memory);
        match retry.get("transient_exit_codes") {
            Some(Json::Array(codes)) => {
                let codes = codes.iter().filter_map(|code| i32::try_from(code.as_i64()?).ok());
                policy.transient_exit_codes = ExitCodes::Only(codes.collect());
            }
            Some(_) => policy.transient_exit_codes = ExitCodes::All,
            None => {}
        }
        Some(policy)
    }
}

fn worker_type(text: &str) -> Result<WorkerType, String> {
    text.parse().map_err(|_| {
        format!("{} is not a worker type; it has 1 to 128 characters out of A-Z a-z 0-9 _ . -", quoted(text))
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    match text.parse::<DurationText>() {
        Ok(duration) => Ok(duration.0),
        Err(_) => {
            Err(format!("{} is not a duration; write for example \"30s\", \"5m\" or \"1h30m\"", quoted(text)))
        }
    }
}
