//! The inline runner: flows behave as in earnest.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use otaman::driver::{Node, OnFailure};
use otaman::inline::Runner;
use otaman::{
    Call, Collect, Context, Error, Flow, FlowCall, FlowSchema, Operation, Registry, Resource, Resources,
    Result, Target, Value, flow, operation,
};
use protocol::{FlowId, OperationName, Task};
use serde_json::json;

pub(crate) fn runner() -> Runner {
    Runner::new(Registry::linked().unwrap())
}

#[operation]
pub(crate) async fn double(number: u32) -> Result<u32> {
    number.checked_mul(2).ok_or_else(|| Error::permanent("too large"))
}

#[flow]
async fn double_until(flow: Flow, number: u32, least: u32) -> Result<u32> {
    let mut number = number;
    while number < least {
        number = flow.run(Double { number }).await?;
    }
    Ok(number)
}

#[tokio::test]
async fn a_flow_decides_by_results() {
    let run = runner().run(DoubleUntil { number: 3, least: 20 }).await;
    assert_eq!(run.operations(), ["double"; 3]);
    assert_eq!(run.result.unwrap(), 24);
}

#[flow]
async fn shares(flow: Flow) -> Result<Vec<u32>> {
    let first = flow.flow(DoubleUntil { number: 1, least: 4 }).await?;
    let second = flow.flow(DoubleUntil { number: 1, least: 8 }).await?;
    let again = flow.flow(DoubleUntil { number: 1, least: 4 }).await?;
    let task = flow.task(Double { number: 4 }).await?;
    flow.wait().await;
    Ok(vec![first.value()?, second.value()?, again.value()?, task.value()?])
}

#[tokio::test]
async fn what_has_the_same_id_runs_once() {
    let run = runner().run(Shares {}).await;
    assert_eq!(run.result.unwrap(), [4, 8, 4, 8]);
    // 1, 2 and 4 doubled; all others join them.
    assert_eq!(run.tasks.len(), 3);
}

#[flow]
async fn hasty(flow: Flow) -> Result<u32> {
    let handle = flow.task(Double { number: 1 }).await?;
    handle.value()
}

#[tokio::test]
async fn a_value_read_without_waiting_is_an_error_here_too() {
    let run = runner().run(Hasty {}).await;
    assert!(run.result.unwrap_err().to_string().contains("wait for it first"));
    assert!(run.tasks.is_empty());
}

#[flow]
async fn waits_for_one(flow: Flow) -> Result<(u32, bool)> {
    let first = flow.task(Double { number: 1 }).await?;
    let second = flow.task(Double { number: 2 }).await?;
    flow.wait_for([&second]).await;
    Ok((second.value()?, first.is_done()))
}

#[tokio::test]
async fn only_what_is_waited_for_runs_before_the_end_but_all_run_by_then() {
    let run = runner().run(WaitsForOne {}).await;
    assert_eq!(run.result.unwrap(), (4, false));
    let arguments = run.tasks.iter().map(|ran| ran.task.arguments.to_json().unwrap());
    assert_eq!(arguments.collect::<Vec<_>>(), [json!({"number": 2}), json!({"number": 1})]);
}

#[flow]
async fn collects(flow: Flow, count: u32) -> Result<Value> {
    let mut values = Collect::new();
    let name: OperationName = "double".parse()?;
    for number in 0..count {
        let arguments = Value::encode(&Double { number })?;
        let task = Task::new(name.clone(), "1.0.0".parse()?, arguments);
        flow.collect([Node::Task(task.into())], &mut values).await;
    }
    flow.wait().await;
    values.into_value()
}

#[tokio::test]
async fn thousands_of_children_are_collected_in_order() {
    let run = runner().run(Collects { count: 5000 }).await;
    let values: Vec<u32> = run.result.unwrap().decode().unwrap();
    assert_eq!(values, (0..5000).map(|number| number * 2).collect::<Vec<_>>());
    assert_eq!(run.tasks.len(), 5000);
}

#[flow]
async fn descends(flow: Flow, depth: u32) -> Result<u32> {
    if depth == 0 {
        return Ok(0);
    }
    let below = flow.flow(Descends { depth: depth - 1 }).await?;
    flow.wait().await;
    Ok(below.value()? + 1)
}

#[tokio::test]
async fn deep_flows_need_no_stack() {
    assert_eq!(runner().run(Descends { depth: 20_000 }).await.result.unwrap(), 20_000);
}

#[flow]
async fn awaits_other_things(flow: Flow) -> Result<u32> {
    tokio::task::yield_now().await;
    let number = tokio::spawn(async { 21 }).await?;
    flow.run(Double { number }).await
}

#[tokio::test]
async fn a_flow_may_await_other_things() {
    assert_eq!(runner().run(AwaitsOtherThings {}).await.result.unwrap(), 42);
}

#[flow]
async fn asks_a_target(flow: Flow, target: Target) -> Result<serde_json::Value> {
    let handle = flow.target(&target).await?;
    flow.wait().await;
    handle.value()
}

/// Resolves all targets to one task.
struct AlwaysDouble;

impl otaman::Resolve for AlwaysDouble {
    fn resolve(&self, target: &Target, _: &[(&str, &serde_json::Value)]) -> Result<Node> {
        let arguments = Value::encode(&target.spec()["arguments"])?;
        Ok(Node::Task(Task::new("double".parse()?, "1.0.0".parse()?, arguments).into()))
    }
}

