//! Failures in the inline runner: of tasks, of flows, and of those who run them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use otaman::inline::Runner;
use otaman::{
    Cause, Context, Error, Flow, FlowCall, Operation, Registry, Resource, Resources, Result, RetryPolicy,
    Value, flow, operation,
};
use protocol::FlowId;

use crate::inline::{Double, runner};

#[operation]
async fn fail(context: Context, message: String) -> Result<u32> {
    context.log("about to fail");
    Err(Error::permanent(message))
}

fn failing() -> Fail {
    Fail { message: "no luck".to_owned() }
}

#[flow]
async fn trusting(flow: Flow) -> Result<u32> {
    flow.task(failing()).await?;
    flow.task(Double { number: 1 }).await?;
    flow.wait().await;
    // Not reached: the failure ends the flow.
    flow.run(Double { number: 100 }).await
}

#[tokio::test]
async fn a_failed_child_fails_its_flow_and_nothing_else_of_it_runs() {
    let run = runner().run(Trusting {}).await;
    assert_eq!(run.operations(), ["fail"]);
    let error = run.result.unwrap_err();
    assert!(error.to_string().contains("failed: no luck"), "{error}");
    assert_eq!(error.cause(), Cause::Permanent);
    assert_eq!(error.failure().tail, "about to fail");
}

#[flow]
async fn careful(flow: Flow) -> Result<(bool, String, u32)> {
    let task = flow.task(failing().call().catch()).await?;
    let child = flow.catch_flow(Trusting {}).await?;
    flow.wait().await;
    let message = child.failure().map(|failure| failure.summary()).unwrap_or_default();
    Ok((task.is_failed(), message, flow.run(Double { number: 21 }).await?))
}

#[tokio::test]
async fn a_caught_failure_is_the_flows_to_decide() {
    let run = runner().run(Careful {}).await;
    assert_eq!(run.operations(), ["fail", "double"]);
    let (failed, message, value) = run.result.unwrap();
    assert!(failed && message.contains("no luck"), "{message}");
    assert_eq!(value, 42);
}

#[flow]
async fn fails_at_the_end(flow: Flow) -> Result<u32> {
    flow.task(failing()).await?;
    Ok(1)
}

#[tokio::test]
async fn a_flow_is_done_only_when_its_children_are() {
    assert!(runner().run(FailsAtTheEnd {}).await.result.unwrap_err().to_string().contains("no luck"));
}

#[flow]
async fn waits_for_a_stranger(flow: Flow) -> Result<()> {
    let elsewhere = FlowId::of_key("elsewhere");
    flow.wait_for_ids([otaman::driver::NodeId::Flow(elsewhere)]).await;
    Ok(())
}

#[tokio::test]
async fn waiting_for_what_was_not_yielded_is_an_error() {
    let error = runner().run(WaitsForAStranger {}).await.result.unwrap_err().to_string();
    assert!(error.starts_with("flow waits_for_a_stranger waits for flow-"), "{error}");
    assert!(error.ends_with("which it has not yielded"), "{error}");
}

#[flow]
async fn yields_itself(flow: Flow) -> Result<()> {
    flow.flow(YieldsItself {}).await?;
    Ok(())
}

#[tokio::test]
async fn a_flow_that_waits_for_itself_is_an_error_not_a_loop() {
    let error = runner().run(YieldsItself {}).await.result.unwrap_err().to_string();
    assert_eq!(error, "flow yields_itself would wait for itself");
}

#[operation(retry(max_attempts = 4))]
async fn flaky(context: Context, attempts: Resource<AtomicU32>, succeed_at: u32) -> Result<u32> {
    attempts.fetch_add(1, Ordering::Relaxed);
    context.log(format!("attempt {}", context.attempt()));
    if context.attempt() < succeed_at { Err(Error::transient("not yet")) } else { Ok(context.attempt()) }
}

