//! Entries of a registry: operations and flows with their types erased.

use std::any::TypeId;
use std::time::Duration;

use futures::future::BoxFuture;
use protocol::{Isolation, OperationName, RetryPolicy, SemaphoreName, Value, WorkerType};
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::context::Context;
use crate::descriptor::{Descriptor, Source};
use crate::error::Error;
use crate::flow::FlowSchema;
use crate::operation::Operation;
use crate::running::FlowCall;
use crate::target::Resolve;

/// Whether an entry is run by workers or expanded by the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Makes tasks.
    Operation,
    /// Makes flows.
    Flow,
}

impl Kind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operation => "operation",
            Self::Flow => "flow",
        }
    }
}

/// A dependency on another operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// Its name.
    pub name: OperationName,
    /// Which versions of it will do.
    pub versions: VersionReq,
}

/// What is known of an operation or flow without its code: plain data, so that a coordinator can
/// check calls of operations that only workers contain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Info {
    /// Operation or flow.
    pub kind: Kind,
    /// Its name.
    pub name: OperationName,
    /// Its version.
    pub version: Version,
    /// Which `@version` of a spec selects it.
    pub spec_versions: VersionReq,
    /// What it does, in Markdown.
    pub description: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Who to ask about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Which workers run it.
    pub worker_type: WorkerType,
    /// Longest that one attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_limit: Option<Duration>,
    /// How failed attempts are tried again; the default policy when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryPolicy>,
    /// What it shares with the worker.
    #[serde(default)]
    pub isolation: Isolation,
    /// Most memory that one attempt may take, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    /// Semaphores of which an attempt holds a place each while it runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub semaphores: Vec<SemaphoreName>,
    /// Operations it depends on.
    pub requires: Vec<Requirement>,
    /// JSON Schema of its arguments, an object schema that stands alone.
    pub arguments: Json,
}

/// What `#[operation]` and `#[flow]` leave for the linker to gather.
pub enum Registration {
    /// An operation.
    Operation(fn() -> OperationEntry),
    /// A flow.
    Flow(fn() -> FlowEntry),
}

inventory::collect!(Registration);

/// A resource that an operation needs.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// Its type.
    pub id: fn() -> TypeId,
    /// That type's name, for messages.
    pub name: fn() -> &'static str,
}

impl Need {
    /// The need for a resource of type `T`.
    pub const fn of<T: 'static>() -> Self {
        Self { id: TypeId::of::<T>, name: std::any::type_name::<T> }
    }
}

/// An operation, its type erased.
#[derive(Clone)]
pub struct OperationEntry {
    pub(crate) descriptor: Descriptor,
    pub(crate) schema: fn() -> Json,
    pub(crate) check: fn(&Value) -> Result<(), Error>,
    pub(crate) run: fn(Value, Context) -> BoxFuture<'static, Result<Value, Error>>,
    pub(crate) needs: &'static [Need],
}

impl OperationEntry {
    /// The entry of an operation that needs no resources, or looks for them only when it runs.
    pub fn of<T: Operation>() -> Self {
        Self::with_needs::<T>(&[])
    }

    /// The entry of an operation that needs these resources; a worker without them refuses to start.
    pub fn with_needs<T: Operation>(needs: &'static [Need]) -> Self {
        Self {
            descriptor: T::descriptor(),
            schema: schema_of::<T>,
            check: |arguments| arguments.decode::<T>().map(drop).map_err(Error::from),
            run: |arguments, context| {
                Box::pin(async move {
                    let operation: T = arguments
                        .decode()
                        .map_err(|error| Error::from(error).context("reading the arguments"))?;
                    Ok(Value::encode(&operation.run(context).await?)?)
                })
            },
            needs,
        }
    }

    /// The same code under another description; for operations that are not known before the program
    /// runs.
    #[must_use]
    pub fn described(mut self, descriptor: Descriptor) -> Self {
        self.descriptor = descriptor;
        self
    }

    /// Where it is defined.
    pub fn source(&self) -> Source {
        self.descriptor.source
    }

    /// The resources it needs.
    pub fn needs(&self) -> &'static [Need] {
        self.needs
    }

    /// Whether these arguments are of the operation's type.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn check(&self, arguments: &Value) -> Result<(), Error> {
        (self.check)(arguments)
    }

    /// Runs it.
    pub fn run(&self, arguments: Value, context: Context) -> BoxFuture<'static, Result<Value, Error>> {
        (self.run)(arguments, context)
    }
}

/// A flow schema, its type erased.
#[derive(Clone)]
pub struct FlowEntry {
    pub(crate) descriptor: Descriptor,
    pub(crate) schema: fn() -> Json,
    pub(crate) check: fn(&Json, &dyn Resolve) -> Vec<(String, Error)>,
    pub(crate) call: fn(Json) -> Result<FlowCall, Error>,
}

impl FlowEntry {
    /// The entry of a flow schema.
    pub fn of<S: FlowSchema>() -> Self {
        Self {
            descriptor: S::descriptor(),
            schema: schema_of::<S>,
            check: |arguments, resolver| match decode::<S>(arguments.clone()) {
                Ok(schema) => schema.check(resolver),
                Err(problem) => vec![problem],
            },
            call: |arguments| {
                let schema: S = decode(arguments).map_err(|(place, error)| error.context(place))?;
                schema.into_flow_call()
            },
        }
    }

    /// Where it is defined.
    pub fn source(&self) -> Source {
        self.descriptor.source
    }

    /// What is wrong with these arguments, each with its place as a JSON pointer.
    pub fn check(&self, arguments: &Json, resolver: &dyn Resolve) -> Vec<(String, Error)> {
        (self.check)(arguments, resolver)
    }

    /// A call with these arguments.
    ///
    /// # Errors
    /// If they are not of the flow's type.
    pub fn call(&self, arguments: Json) -> Result<FlowCall, Error> {
        (self.call)(arguments)
    }
}

fn decode<T: serde::de::DeserializeOwned>(arguments: Json) -> Result<T, (String, Error)> {
    serde_path_to_error::deserialize(arguments).map_err(|error| {
        let mut place = String::new();
        for segment in error.path() {
            use serde_path_to_error::Segment;
            match segment {
                Segment::Seq { index } => place.push_str(&format!("/{index}")),
                Segment::Map { key } => {
                    place.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")))
                }
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        (place, Error::from(error.into_inner()))
    })
}

fn schema_of<T: schemars::JsonSchema>() -> Json {
    schemars::SchemaGenerator::default().into_root_schema_for::<T>().into()
}
