//! `#[operation]` and `#[flow]`, for use through the crate `otaman`, which re-exports them.
//!
//! What they make can be written by hand in fifteen lines: a struct with the function's parameters,
//! one trait implementation that calls the function, and a line that registers it. This crate must
//! never know what happens to tasks and flows; it only rewrites functions.

mod emit;
mod expand;
mod options;
mod parameters;
mod retry;
mod signature;

use proc_macro::TokenStream;

use crate::expand::expand;

/// Whether a function becomes an operation or a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Operation,
    Flow,
}

impl Kind {
    /// The attribute as one writes it.
    const fn attribute(self) -> &'static str {
        match self {
            Self::Operation => "#[operation]",
            Self::Flow => "#[flow]",
        }
    }
}

/// Makes an operation of a function: `fn copy_chunk(…)` stays as it is and callable, and a struct
/// `CopyChunk` of the same visibility appears, whose fields are the parameters. It implements
/// `otaman::Operation`, so that flows can yield it, and is part of `Registry::linked()`.
///
/// An `async fn` runs where it is awaited; a plain `fn` is taken to block and runs on a thread of
/// its own. It returns a `Result<T, E>` whose error converts into `otaman::Error` by `?`.
///
/// # Parameters
/// - `Context` or `&Context` is passed in and is no argument.
/// - `Resource<T>` is what the worker has of type `T`; a worker without it refuses to start.
/// - Anything else is an argument, by value. Its type must implement `Debug`, `Clone`, `Serialize`,
///   `Deserialize` and `JsonSchema`. `Option<T>` may be left out.
/// - `#[default]` or `#[default(expression)]` before a parameter: it may be left out too. A text
///   literal converts into the parameter's type.
/// - Doc comments on parameters describe them in the schema; `#[serde(…)]` and `#[schemars(…)]` go
///   to the struct's fields.
///
/// # Keys
/// | key | meaning | if absent |
/// |---|---|---|
/// | `name = "copy"` | name in specs and messages | the function's name |
/// | `version = "1.2.0"` | semantic version; part of the tasks' ids | `1.0.0` |
/// | `spec_versions = "<=0.0.2"` | which `@version` of a spec selects it | any |
/// | `tags("images", "io")` | words to find it by | none |
/// | `author = "…"` | who to ask | nobody |
/// | `worker_type = "gpu"` | which workers run it | `cpu` |
/// | `runtime_limit = "1h 30m"` | longest that one attempt may take | none |
/// | `retry(max_attempts = 3, …)` | how failed attempts are tried again: the fields of `RetryPolicy`, delays as texts, `transient_exit_codes(75, 1)` or `transient_exit_codes(all)` | the default policy |
/// | `isolation = "process"` | what it shares with the worker: `"none"` (its threads), `"thread"` (a thread of its own), `"process"` (a process of its own); synchronous functions have a thread of their own anyway | `"none"` |
/// | `memory_limit = "2GiB"` | most memory that one attempt may take; it then has a process of its own | none |
/// | `semaphores("cuda", "read")` | of which an attempt holds a place each while it runs | none |
/// | `requires("import@^1.2")` | operations it depends on | none |
/// | `crate = path` | where `otaman` is | `::otaman` |
///
/// The description is the function's doc comment. Mistakes fail the build where they are.
#[proc_macro_attribute]
pub fn operation(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(Kind::Operation, arguments.into(), item.into()).into()
}

/// Makes a flow schema of an `async fn` that takes a `Flow`: the function stays as it is, and a
/// struct in CamelCase appears, whose fields are the other parameters. It implements
/// `otaman::FlowSchema`, so that other flows can yield it, and is part of `Registry::linked()`.
///
/// The function must be deterministic given its arguments and the outcomes it reads. Parameters and
/// return type are as in `#[operation]`, but there is neither `Context` nor `Resource`.
///
/// # Keys
/// `name`, `version`, `spec_versions`, `tags`, `author` and `crate` as in `#[operation]`, and
/// `check = path::to::function`: called with `(&TheStruct, &dyn Resolve)` before anything is
/// submitted, it returns the mistakes in the arguments as `Vec<(String, Error)>`, each with its
/// place as a JSON pointer.
#[proc_macro_attribute]
pub fn flow(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(Kind::Flow, arguments.into(), item.into()).into()
}
