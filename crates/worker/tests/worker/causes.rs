//! Every way in which an attempt can end badly, and the cause that it then has.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

use otaman::driver::Rules;
use otaman::{Context, Descriptor, Error, Operation, Result};
use protocol::Cause::{self, OutOfMemory, Permanent, Timeout, Transient};
use protocol::{ExitCodes, RetryPolicy, Task, TaskId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::support::{Bench, limited, task};

/// Ends in one of the ways that [`WAYS`] names.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct End {
    way: String,
}

impl Operation for End {
    type Output = ();

    fn descriptor() -> Descriptor {
        Descriptor::new("end", "1.0.0")
    }

    async fn run(self, context: Context) -> Result<()> {
        match &*self.way {
            "panic" => panic!("index out of bounds"),
            "panic of a known kind" => panic!("CUDA error: an illegal memory access was encountered"),
            "panic elsewhere" => context.blocking(|_| panic!("Input/output error")).await,
            "panic for want of threads" => panic!("OS can't spawn worker thread: os error 11"),
            way => Err(error(way)),
        }
    }
}

/// An error with a source.
#[derive(Debug)]
struct Outer(io::Error);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request failed")
    }
}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn error(way: &str) -> Error {
    let of_system = |number| Error::from(io::Error::from_raw_os_error(number));
    let says = |text: &str| Error::from(io::Error::other(text.to_owned()));
    match way {
        "said transient" => Error::transient("the licence server is busy"),
        "said permanent" => Error::permanent("the input is not an image"),
        "said permanent, whatever it looks like" => Error::permanent("CUDA error: wrong architecture"),
        "said out of memory" => Error::permanent("the volume is too large").with_cause(OutOfMemory),
        "said timeout" => says("Connection reset by peer").with_cause(Timeout),
        "shortage" => Error::shortage("the GPU has fallen off the bus"),
        "connection reset" => Error::from(io::Error::from(ErrorKind::ConnectionReset)),
        "wrapped time-out" => Error::from(io::Error::other(io::Error::from(ErrorKind::TimedOut))),
        "source broken pipe" => Error::from(Outer(io::Error::from(ErrorKind::BrokenPipe))),
        "source says slow down" => Error::from(Outer(io::Error::other("SlowDown: reduce your rate"))),
        "not found" => of_system(2),
        "permission denied" => of_system(13),
        "EIO" => of_system(5),
        "ENOMEM" => of_system(12),
        "EBUSY" => of_system(16),
        "ENFILE" => of_system(23),
        "EMFILE" => of_system(24),
        "ENOSPC" => of_system(28),
        "ESTALE" => of_system(116),
        "EDQUOT" => of_system(122),
        "HTTP 429" => says("HTTP status client error (429 Too Many Requests)"),
        "HTTP 404" => says("HTTP status client error (404 Not Found)"),
        "HTTP 503" => says("HTTP status server error (503 Service Unavailable)"),
        "DNS" => says("failed to lookup address information: Temporary failure in name resolution"),
        "TLS" => says("TLS handshake timeout"),
        "proxy" => says("Unable to connect to proxy"),
        "certificate" => says("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
        "context tells" => says("HTTP 5xx").context("Failed to retrieve the token"),
        "nothing known" => says("assertion failed: left == right"),
        other => unreachable!("{other} is not among the ways"),
    }
}

/// Ways of operations in Rust.
const WAYS: [(&str, Cause); 33] = [
    ("said transient", Transient),
    ("said permanent", Permanent),
    ("said permanent, whatever it looks like", Permanent),
    ("said out of memory", OutOfMemory),
    ("said timeout", Timeout),
    // Elsewhere it is handed back; here nobody else could have it.
    ("shortage", Transient),
    ("connection reset", Transient),
    ("wrapped time-out", Transient),
    ("source broken pipe", Transient),
    ("source says slow down", Transient),
    ("not found", Permanent),
    ("permission denied", Permanent),
    ("EIO", Transient),
    ("ENOMEM", OutOfMemory),
    ("EBUSY", Transient),
    ("ENFILE", Transient),
    ("EMFILE", Transient),
    ("ENOSPC", Transient),
    ("ESTALE", Transient),
    ("EDQUOT", Transient),
    ("HTTP 429", Transient),
    ("HTTP 404", Permanent),
    ("HTTP 503", Transient),
    ("DNS", Transient),
    ("TLS", Transient),
    ("proxy", Transient),
    ("certificate", Transient),
    ("context tells", Transient),
    ("nothing known", Permanent),
    ("panic", Permanent),
    ("panic of a known kind", Transient),
    ("panic elsewhere", Transient),
    ("panic for want of threads", Transient),
];

/// Ways of commands, as shell scripts.
const SCRIPTS: [(&str, Cause); 21] = [
    ("exit 1", Permanent),
    ("exit 2", Permanent),
    ("exit 75", Transient),
    // The task's retry settings name it.
    ("exit 33", Transient),
    // What a shell says of a child that was ended from outside, and of one that crashed.
    ("exit 129", Transient),
    ("exit 130", Transient),
    ("exit 137", Transient),
    ("exit 143", Transient),
    ("exit 134", Permanent),
    ("exit 139", Permanent),
    // Whoever runs tests under nohup, or in the background, has it ignored.
    ("exec env --default-signal=HUP sh -c 'kill -HUP $$'", Transient),
    ("exec env --default-signal=INT sh -c 'kill -INT $$'", Transient),
    ("kill -KILL $$", Transient),
    ("kill -TERM $$", Transient),
    ("kill -SEGV $$", Permanent),
    ("kill -ABRT $$", Permanent),
    ("echo 'RuntimeError: CUDA error: device-side assert' >&2; exit 1", Transient),
    ("echo 'torch.OutOfMemoryError: CUDA out of memory. Tried' >&2; exit 1", OutOfMemory),
    ("echo 'cp: read error: Input/output error' >&2; exit 1", Transient),
    ("echo 'Connection reset by peer, trying again' >&2; echo 'bad input' >&2; exit 1", Permanent),
    ("echo MemoryError; exit 1", OutOfMemory),
];

fn never() -> RetryPolicy {
    RetryPolicy { transient_exit_codes: ExitCodes::Only(vec![33]), ..RetryPolicy::never() }
}

fn once(mut task: Task) -> Task {
    task.retry = Some(Box::new(never()));
    task
}

fn end(way: &str) -> Task {
    once(task("end", "1.0.0", &json!({"way": way})))
}

fn command(arguments: &Json) -> Task {
    once(task("command", "1.0.0", arguments))
}

fn shell(script: &str) -> Task {
    command(&json!({"argv": ["sh", "-c", script]}))
}

/// Sees that each task ends by its cause, in its one attempt.
async fn assert_causes(bench: &Bench, expected: Vec<(Task, String, Cause)>) {
    let running = bench.start();
    bench.publish(expected.iter().map(|(task, ..)| task.clone())).await;
    let outcomes = bench.outcomes(expected.len()).await;
    running.end().await;
    let ended: HashMap<TaskId, _> = outcomes.iter().map(|outcome| (outcome.task, outcome)).collect();
    for (task, way, cause) in expected {
        let outcome = ended[&task.id];
        let failure = outcome.failure().unwrap_or_else(|| panic!("{way} succeeded"));
        assert_eq!(failure.cause, cause, "{way}: {}", failure.summary());
        assert_eq!(outcome.attempt, 1, "{way}");
    }
}

#[tokio::test]
async fn every_way_to_end_has_its_cause() {
    let mut expected: Vec<_> = WAYS.map(|(way, cause)| (end(way), way.to_owned(), cause)).into();
    expected.extend(SCRIPTS.map(|(script, cause)| (shell(script), script.to_owned(), cause)));
    let others = [
        (command(&json!({"argv": ["no-such-program"]})), "no program", Permanent),
        (command(&json!({"argv": ["true"], "cwd": "/no/such"})), "no directory", Permanent),
        (command(&json!({"argv": "not a list"})), "wrong arguments", Permanent),
        (once(task("no-such-operation", "1.0.0", &json!({}))), "no operation", Permanent),
        (limited(task("sleep", "1.0.0", &json!({"duration": "1h"})), 50), "runtime limit", Timeout),
        (limited(shell("exec sleep 1000"), 50), "runtime limit of a command", Timeout),
    ];
    expected.extend(others.map(|(task, way, cause)| (task, way.to_owned(), cause)));
    assert_causes(&Bench::new(), expected).await;
}

#[tokio::test]
async fn rules_of_a_file_come_first_but_never_before_what_was_said() {
    let mut bench = Bench::new();
    let file = bench.kept.path().join("rules.json");
    let rules = json!([
        {"exit_code": 2, "text": "busy", "cause": "transient"},
        {"type": "command", "exit_code": 139, "cause": "out_of_memory"},
        {"signal": "SIGKILL", "cause": "out_of_memory"},
        {"type": "panic", "cause": "transient"},
        {"text": "CUDA error:", "cause": "permanent"},
        {"type": "NotFound", "cause": "timeout"},
        {"text": "licence", "cause": "permanent"},
        {"exit_code": 33, "cause": "permanent"},
    ]);
    std::fs::write(&file, rules.to_string()).unwrap();
    bench.config.rules = Rules::read(&file).unwrap();
    let expected = [
        (shell("echo busy; exit 2"), Transient),
        (shell("echo idle; exit 2"), Permanent),
        (shell("exit 139"), OutOfMemory),
        (shell("kill -KILL $$"), OutOfMemory),
        (shell("echo 'CUDA error: gone'; exit 1"), Permanent),
        (end("panic"), Transient),
        (end("not found"), Timeout),
        (end("said transient"), Transient),
        (end("said permanent"), Permanent),
        // The task itself says so.
        (shell("exit 33"), Transient),
        // The usual rules go on to count.
        (end("EIO"), Transient),
    ];
    let named = |(task, cause): (Task, Cause)| {
        let way = task.arguments.to_json().unwrap().to_string();
        (task, way, cause)
    };
    assert_causes(&bench, expected.map(named).into()).await;
}

#[tokio::test]
async fn a_task_that_runs_out_of_memory_says_so_to_its_budget() {
    let retry = RetryPolicy {
        max_attempts: 9,
        max_out_of_memory: 2,
        initial_delay: Duration::from_secs(3600),
        out_of_memory_delay: Some(Duration::ZERO),
        ..RetryPolicy::default()
    };
    let task = Task { retry: Some(Box::new(retry)), ..shell("echo MemoryError; exit 1") };
    let outcome = Bench::new().outcome_of(task).await;
    assert_eq!((outcome.failure().unwrap().cause, outcome.attempt), (OutOfMemory, 2));
}
