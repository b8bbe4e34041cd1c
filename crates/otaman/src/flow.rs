//! What the author of a flow sees: a context to yield through and to wait on.

use std::any::TypeId;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use protocol::{FlowId, OperationName, Value};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use crate::collect::Collect;
use crate::descriptor::Descriptor;
use crate::error::Error;
use crate::handle::Handle;
use crate::operation::{IntoCall, Operation, TaskMold};
use crate::running::{Awaited, Estimate, Expected, FlowCall, Item, Mailbox, Node, NodeId, OnFailure, Step};
use crate::target::{Resolve, Target};

/// A flow: a generator of tasks and flows. The implementing type is its arguments.
///
/// Generators must be deterministic given their arguments and the outcomes they read: after a
/// crash they run again, and what they yield again gets its recorded outcome at once. `#[flow]` on
/// a function writes this; by hand it is as short as [`Operation`].
pub trait FlowSchema: Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// What it returns.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// What it says about itself.
    fn descriptor() -> Descriptor;

    /// Yields work through `flow` and returns the flow's value.
    fn expand(self, flow: Flow) -> impl Future<Output = Result<Self::Output, Error>> + Send;

    /// Looks for mistakes in the arguments that their types do not exclude, before anything is
    /// submitted. Each comes with the place inside the arguments, as a JSON pointer.
    fn check(&self, _resolver: &dyn Resolve) -> Vec<(String, Error)> {
        Vec::new()
    }

    /// A call of the flow.
    ///
    /// # Errors
    /// If its name or version is malformed, or its arguments cannot be encoded.
    fn into_flow_call(self) -> Result<FlowCall, Error> {
        let descriptor = Self::descriptor();
        let name = OperationName::new(descriptor.name)?;
        let id = FlowId::of_call(&name, &descriptor.version.parse()?, &Value::encode(&self)?);
        Ok(FlowCall::new(id, name, move |flow| async move {
            let output = self.expand(flow).await?;
            Ok(Value::encode(&output)?)
        }))
    }
}

/// What the operation of a call returns.
type Output<C> = <<C as IntoCall>::Operation as Operation>::Output;

/// A running flow as its author sees it. Every call that yields or waits must be awaited.
#[derive(Clone)]
pub struct Flow(Arc<Inner>);

struct Inner {
    id: FlowId,
    mailbox: Arc<Mailbox>,
    resolver: Arc<dyn Resolve>,
    /// A std mutex: it is held for a look-up, never across an await.
    molds: Mutex<Vec<(TypeId, Arc<TaskMold>)>>,
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Flow({})", self.0.id)
    }
}

impl Flow {
    pub(crate) fn new(id: FlowId, mailbox: Arc<Mailbox>, resolver: Arc<dyn Resolve>) -> Self {
        Self(Arc::new(Inner { id, mailbox, resolver, molds: Mutex::default() }))
    }

    /// This flow's identity.
    pub fn id(&self) -> FlowId {
        self.0.id
    }

    /// Makes tasks and flows of parts of a spec.
    pub fn resolver(&self) -> &Arc<dyn Resolve> {
        &self.0.resolver
    }

    /// Yields one task.
    ///
    /// # Errors
    /// If its arguments cannot be encoded or a setting is malformed.
    pub async fn task<C: IntoCall>(&self, call: C) -> Result<Handle<Output<C>>, Error> {
        let (handle, item) = self.task_item(call)?;
        self.step(Step::Yield(vec![item])).await;
        Ok(handle)
    }

    /// Yields several tasks at once.
    ///
    /// # Errors
    /// If the arguments of one cannot be encoded or a setting is malformed; then none is yielded.
    pub async fn tasks<C: IntoCall>(
        &self,
        calls: impl IntoIterator<Item = C>,
    ) -> Result<Vec<Handle<Output<C>>>, Error> {
        let mut handles = Vec::new();
        let mut items = Vec::new();
        for call in calls {
            let (handle, item) = self.task_item(call)?;
            handles.push(handle);
            items.push(item);
        }
        self.step(Step::Yield(items)).await;
        Ok(handles)
    }

    /// Yields one flow.
    ///
    /// # Errors
    /// If its arguments cannot be encoded.
    pub async fn flow<S: FlowSchema>(&self, schema: S) -> Result<Handle<S::Output>, Error> {
        Ok(self.node(Node::Flow(schema.into_flow_call()?), OnFailure::Propagate).await)
    }