#[tokio::test]
async fn transient_errors_are_tried_again_at_once_within_the_budget() {
    let runner = runner().with_resources(Resources::new().with(AtomicU32::new(0)));
    let run = runner.run_task(Flaky { succeed_at: 3 }).await;
    assert_eq!(run.result.unwrap(), 3);
    assert_eq!(run.tasks[0].outcome.attempt, 3);
    assert_eq!(run.tasks[0].log, ["attempt 1", "attempt 2", "attempt 3"]);
    let run = runner.run_task(Flaky { succeed_at: 5 }).await;
    assert_eq!((run.result.unwrap_err().cause(), run.tasks[0].outcome.attempt), (Cause::Transient, 4));
    let run = runner.run_task(Flaky { succeed_at: 2 }.call().retry(RetryPolicy::never())).await;
    assert_eq!((run.result.unwrap_err().cause(), run.tasks[0].outcome.attempt), (Cause::Transient, 1));
}

#[operation]
async fn leave() -> Result<()> {
    Err(Error::transient("leaving").with_cause(Cause::Preempted))
}

#[tokio::test]
async fn a_preempted_task_is_not_tried_again_for_ever() {
    let run = runner().run_task(Leave {}).await;
    assert_eq!((run.result.unwrap_err().cause(), run.tasks[0].outcome.attempt), (Cause::Preempted, 1));
}

#[operation]
async fn panic_or_not(panic: bool) -> Result<()> {
    assert!(!panic, "as you wish");
    Ok(())
}

#[flow]
async fn panicking(flow: Flow) -> Result<()> {
    flow.wait().await;
    panic!("the generator gave up")
}

#[tokio::test]
async fn panics_are_failures() {
    let error = runner().run_task(PanicOrNot { panic: true }).await.result.unwrap_err();
    assert!(error.to_string().contains("the operation panicked: as you wish"), "{error}");
    let error = runner().run(Panicking {}).await.result.unwrap_err();
    assert_eq!(error.to_string(), "the flow panicked: the generator gave up");
}

#[operation(runtime_limit = "1ms", retry(max_timeouts = 2))]
async fn endless(context: Context) -> Result<()> {
    context.log("begun");
    context.cancelled().await;
    std::future::pending().await
}

#[tokio::test]
async fn the_runtime_limit_ends_an_attempt() {
    let run = runner().run_task(Endless {}).await;
    let error = run.result.unwrap_err();
    assert_eq!(error.cause(), Cause::Timeout);
    assert!(error.to_string().contains("runtime limit of 1ms"), "{error}");
    assert_eq!(run.tasks[0].log, ["begun", "begun"]);
}

#[operation]
fn stubborn(context: &Context, heard: Resource<tokio::sync::mpsc::UnboundedSender<()>>) -> Result<()> {
    while !context.is_cancelled() {
        std::thread::yield_now();
    }
    heard.send(()).map_err(Error::from)
}

#[tokio::test]
async fn blocking_code_hears_that_its_time_is_up() {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let runner = runner().with_resources(Resources::new().with(sender));
    let limited = Stubborn {}.call().runtime_limit(Duration::from_millis(1)).retry(RetryPolicy::never());
    assert_eq!(runner.run_task(limited).await.result.unwrap_err().cause(), Cause::Timeout);
    let heard = tokio::time::timeout(Duration::from_secs(30), receiver.recv()).await;
    assert_eq!(heard, Ok(Some(())));
}

#[tokio::test]
async fn unknown_operations_are_named_with_the_cure() {
    let run = Runner::new(Registry::default()).run_task(Double { number: 1 }).await;
    let error = run.result.unwrap_err().to_string();
    assert!(error.contains("no operation double@1.0.0; add it with Builder::operation"), "{error}");
    assert_eq!(run.tasks[0].outcome.attempt, 0);
}

#[tokio::test]
async fn missing_resources_and_wrong_arguments_are_failures() {
    let error = runner().run_task(Flaky { succeed_at: 1 }).await.result.unwrap_err();
    assert!(error.to_string().contains("no resource of type core::sync::atomic::Atomic"), "{error}");
    let call = FlowCall::new(FlowId::of_key("wrong"), "wrong".parse().unwrap(), |flow| async move {
        let arguments = Value::encode(&serde_json::json!({"nubmer": 1}))?;
        let task = protocol::Task::new("double".parse()?, "1.0.0".parse()?, arguments);
        let node = otaman::driver::Node::Task(task.into());
        flow.node::<u32>(node, otaman::driver::OnFailure::Propagate).await;
        Ok(Value::null())
    });
    let error = runner().run_call(call).await.result.unwrap_err().to_string();
    assert!(error.contains("reading the arguments") && error.contains("nubmer"), "{error}");
}
