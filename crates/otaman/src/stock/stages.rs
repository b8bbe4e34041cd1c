//! `mazepa.sequential_flow` and `mazepa.concurrent_flow`: tasks and flows one after another, or all
//! at once.

use protocol::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::collect::Collect;
use crate::descriptor::Descriptor;
use crate::entry::{FlowEntry, Registration};
use crate::error::Error;
use crate::flow::{Flow, FlowSchema};
use crate::target::Target;

/// Runs tasks and flows one after another: each starts when the one before is done. Its value is
/// the list of their values.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SequentialFlow {
    /// What to run, in this order.
    pub stages: Vec<Target>,
}

/// Runs tasks and flows all at once. Its value is the list of their values, in the order of the
/// stages.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConcurrentFlow {
    /// What to run.
    pub stages: Vec<Target>,
}

impl FlowSchema for SequentialFlow {
    type Output = Value;

    fn descriptor() -> Descriptor {
        Descriptor::new("mazepa.sequential_flow", "1.0.0")
            .description("Runs tasks and flows one after another.")
            .tags(&["stock"])
    }

    async fn expand(self, flow: Flow) -> Result<Value, Error> {
        let mut values = Collect::new();
        for stage in &self.stages {
            let node = flow.resolver().resolve(stage, &[])?;
            flow.collect([node], &mut values).await;
            flow.wait().await;
        }
        values.into_value()
    }
}

impl FlowSchema for ConcurrentFlow {
    type Output = Value;

    fn descriptor() -> Descriptor {
        Descriptor::new("mazepa.concurrent_flow", "1.0.0")
            .description("Runs tasks and flows all at once.")
            .tags(&["stock"])
    }

    async fn expand(self, flow: Flow) -> Result<Value, Error> {
        let mut values = Collect::new();
        // Each stage is a step of its own, so that the owner decides how many are out at once.
        for stage in &self.stages {
            let node = flow.resolver().resolve(stage, &[])?;
            flow.collect([node], &mut values).await;
        }
        flow.wait().await;
        values.into_value()
    }
}

inventory::submit! { Registration::Flow(FlowEntry::of::<SequentialFlow>) }
inventory::submit! { Registration::Flow(FlowEntry::of::<ConcurrentFlow>) }

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stock::testing::{Driven, Echoing};

    fn stages() -> Vec<Target> {
        (1..=3).map(|number| Target::new(json!({"@type": "echo", "value": number}))).collect()
    }

    #[test]
    fn sequential_stages_wait_for_one_another() {
        let driven = Driven::to_the_end(SequentialFlow { stages: stages() }, Echoing::default());
        assert_eq!((driven.value(), driven.waits), (json!([1, 2, 3]), vec![1, 1, 1]));
    }

    #[test]
    fn concurrent_stages_are_yielded_one_by_one_before_any_wait() {
        let driven = Driven::to_the_end(ConcurrentFlow { stages: stages() }, Echoing::default());
        assert_eq!((driven.value(), driven.largest_step, driven.waits), (json!([1, 2, 3]), 1, vec![3]));
    }

    #[test]
    fn no_stages_have_no_values() {
        let sequential = Driven::to_the_end(SequentialFlow { stages: vec![] }, Echoing::default());
        let concurrent = Driven::to_the_end(ConcurrentFlow { stages: vec![] }, Echoing::default());
        assert_eq!((sequential.value(), concurrent.value()), (json!([]), json!([])));
    }
}