    /// Yields one flow and leaves its failure for this flow to look at: it neither stops the
    /// execution nor fails this flow.
    ///
    /// # Errors
    /// If its arguments cannot be encoded.
    pub async fn catch_flow<S: FlowSchema>(&self, schema: S) -> Result<Handle<S::Output>, Error> {
        Ok(self.node(Node::Flow(schema.into_flow_call()?), OnFailure::Catch).await)
    }

    /// Yields the task or flow that a part of a spec stands for.
    ///
    /// # Errors
    /// If it stands for nothing; the spec builder has checked that before.
    pub async fn target(&self, target: &Target) -> Result<Handle<Json>, Error> {
        let node = self.0.resolver.resolve(target, &[])?;
        Ok(self.node(node, OnFailure::Propagate).await)
    }

    /// Yields a task or flow in its general form.
    pub async fn node<T>(&self, node: Node, on_failure: OnFailure) -> Handle<T> {
        let handle = Handle::new(node.id());
        let sink = handle.sink();
        self.step(Step::Yield(vec![Item { node, sink, on_failure }])).await;
        handle
    }

    /// Yields several tasks and flows at once, in their general form.
    pub async fn nodes<T>(
        &self,
        nodes: impl IntoIterator<Item = Node>,
        on_failure: OnFailure,
    ) -> Vec<Handle<T>> {
        let (mut handles, mut items) = (Vec::new(), Vec::new());
        for node in nodes {
            let handle = Handle::new(node.id());
            items.push(Item { node, sink: handle.sink(), on_failure });
            handles.push(handle);
        }
        self.step(Step::Yield(items)).await;
        handles
    }

    /// Yields several tasks or flows at once, their values to be collected in order.
    pub async fn collect(&self, nodes: impl IntoIterator<Item = Node>, values: &mut Collect) {
        let item = |node| Item { node, sink: values.next_sink(), on_failure: OnFailure::Propagate };
        let items = nodes.into_iter().map(item).collect();
        self.step(Step::Yield(items)).await;
    }

    /// Says that this flow will yield so many tasks of an operation, for estimates of the time left.
    pub fn expect(&self, operation: OperationName, tasks: u64) {
        self.0.mailbox.expect(Expected { operation, tasks });
    }

    /// Says what this flow reads and writes, for `coordinator plan`.
    pub fn estimate(&self, estimate: Estimate) {
        self.0.mailbox.estimate(estimate);
    }

    /// Goes on when everything that this flow has yielded so far is done.
    pub async fn wait(&self) {
        self.step(Step::WaitAll).await;
    }

    /// Goes on when these children of this flow are done.
    pub async fn wait_for<'a, T: 'a>(&self, handles: impl IntoIterator<Item = &'a Handle<T>>) {
        self.step(Step::WaitFor(handles.into_iter().map(Handle::awaited).collect())).await;
    }

    /// Goes on when the children of this flow with these ids are done. They must not be done yet:
    /// without a handle the flow cannot tell a finished child from something that is none.
    pub async fn wait_for_ids(&self, ids: impl IntoIterator<Item = NodeId>) {
        self.step(Step::WaitFor(ids.into_iter().map(|id| Awaited { id, slot: None }).collect())).await;
    }

    /// Yields a task, waits for it and returns its value.
    ///
    /// # Errors
    /// As [`Self::task`] and [`Handle::value`].
    pub async fn run<C: IntoCall>(&self, call: C) -> Result<Output<C>, Error> {
        let handle = self.task(call).await?;
        self.wait_for([&handle]).await;
        handle.value()
    }

    fn task_item<C: IntoCall>(&self, call: C) -> Result<(Handle<Output<C>>, Item), Error> {
        let (task, on_failure) = self.mold::<C::Operation>()?.cast(call.into_call())?;
        let handle = Handle::new(NodeId::Task(task.id));
        let sink = handle.sink();
        Ok((handle, Item { node: Node::Task(Arc::new(task)), sink, on_failure }))
    }

    fn mold<T: Operation>(&self) -> Result<Arc<TaskMold>, Error> {
        let mut molds = self.0.molds.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = TypeId::of::<T>();
        if let Some((_, mold)) = molds.iter().find(|(id, _)| *id == wanted) {
            return Ok(Arc::clone(mold));
        }
        let mold = Arc::new(TaskMold::of::<T>()?);
        molds.push((wanted, Arc::clone(&mold)));
        Ok(mold)
    }

    /// Hands a step to whoever polls the generator; goes on when it is polled again.
    async fn step(&self, step: Step) {
        self.0.mailbox.put(step);
        Handover(false).await;
    }
}

/// Pending once, so that the generator's owner gets the step before the generator goes on.
struct Handover(bool);

impl Future for Handover {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}
