//! The spec of an execution, walked to learn what it needs; on this machine and without running it.

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use otaman::Resolve;
use otaman::spec::Spec;
use protocol::{ExecutionRecord, Task, TaskId, WorkerType};

use crate::cli::Common;
use crate::commands::backend::Backend;
use crate::commands::catalog::Known;
use crate::commands::input::{self, Text};
use crate::commands::{Stop, queues};
use crate::plan::Plan;

/// How many tasks of a spec are looked through for one.
const MOST_TASKS: u64 = 1_000_000;
/// How long a spec is planned; one of millions of tasks takes longer, and nobody waits for that.
const PLANNING: Duration = Duration::from_secs(5);

/// A spec that can be walked here.
pub(super) struct Walk {
    spec: Spec,
    resolver: Arc<dyn Resolve>,
}

impl Walk {
    /// `None` if the spec cannot be read here, as without a worker that announces its operations.
    /// Goes to the directory in which the execution was started, where relative paths begin.
    ///
    /// # Errors
    /// If this program's operations do not fit together, or the servers cannot be used.
    pub(super) fn of(
        common: &Common,
        backend: &Backend,
        record: &ExecutionRecord,
    ) -> Result<Option<Self>, Stop> {
        if let Some(directory) = &record.directory {
            // Where the execution was started on another machine, patterns match what is here.
            let _ = std::env::set_current_dir(directory);
        }
        let known = Known::at_a_glance(common, &input::registry()?, backend)?;
        let text = Text { name: record.source.clone(), bytes: record.spec.clone().into_bytes() };
        let spec = known.parse(&text, &record.variables).ok();
        Ok(spec.map(|spec| Self { spec, resolver: Arc::new(known.catalog) }))
    }

    /// The task, if the walk meets it among the first million.
    pub(super) fn find(&self, backend: &Backend, id: TaskId) -> Option<Arc<Task>> {
        let walk = crate::plan::find(crate::root::call(&self.spec.root), &self.resolver, id, MOST_TASKS);
        backend.block_on(walk).ok().flatten()
    }

    /// The first tasks.
    pub(super) fn first(&self, backend: &Backend, most: u64) -> Vec<Arc<Task>> {
        let walk = crate::plan::first(crate::root::call(&self.spec.root), &self.resolver, most);
        backend.block_on(walk).unwrap_or_default()
    }

    /// All tasks, unless counting them takes too long.
    pub(super) fn plan(&self) -> Option<Plan> {
        let (root, resolver) = (crate::root::call(&self.spec.root), Arc::clone(&self.resolver));
        let (sender, receiver) = mpsc::sync_channel(1);
        // A walk cannot be interrupted; one that takes too long ends with this process, for which a
        // runtime's threads would not do: they are waited for.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let plan = runtime
                .ok()
                .and_then(|runtime| runtime.block_on(crate::plan::plan(root, &resolver, None)).ok());
            // Nobody waits for it any more if it took too long.
            let _ = sender.send(plan);
        });
        receiver.recv_timeout(PLANNING).ok().flatten()
    }
}

/// Worker types that the tasks of an execution need, as its plan says. Without a plan, or with one of
/// something else than what is run, those that the spec names and the default one.
pub(super) fn needed(plan: Option<&Plan>, record: &ExecutionRecord) -> BTreeSet<WorkerType> {
    let planned = plan.iter().flat_map(|plan| &plan.operations);
    let mut types: BTreeSet<_> = planned.map(|planned| planned.worker_type.clone()).collect();
    let is_undecided = plan.is_some_and(|plan| !plan.undecided.is_empty());
    let is_wrong = match plan {
        // Flows that find other files here than where they run yield other tasks.
        Some(plan) => !plan.failing.is_empty() || !is_undecided && plan.tasks < record.counts.expanded,
        None => true,
    };
    if is_wrong || is_undecided {
        types.extend(queues::named(&record.spec));
    }
    if is_wrong || is_undecided && types.is_empty() {
        types.insert(WorkerType::default());
    }
    types
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use otaman::spec::Catalog;
    use protocol::{OperationName, Status};
    use serde_json::json;

    use super::*;
    use crate::commands::standing::testing::view;
    use crate::plan::PlannedOperation;

    const TASKS: u64 = 3;

    fn plan(worker_types: &[&str]) -> Plan {
        let planned = |name: &&str| PlannedOperation {
            operation: OperationName::new("work").unwrap(),
            worker_type: name.parse().unwrap(),
            tasks: TASKS,
            reused: 0,
        };
        let operations: Vec<_> = worker_types.iter().map(planned).collect();
        Plan { tasks: TASKS * operations.len() as u64, operations, ..Plan::default() }
    }

    fn record(expanded: u64) -> ExecutionRecord {
        let mut record = view(Status::Running, None).record;
        record.spec = r#"{"stages": [{"@worker_type": "gpu"}, {}]}"#.to_owned();
        record.counts.expanded = expanded;
        record
    }

    #[track_caller]
    fn assert_needed(plan: Option<&Plan>, expanded: u64, expected: &[&str]) {
        let found = needed(plan, &record(expanded));
        assert_eq!(found.iter().map(WorkerType::as_str).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn stages_are_planned_for_the_type_they_name_the_default_one_and_that_of_their_operation() {
        let info = json!({"kind": "operation", "name": "resize", "version": "1.0.0", "spec_versions": "*",
            "description": "", "tags": [], "worker_type": "tpu", "requires": [], "arguments": {"type": "object"}});
        let catalog = Catalog::new(&input::registry().unwrap());
        let catalog = catalog.with_announced([serde_json::from_value(info).unwrap()]);
        let spec = json!({"@type": "mazepa.sequential_flow", "stages": [
            {"@type": "echo", "value": 1, "@worker_type": "gpu"}, {"@type": "echo", "value": 2},
            {"@type": "resize"}]});
        let spec = otaman::spec::parse("spec", spec.to_string().as_bytes(), &BTreeMap::new(), &catalog);
        let walk = Walk { spec: spec.unwrap(), resolver: Arc::new(catalog) };
        assert_needed(walk.plan().as_ref(), 3, &["cpu", "gpu", "tpu"]);
    }

    #[test]
    fn a_plan_tells_all_worker_types_whoever_chose_them() {
        assert_needed(Some(&plan(&["cpu", "gpu"])), 2, &["cpu", "gpu"]);
        assert_needed(Some(&plan(&["tpu"])), TASKS, &["tpu"]);
        assert_needed(Some(&plan(&[])), 0, &[]);
    }

    #[test]
    fn what_flows_decide_later_may_be_for_the_types_that_the_spec_names() {
        let undecided = |types| Plan { undecided: vec!["search".to_owned()], ..plan(types) };
        assert_needed(Some(&undecided(&["tpu"])), 100, &["gpu", "tpu"]);
    }

    #[test]
    fn without_a_plan_of_what_runs_the_named_types_and_the_default_one_count() {
        assert_needed(None, 0, &["cpu", "gpu"]);
        assert_needed(Some(&plan(&["tpu"])), TASKS + 1, &["cpu", "gpu", "tpu"]);
        let failing = Plan { failing: vec!["map_flow: no directory".to_owned()], ..plan(&[]) };
        assert_needed(Some(&failing), 0, &["cpu", "gpu"]);
    }
}
