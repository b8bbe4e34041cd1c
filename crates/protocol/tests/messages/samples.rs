//! One message of each kind and variant.

use std::time::Duration;

use protocol::{
    Attempt, Cause, Counts, Ending, ExecutionRecord, ExitCodes, Failure, OnOutOfMemory, OperationName,
    Outcome, RetryPolicy, Session, SessionId, Status, Task, TaskId, Value, WorkerType,
};
use serde_json::json;

pub(crate) fn session_id() -> SessionId {
    "6fa459ea-ee8a-4ca4-894e-db77e160355e".parse().unwrap()
}

fn task_id() -> TaskId {
    "task-00112233445566778899aabbccddeeff".parse().unwrap()
}

pub(crate) fn minimal_task() -> Task {
    Task::new(OperationName::new("echo").unwrap(), "1.0.0".parse().unwrap(), Value::null())
}

pub(crate) fn full_task() -> Task {
    let arguments =
        json!({"path": "größe/名前.tif", "box": [0, -5, 1.5], "deep": {"flag": true, "none": null}});
    let arguments = Value::encode(&arguments).unwrap();
    let mut task = Task::new(
        OperationName::new("resize.v2-x_y").unwrap(),
        "2.1.0-rc.1+build".parse().unwrap(),
        arguments,
    )
    .on(WorkerType::new("gpu").unwrap())
    .with_key("the key");
    task.runtime_limit = Some(Duration::from_millis(90_500));
    task.retry = Some(Box::new(RetryPolicy {
        max_attempts: 7,
        max_timeouts: 1,
        max_out_of_memory: 4,
        max_losses: 9,
        initial_delay: Duration::from_millis(250),
        multiplier: 1.5,
        max_delay: Duration::from_secs(60),
        transient_exit_codes: ExitCodes::Only(vec![75, 3]),
        ..RetryPolicy::default()
    }));
    task
}

pub(crate) fn task_that_retries_on_all_exit_codes() -> Task {
    let retry = RetryPolicy { transient_exit_codes: ExitCodes::All, ..RetryPolicy::default() };
    Task { retry: Some(Box::new(retry)), ..minimal_task() }
}

pub(crate) fn task_that_retries_elsewhere() -> Task {
    let on_out_of_memory = Some(OnOutOfMemory { worker_type: WorkerType::new("gpu-large").unwrap() });
    let retry = RetryPolicy {
        timeout_delay: Some(Duration::from_secs(2)),
        out_of_memory_delay: Some(Duration::from_millis(1)),
        on_out_of_memory,
        ..RetryPolicy::default()
    };
    Task { retry: Some(Box::new(retry)), ..minimal_task() }
}

pub(crate) fn shortage() -> Failure {
    Failure { is_shortage: true, ..Failure::new(Cause::Preempted, "no room for temporary files") }
}

pub(crate) fn doubted() -> Failure {
    Failure { is_doubted: true, ..Failure::new(Cause::Preempted, "no such program") }
}

pub(crate) fn task_with_semaphores() -> Task {
    let semaphores = ["read", "gpu-memory.1"].map(|name| name.parse().unwrap());
    Task { semaphores: semaphores.to_vec(), ..minimal_task() }
}

pub(crate) fn minimal_failure() -> Failure {
    Failure::new(Cause::Permanent, "no such file")
}

pub(crate) fn full_failure(cause: Cause) -> Failure {
    Failure {
        exit_code: Some(-1),
        signal: Some(9),
        backtrace: Some("src/main.rs:12".into()),
        ..Failure::new(cause, "cannot read größe.tif").caused_by("os error 5").with_tail("line 1\nline 2")
    }
}

pub(crate) fn succeeded() -> Outcome {
    Outcome {
        ending: Ending::Succeeded(Value::encode(&json!({"url": "file:///kept/x", "n": 3})).unwrap()),
        attempt: 1,
        session: Some(session_id()),
        started_at_us: 1_790_000_000_000_001,
        duration: Duration::from_micros(1_234_567),
        ..Outcome::cancelled(task_id())
    }
}

pub(crate) fn failed() -> Outcome {
    let attempt = |number, cause| Attempt {
        number,
        session: session_id(),
        node: "node-1".into(),
        started_at_us: 1_790_000_000_000_000 + u64::from(number),
        duration: Duration::from_micros(10),
        failure: full_failure(cause),
    };
    let causes = [Cause::Transient, Cause::Timeout, Cause::Lost, Cause::OutOfMemory, Cause::Preempted];
    let failed_attempts: Vec<_> = (1..).zip(causes).map(|(number, cause)| attempt(number, cause)).collect();
    Outcome { ending: Ending::Failed(minimal_failure()), attempt: 6, failed_attempts, ..succeeded() }
}

pub(crate) fn cancelled() -> Outcome {
    Outcome::cancelled(task_id())
}

pub(crate) fn session() -> Session {
    Session {
        id: session_id(),
        node: "node-1".into(),
        pid: 4_242,
        worker_types: vec![WorkerType::default(), WorkerType::new("gpu").unwrap()],
        concurrency: 8,
        lease: Duration::from_secs(30),
    }
}

pub(crate) fn minimal_record() -> ExecutionRecord {
    ExecutionRecord::new("nightly-7".parse().unwrap(), "-", "{}", 1_790_000_000_000_000)
}

pub(crate) fn full_record(status: Status) -> ExecutionRecord {
    let counts =
        Counts { expanded: 70_000, succeeded: 1, failed: 2, cancelled: 3, skipped: 4, retried: 5, reused: 6 };
    ExecutionRecord {
        source: "specs/größe.json".into(),
        variables: [("scale".to_owned(), json!(0.1)), ("names".to_owned(), json!(["a", null, -1]))].into(),
        incarnation: 3,
        status,
        updated_at_us: 1_790_000_000_000_009,
        elapsed_us: 77,
        counts,
        result: Some(Value::encode(&json!([1, {"ok": true}])).unwrap()),
        flow_failures: vec!["main (flow-0): it failed".into()],
        ..minimal_record()
    }
}
