//! The flow: a task or flow per item, batch by batch, and what is made of their values.

use std::sync::Arc;

use protocol::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::collect::Collect;
use crate::descriptor::Descriptor;
use crate::entry::{FlowEntry, Registration};
use crate::error::Error;
use crate::flow::{Flow, FlowSchema};
use crate::running::Node;
use crate::stock::map_flow::items::Items;
use crate::stock::map_flow::over::Over;
use crate::target::{Resolve, Template};

/// How many items one step yields at most.
const BATCH: usize = 256;

/// How many items of a list are checked before anything runs.
const MAX_CHECKED: usize = 10_000;

/// How many bad items are told at once.
const MAX_TOLD: usize = 10;

/// Runs a task or flow for each item of a list, a range, a glob or a file's lines. Its value is the
/// list of their values in the order of the items, or what `reduce` makes of it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MapFlow {
    /// What to go over.
    pub over: Over,
    /// What to run for each item. In its strings `{item}` stands for the item and `{index}` for its
    /// position, from 0; a string that is exactly `{item}` becomes the item, whatever its type.
    #[serde(rename = "do")]
    pub template: Template,
    /// What to run when all items are done. `{values}` stands for the list of their values and
    /// `{count}` for its length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-otaman-variables" = ["values", "count"]))]
    pub reduce: Option<Template>,
}

impl FlowSchema for MapFlow {
    type Output = Value;

    fn descriptor() -> Descriptor {
        Descriptor::new("map_flow", "1.0.0")
            .description("Runs a task or flow for each item of a list, a range, a glob or a file's lines.")
            .tags(&["stock"])
    }

    fn check(&self, resolver: &dyn Resolve) -> Vec<(String, Error)> {
        let mut problems = Vec::new();
        match Items::open(&self.over, resolver) {
            Ok(items) => self.check_items(items, resolver, &mut problems),
            // An earlier stage may make the file; when it is still missing then, the flow says so.
            Err(_) if self.over.is_missing_file() => {}
            Err(error) => problems.push((format!("/over/{}", self.over.key()), error)),
        }
        if let Some(reduce) = &self.reduce
            && let Err(error) = resolver.prepare(reduce.target())
        {
            problems.push(("/reduce".to_owned(), error));
        }
        problems
    }

    async fn expand(self, flow: Flow) -> Result<Value, Error> {
        let resolver = Arc::clone(flow.resolver());
        let prepared = resolver.prepare(self.template.target())?;
        let items = Items::open(&self.over, &*resolver)?;
        let known_count = items.known_count();
        let mut items = (0u64..).zip(items);
        let mut values = Collect::new();
        loop {
            let mut batch = Vec::with_capacity(BATCH);
            for (index, item) in items.by_ref().take(BATCH) {
                let (item, index) = (item?, Json::from(index));
                batch.push(prepared(&[("item", &item), ("index", &index)])?);
            }
            if batch.is_empty() {
                if values.is_empty() {
                    tracing::warn!(over = ?self.over, "map_flow has nothing to go over");
                }
                break;
            }
            if values.is_empty()
                && let (Some(count), Some(Node::Task(task))) = (known_count, batch.first())
            {
                flow.expect(task.operation.clone(), count);
            }
            flow.collect(batch, &mut values).await;
        }
        flow.wait().await;
        let count = Json::from(values.len());
        let Some(reduce) = &self.reduce else { return values.into_value() };
        let values = match values.into_value() {
            Ok(values) => values.to_json()?,
            // In a plan nothing has a value, but the task that reduces them is to be counted.
            Err(error) if error.is_unknown_value() => Json::Array(Vec::new()),
            Err(error) => return Err(error),
        };
        let node = resolver.resolve(reduce.target(), &[("values", &values), ("count", &count)])?;
        let mut reduced = Collect::new();
        flow.collect([node], &mut reduced).await;
        flow.wait().await;
        reduced.into_single()
    }
}

impl MapFlow {
    /// Looks at the first item, or at all of a list that is not very long.
    fn check_items(&self, items: Items<'_>, resolver: &dyn Resolve, problems: &mut Vec<(String, Error)>) {
        let prepared = match resolver.prepare(self.template.target()) {
            Ok(prepared) => prepared,
            Err(error) => return problems.push(("/do".to_owned(), error)),
        };
        let checked = if matches!(self.over, Over::List(_)) { MAX_CHECKED } else { 1 };
        let bad = items.take(checked).enumerate().filter_map(|(index, item)| match item {
            Ok(item) => {
                let error = prepared(&[("item", &item), ("index", &Json::from(index))]).err()?;
                Some(("/do".to_owned(), error.context(format!("with item {index}, {item}"))))
            }
            Err(error) => Some((format!("/over/{}", self.over.key()), error)),
        });
        problems.extend(bad.take(MAX_TOLD));
    }
}

inventory::submit! { Registration::Flow(FlowEntry::of::<MapFlow>) }