#[tokio::test]
async fn targets_need_a_resolver() {
    let ask = || AsksATarget { target: Target::new(json!({"@type": "double", "arguments": {"number": 4}})) };
    let error = runner().run(ask()).await.result.unwrap_err();
    assert!(error.to_string().contains("cannot resolve the target \"double\""), "{error}");
    let run = runner().with_resolver(std::sync::Arc::new(AlwaysDouble)).run(ask()).await;
    assert_eq!(run.result.unwrap(), json!(8));
}

#[operation]
async fn keep_a_file(context: &Context, file: PathBuf) -> Result<String> {
    context.log("keeping");
    context.keep(&file).await
}

#[tokio::test]
async fn kept_files_are_moved_into_the_given_directory() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a note.txt");
    std::fs::write(&file, "hello").unwrap();
    let kept = directory.path().join("kept");
    let run = runner().keeping_files_in(&kept).run_task(KeepAFile { file: file.clone() }).await;
    let id = run.tasks[0].task.id.to_string();
    assert_eq!(run.tasks[0].log, ["keeping"]);
    assert_eq!(run.result.unwrap(), format!("file://{}/{id}/a%20note.txt", kept.display()));
    assert_eq!(std::fs::read_to_string(kept.join(id).join("a note.txt")).unwrap(), "hello");
    assert!(!file.exists());
}

#[tokio::test]
async fn without_a_directory_files_stay_where_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.txt");
    std::fs::write(&file, "hello").unwrap();
    let error = runner().run_task(KeepAFile { file: file.clone() }).await.result.unwrap_err();
    assert!(error.to_string().contains("Runner::keeping_files_in") && file.exists(), "{error}");
}

#[operation]
async fn read_two(context: &Context, semaphore: String) -> Result<u32> {
    let first = context.semaphore(&semaphore).await?;
    assert_eq!(first.semaphore().as_str(), semaphore);
    let name = semaphore.clone();
    let second = context.blocking(move |context| context.semaphore_blocking(&name)).await?;
    drop((first, second));
    Ok(2)
}

#[tokio::test]
async fn operations_have_semaphores() {
    let runner = runner().with_semaphores(["disk=2"]).unwrap();
    let read = |semaphore: &str| ReadTwo { semaphore: semaphore.to_owned() };
    assert_eq!(runner.run_task(read("disk")).await.result.unwrap(), 2);
    let ran = runner.run_task(read("disk").call().semaphores(["read", "cpu"])).await;
    let names: Vec<&str> = ran.tasks[0].task.semaphores.iter().map(|name| name.as_str()).collect();
    assert_eq!((names, ran.result.unwrap()), (vec!["read", "cpu"], 2));
    let unknown = "unknown semaphore disc; there are cpu, cuda, disk, read, tensorrt, write; \
                   add it with Runner::with_semaphores";
    for call in [read("disc").call(), read("disk").call().semaphores(["disc"])] {
        let error = runner.run_task(call).await.result.unwrap_err();
        assert!(error.to_string().contains(unknown), "{error}");
    }
    let error = runner.run_task(read("cuda").call().semaphores(["cuda"])).await.result.unwrap_err();
    assert!(error.to_string().contains("the only place of semaphore cuda"), "{error}");
    for wrong in [["disk"], ["disk=0"]] {
        assert!(self::runner().with_semaphores(wrong).is_err());
    }
}

#[operation(semaphores("read", "cpu"))]
async fn reads() -> Result<()> {
    Ok(())
}

#[tokio::test]
async fn a_task_has_the_semaphores_of_its_operation_or_its_own() {
    for (call, expected) in [
        (Reads {}.call(), &["read", "cpu"][..]),
        (Reads {}.call().semaphores(["cuda"]), &["cuda"]),
        (Reads {}.call().semaphores([""; 0]), &[]),
    ] {
        let ran = runner().run_task(call).await;
        let names: Vec<&str> = ran.tasks[0].task.semaphores.iter().map(|name| name.as_str()).collect();
        assert_eq!(names, expected);
    }
}

#[operation]
async fn count_calls(calls: Resource<AtomicU32>) -> Result<u32> {
    Ok(calls.fetch_add(1, Ordering::Relaxed))
}

#[tokio::test]
async fn calls_with_keys_are_tasks_of_their_own_and_flows_need_not_be_types() {
    let call = FlowCall::new(FlowId::of_key("test"), "test".parse().unwrap(), |flow| async move {
        let keyed = |key: &str| -> Call<CountCalls> { CountCalls {}.call().key(key) };
        let handles = flow.tasks([keyed("a"), keyed("b"), keyed("a")]).await?;
        flow.wait().await;
        let values = handles.iter().map(|handle| handle.value()).collect::<Result<Vec<_>>>()?;
        let nested = DoubleUntil { number: 1, least: 2 }.into_flow_call()?;
        let nested = flow.node::<u32>(Node::Flow(nested), OnFailure::Propagate).await;
        flow.wait_for([&nested]).await;
        Ok(Value::encode(&(values, nested.value()?))?)
    });
    let run = runner().with_resources(Resources::new().with(AtomicU32::new(0))).run_call(call).await;
    assert_eq!(run.result.unwrap().to_json().unwrap(), json!([[0, 1, 0], 2]));
    assert_eq!(run.tasks.len(), 3);
}
