//! What `#[operation]` and `#[flow]` make of functions.

use std::collections::BTreeMap;
use std::time::Duration;

use otaman::inline::Runner;
use otaman::{
    Context, Descriptor, Error, Flow, FlowSchema, Operation, Registry, Resolve, Resource, Resources, Result,
    RetryPolicy, Value, flow, operation,
};
use serde_json::{Value as Json, json};

/// Everything that can be said about an operation.
pub mod documented {
    #![deny(missing_docs)]

    use super::*;

    /// Copies a chunk.
    ///
    /// Twice, if need be.
    #[operation(
        name = "copy-chunk",
        version = "1.2.0-rc.1+build",
        tags("images", "io"),
        author = "Ada <ada@example.org>",
        worker_type = "gpu",
        runtime_limit = "1h 30m 250ms",
        retry(
            max_attempts = 3,
            initial_delay = "1500ms",
            multiplier = 3,
            max_delay = "1m",
            max_timeouts = 1,
            max_losses = 7,
            max_out_of_memory = 4,
            transient_exit_codes(75, 1),
            timeout_delay = "2s",
            out_of_memory_delay = "3s",
            on_out_of_memory(worker_type = "gpu-large")
        ),
        semaphores("read", "disk.2"),
        requires("fetch@^1.2"),
        spec_versions = "<=0.0.2"
    )]
    pub async fn copy_chunk(
        context: &Context,
        /// Where it is.
        path: String,
        /// How often.
        #[default(2)]
        times: u32,
        #[default("fast")] speed: String,
        #[default] labels: BTreeMap<String, u8>,
        note: Option<String>,
    ) -> Result<String> {
        context.log(format!("copying {path}"));
        Ok(format!("{path} {times} {speed} {} {note:?}", labels.len()))
    }
}

use documented::CopyChunk;

/// What `copy-chunk` requires.
#[operation(version = "1.3.0")]
async fn fetch(path: String) -> Result<String> {
    Ok(path)
}

#[test]
fn the_descriptor_says_what_the_attribute_and_the_docs_say() {
    let Descriptor {
        name,
        version,
        spec_versions,
        description,
        tags,
        author,
        worker_type,
        runtime_limit,
        retry,
        semaphores,
        requires,
        source,
        ..
    } = CopyChunk::descriptor();
    assert_eq!((name, version, spec_versions), ("copy-chunk", "1.2.0-rc.1+build", "<=0.0.2"));
    assert_eq!(description, "Copies a chunk.\n\nTwice, if need be.");
    assert_eq!((tags, author, worker_type), (&["images", "io"][..], Some("Ada <ada@example.org>"), "gpu"));
    assert_eq!(runtime_limit, Some(Duration::from_millis(5_400_250)));
    assert_eq!((semaphores, requires), (&["read", "disk.2"][..], &["fetch@^1.2"][..]));
    let expected = RetryPolicy {
        max_attempts: 3,
        max_timeouts: 1,
        max_out_of_memory: 4,
        max_losses: 7,
        initial_delay: Duration::from_millis(1500),
        multiplier: 3.0,
        max_delay: Duration::from_secs(60),
        timeout_delay: Some(Duration::from_secs(2)),
        out_of_memory_delay: Some(Duration::from_secs(3)),
        transient_exit_codes: protocol::ExitCodes::Only(vec![75, 1]),
        on_out_of_memory: Some(protocol::OnOutOfMemory { worker_type: "gpu-large".parse().unwrap() }),
    };
    assert_eq!(retry, Some(expected));
    assert_eq!(source.file, file!());
    let text = include_str!("macros.rs").lines().nth(source.line as usize - 1).unwrap();
    assert!(text.contains("pub async fn copy_chunk"), "{text}");
}

fn schema<T: schemars::JsonSchema>() -> Json {
    schemars::SchemaGenerator::default().into_root_schema_for::<T>().into()
}

