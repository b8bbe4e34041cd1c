//! The attributes `#[operation]` and `#[flow]`, with examples of what they take and what they refuse.

/// ```
/// use otaman::{Context, Operation, Resource, Result, operation};
///
/// struct Bucket(String);
///
/// /// Copies an object.
/// #[operation(version = "1.2.0", tags("objects"), runtime_limit = "5m", retry(max_attempts = 3))]
/// async fn copy_object(
///     context: &Context,
///     bucket: Resource<Bucket>,
///     /// Key of the object.
///     key: String,
///     /// How many copies.
///     #[default(1)] copies: u32,
///     prefix: Option<String>,
/// ) -> Result<u32> {
///     context.log(format!("copying {key} in {}", bucket.0));
///     Ok(copies)
/// }
///
/// let call = CopyObject { key: "a.png".to_owned(), copies: 2, prefix: None };
/// assert_eq!(CopyObject::descriptor().description, "Copies an object.");
/// # drop(call);
/// ```
///
/// What cannot be called by a message is refused where it stands. This is fine:
///
/// ```
/// #[otaman::operation(name = "copy", version = "1.0.0", worker_type = "gpu", tags("io"))]
/// fn copy(path: String) -> otaman::Result<()> { Ok(()) }
/// ```
///
/// These are not: names that break the rule, also the function's own,
///
/// ```compile_fail
/// #[otaman::operation(name = "copy it", version = "1.0.0", worker_type = "gpu", tags("io"))]
/// fn copy(path: String) -> otaman::Result<()> { Ok(()) }
/// ```
/// ```compile_fail
/// #[otaman::operation(name = "copy", version = "1.0.0", worker_type = "big gpu", tags("io"))]
/// fn copy(path: String) -> otaman::Result<()> { Ok(()) }
/// ```
/// ```compile_fail
/// #[otaman::operation(name = "copy", version = "1.0.0", worker_type = "gpu", tags("i o"))]
/// fn copy(path: String) -> otaman::Result<()> { Ok(()) }
/// ```
/// ```compile_fail
/// #[otaman::operation(version = "1.0.0", worker_type = "gpu", tags("io"))]
/// fn cöpy(path: String) -> otaman::Result<()> { Ok(()) }
/// ```
///
/// and those of semaphores, which may not be there twice either,
///
/// ```
/// #[otaman::operation(name = "copy", semaphores("read", "write"))]
/// fn copy(path: String) -> otaman::Result<()> { Ok(()) }
/// ```
/// ```compile_fail
/// #[otaman::operation(name = "copy", semaphores("read", "write it"))]
/// fn copy(path: String) -> otaman::Result<()> { Ok(()) }
/// ```
/// ```compile_fail
/// #[otaman::operation(name = "copy", semaphores("read", "read"))]
/// fn copy(path: String) -> otaman::Result<()> { Ok(()) }
/// ```
/// ```compile_fail
/// #[otaman::operation(name = "copy", semaphores = "read")]
/// fn copy(path: String) -> otaman::Result<()> { Ok(()) }
/// ```
///
/// malformed versions, unknown keys,
///
/// ```compile_fail
/// #[otaman::operation(name = "copy", version = "1.0", worker_type = "gpu", tags("io"))]
/// fn copy(path: String) -> otaman::Result<()> { Ok(()) }
/// ```
/// ```compile_fail
/// #[otaman::operation(nmae = "copy", version = "1.0.0", worker_type = "gpu", tags("io"))]
/// fn copy(path: String) -> otaman::Result<()> { Ok(()) }
/// ```
///
/// borrowed arguments, generic functions, methods,
///
/// ```compile_fail
/// #[otaman::operation(name = "copy", version = "1.0.0", worker_type = "gpu", tags("io"))]
/// fn copy(path: &str) -> otaman::Result<()> { Ok(()) }
/// ```
/// ```compile_fail
/// #[otaman::operation(name = "copy", version = "1.0.0", worker_type = "gpu", tags("io"))]
/// fn copy<T>(path: String) -> otaman::Result<()> { Ok(()) }
/// ```
/// ```compile_fail
/// struct Copier;
/// impl Copier {
///     #[otaman::operation(name = "copy", version = "1.0.0", worker_type = "gpu", tags("io"))]
///     fn copy(&self, path: String) -> otaman::Result<()> { Ok(()) }
/// }
/// ```
///
/// and functions that cannot fail.
///
/// ```compile_fail
/// #[otaman::operation(name = "copy", version = "1.0.0", worker_type = "gpu", tags("io"))]
/// fn copy(path: String) {}
/// ```
pub use macros::operation;

/// ```
/// use otaman::{Flow, Result, flow, operation};
///
/// #[operation]
/// async fn measure(path: String) -> Result<u64> { Ok(path.len() as u64) }
///
/// /// Measures all of them.
/// #[flow(version = "1.1.0", tags("sizes"))]
/// async fn measure_all(flow: Flow, paths: Vec<String>) -> Result<u64> {
///     let handles = flow.tasks(paths.into_iter().map(|path| Measure { path })).await?;
///     flow.wait().await;
///     handles.iter().map(|handle| handle.value()).sum()
/// }
/// ```
///
/// This is fine too:
///
/// ```
/// #[otaman::flow]
/// async fn measure_all(flow: otaman::Flow) -> otaman::Result<()> { Ok(()) }
/// ```
///
/// These are not. Since it waits for its children, a flow cannot be a plain function,
///
/// ```compile_fail
/// #[otaman::flow]
/// fn measure_all(flow: otaman::Flow) -> otaman::Result<()> { Ok(()) }
/// ```
///
/// and since it is run by nobody but the coordinator, it has no worker type and no semaphores.
///
/// ```compile_fail
/// #[otaman::flow(worker_type = "gpu")]
/// async fn measure_all(flow: otaman::Flow) -> otaman::Result<()> { Ok(()) }
/// ```
/// ```compile_fail
/// #[otaman::flow(semaphores("cuda"))]
/// async fn measure_all(flow: otaman::Flow) -> otaman::Result<()> { Ok(()) }
/// ```
pub use macros::flow;
