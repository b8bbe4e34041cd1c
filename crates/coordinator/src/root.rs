//! The root of an execution: the flow that runs what a spec's target stands for.

use otaman::{Collect, FlowCall, Target};
use protocol::{FlowId, OperationName, Value};

/// A flow whose only child is the target, and whose value is the target's. Its id is the target's
/// content, like that of any other flow.
pub(crate) fn call(target: &Target) -> FlowCall {
    let name = OperationName::new("execution").expect("the literal is a name");
    let content = Value::encode(target).unwrap_or_else(|_| Value::null());
    let id = FlowId::of_call(&name, &semver::Version::new(1, 0, 0), &content);
    let target = target.clone();
    FlowCall::new(id, name, move |flow| async move {
        let node = flow.resolver().resolve(&target, &[])?;
        let mut value = Collect::new();
        flow.collect([node], &mut value).await;
        flow.wait().await;
        // One child, so one value.
        value.into_single()
    })
}