#[test]
fn the_schema_has_descriptions_and_defaults_and_lists_what_is_required() {
    let schema = schema::<CopyChunk>();
    assert_eq!(schema["required"], json!(["path"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["description"], json!("Copies a chunk.\n\nTwice, if need be."));
    let properties = &schema["properties"];
    assert_eq!(properties["path"]["description"], json!("Where it is."));
    assert_eq!(properties["times"]["default"], json!(2));
    assert_eq!(properties["speed"]["default"], json!("fast"));
    assert_eq!(properties["labels"]["default"], json!({}));
    assert_eq!(properties["note"]["type"], json!(["string", "null"]));
    assert!(properties.get("context").is_none());
}

#[test]
fn arguments_left_out_take_their_defaults_and_strangers_are_refused() {
    let arguments: CopyChunk = serde_json::from_value(json!({"path": "a"})).unwrap();
    assert_eq!((arguments.times, &*arguments.speed, arguments.labels.len()), (2, "fast", 0));
    assert_eq!(arguments.note, None);
    assert!(serde_json::from_value::<CopyChunk>(json!({})).is_err());
    assert!(serde_json::from_value::<CopyChunk>(json!({"path": "a", "paht": "b"})).is_err());
}

#[test]
fn an_absent_option_leaves_no_trace_in_the_arguments() {
    let left_out: CopyChunk = serde_json::from_value(json!({"path": "a"})).unwrap();
    let null: CopyChunk = serde_json::from_value(json!({"path": "a", "note": null})).unwrap();
    assert_eq!(Value::encode(&left_out).unwrap(), Value::encode(&null).unwrap());
    assert!(serde_json::to_value(&left_out).unwrap().get("note").is_none());
}

/// In thousandths.
#[derive(Debug, Clone, PartialEq)]
struct Rate(u32);

/// A crate's own error.
#[derive(Debug, thiserror::Error)]
#[error("the rate is too high")]
struct TooHigh;

#[operation]
fn blocking_with_everything(
    mut numbers: Vec<u32>,
    rate: Resource<Rate>,
    context: Context,
    // Names that the generated code uses itself.
    r#type: String,
    operation: u8,
) -> Result<(u32, String, u8), TooHigh> {
    numbers.push(rate.0);
    context.progress(1, 2);
    if rate.0 > 1000 { Err(TooHigh) } else { Ok((numbers.iter().sum(), r#type, operation)) }
}

fn rated(rate: u32) -> Runner {
    Runner::new(Registry::linked().unwrap()).with_resources(Resources::new().with(Rate(rate)))
}

fn sum_of_three() -> BlockingWithEverything {
    BlockingWithEverything { numbers: vec![1, 2], r#type: "sum".to_owned(), operation: 9 }
}

#[tokio::test]
async fn a_plain_function_runs_with_its_resource_and_context() {
    let run = rated(3).run_task(sum_of_three()).await;
    assert_eq!(run.result.unwrap(), (6, "sum".to_owned(), 9));
    assert_eq!(run.tasks[0].progress, Some((1, 2)));
    assert_eq!(schema::<BlockingWithEverything>()["required"], json!(["numbers", "type", "operation"]));
}

#[tokio::test]
async fn an_error_of_another_type_converts() {
    let error = rated(1001).run_task(sum_of_three()).await.result.unwrap_err();
    assert!(error.to_string().ends_with("the rate is too high"), "{error}");
}

#[operation]
async fn without_arguments() -> Result<()> {
    Ok(())
}

#[tokio::test]
async fn functions_stay_callable_and_operations_may_have_no_arguments() {
    without_arguments().await.unwrap();
    let numbers: CopyChunk = serde_json::from_value(json!({"path": "a"})).unwrap();
    assert!(format!("{:?}", numbers.clone()).starts_with("CopyChunk {"));
    rated(0).run_task(WithoutArguments {}).await.result.unwrap();
}

fn count_is_small(arguments: &CountUp, _: &dyn Resolve) -> Vec<(String, Error)> {
    if arguments.count > 3 { vec![("/count".to_owned(), Error::permanent("at most 3"))] } else { Vec::new() }
}

#[operation]
async fn plus_one(number: u32) -> Result<u32> {
    Ok(number + 1)
}

/// Counts.
#[flow(name = "count.up", version = "2.0.0", tags("t"), author = "me", spec_versions = ">=1", check = count_is_small)]
async fn count_up(#[default(3)] count: u32, flow: &Flow) -> Result<u32> {
    let mut number = 0;
    while number < count {
        number = flow.run(PlusOne { number }).await?;
    }
    Ok(number)
}

#[tokio::test]
async fn a_flow_runs_by_its_struct_and_by_its_function() {
    let run = rated(0).run(CountUp { count: 3 }).await;
    assert_eq!(run.result.unwrap(), 3);
    assert_eq!(run.tasks.len(), 3);

    #[flow]
    async fn calls_the_function(flow: Flow) -> Result<u32> {
        count_up(2, &flow).await
    }
    assert_eq!(rated(0).run(CallsTheFunction {}).await.result.unwrap(), 2);
}

#[test]
fn a_flow_says_what_its_attribute_says_and_checks_its_arguments() {
    let Descriptor { name, version, tags, author, spec_versions, description, .. } = CountUp::descriptor();
    assert_eq!((name, version, tags, author), ("count.up", "2.0.0", &["t"][..], Some("me")));
    assert_eq!((spec_versions, description), (">=1", "Counts."));

    struct Nothing;
    impl Resolve for Nothing {
        fn resolve(&self, _: &otaman::Target, _: &[(&str, &Json)]) -> Result<otaman::driver::Node> {
            Err(Error::permanent("nothing"))
        }
    }
    let entry = otaman::FlowEntry::of::<CountUp>();
    let mistakes = |arguments| entry.check(&arguments, &Nothing);
    assert!(mistakes(json!({})).is_empty() && mistakes(json!({"count": 3})).is_empty());
    assert_eq!(mistakes(json!({"count": 4}))[0].0, "/count");
    assert_eq!(mistakes(json!({"count": "many"}))[0].0, "/count");
}

mod elsewhere {
    //! Visibilities, and another name for the crate.

    pub(crate) use otaman as renamed;

    #[otaman::operation(crate = renamed, retry(transient_exit_codes(all)))]
    pub(crate) fn visible_in_the_crate(number: u8) -> renamed::Result<u8> {
        Ok(number)
    }

    pub(super) mod deeper {
        #[otaman::operation]
        pub(in crate::macros) async fn visible_above(number: u8) -> otaman::Result<u8> {
            super::private(number).await
        }
    }

    #[otaman::operation(worker_type = "gpu")]
    async fn private(number: u8) -> otaman::Result<u8> {
        Ok(Private { number }.number)
    }
}

#[tokio::test]
async fn structs_and_fields_are_as_visible_as_the_function() {
    assert_eq!(elsewhere::visible_in_the_crate(3).unwrap(), 3);
    assert_eq!(elsewhere::deeper::visible_above(4).await.unwrap(), 4);
    assert_eq!(rated(0).run_task(elsewhere::VisibleInTheCrate { number: 1 }).await.result.unwrap(), 1);
    assert_eq!(rated(0).run_task(elsewhere::deeper::VisibleAbove { number: 2 }).await.result.unwrap(), 2);
    let retry = elsewhere::VisibleInTheCrate::descriptor().retry.unwrap();
    assert_eq!(retry.transient_exit_codes, protocol::ExitCodes::All);
}

#[tokio::test]
async fn operations_may_be_defined_inside_functions() {
    #[operation]
    async fn inside_a_function(
        #[default(5)] number: u8,
        #[serde(rename = "other")] second: u8,
    ) -> Result<u8> {
        Ok(number + second)
    }
    let arguments: InsideAFunction = serde_json::from_value(json!({"other": 1})).unwrap();
    assert_eq!(rated(0).run_task(arguments).await.result.unwrap(), 6);
}

macro_rules! constant {
    ($name:ident, $of_type:ty, $value:expr) => {
        #[operation]
        async fn $name(context: Context, factor: $of_type) -> Result<$of_type> {
            context.log("constant");
            Ok($value * factor)
        }
    };
}

constant!(three_times, u16, 3);

#[tokio::test]
async fn operations_may_be_written_by_other_macros() {
    assert_eq!(rated(0).run_task(ThreeTimes { factor: 2 }).await.result.unwrap(), 6);
}
