//! `coordinator queues`: what waits where.

use std::collections::BTreeSet;
use std::process::ExitCode;

use backends::distributed::{Control, Queued, Worker};
use backends::store::View;
use otaman::Kind;
use protocol::{ExecutionId, Status, WorkerType};
use serde::Serialize;
use serde_json::Value as Json;

use super::backend::{Backend, Needs};
use super::catalog::Known;
use super::{Stop, input, print, print_json, say};
use crate::args::ListArgs;
use crate::cli::Common;
use crate::display::table;

const EMBEDDED: &str = "; executions without servers have no queues";
/// What stands between an installation's prefix and a worker type.
const TASKS: &str = ".tasks.";
const OUTCOMES: &str = ".outcomes.";
const DELAYED: &str = ".delayed.";

pub(crate) fn run(common: &Common, args: &ListArgs) -> Result<ExitCode, Stop> {
    let backend = Backend::need_servers(common, Needs::All, EMBEDDED)?;
    let control = backend.control().expect("servers were asked for");
    let workers = backend.block_on(control.workers())?;
    let views = backend.block_on(backend.store().list())?;
    let known = Known::at_a_glance(common, &input::registry()?, &backend)?;
    let offered = known.catalog.infos().filter(|info| info.kind == Kind::Operation);
    let mut types: BTreeSet<WorkerType> = offered.map(|info| info.worker_type.clone()).collect();
    types.extend(workers.iter().flat_map(|worker| worker.presence.session.worker_types.iter().cloned()));
    let unfinished: Vec<&View> =
        views.iter().filter(|view| view.record.status != Status::Succeeded).collect();
    types.extend(unfinished.iter().flat_map(|view| named(&view.record.spec)));
    let executions: Vec<_> = unfinished.iter().map(|view| view.record.id.clone()).collect();
    let queues = backend.block_on(look(&control, types, executions, &workers))?;
    if args.output.is_json() {
        print_json(&queues)?;
    } else {
        list(&queues)?;
    }
    if !common.quiet
        && let Some(trouble) = backend.block_on(control.look_for_trouble())
    {
        say(&trouble.text);
    }
    Ok(ExitCode::SUCCESS)
}

/// A queue, as it is shown.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Shown {
    pub(super) queue: String,
    holds: &'static str,
    pub(super) ready: u32,
    consumers: u32,
    /// Live workers that take from it; `None` where they do not take tasks from it.
    workers: Option<usize>,
}

/// What waits in the queues of these worker types and executions, and in those that all share.
pub(super) async fn look(
    control: &Control,
    types: BTreeSet<WorkerType>,
    executions: Vec<ExecutionId>,
    workers: &[Worker],
) -> Result<Vec<Shown>, backends::distributed::Error> {
    let types: Vec<_> = types.into_iter().collect();
    let queues = control.queues(&types, &executions).await?;
    Ok(queues.into_iter().map(|queued| Shown::of(queued, workers)).collect())
}

impl Shown {
    fn of(queued: Queued, workers: &[Worker]) -> Self {
        let worker_type = queued.name.split_once(TASKS).and_then(|(_, kind)| kind.parse::<WorkerType>().ok());
        let holds = match &worker_type {
            Some(_) => "tasks",
            None if queued.name.contains(OUTCOMES) => "outcomes",
            None if queued.name.contains(DELAYED) => "delayed tasks",
            None => "messages that cannot be read",
        };
        let takes = |kind: &WorkerType| {
            let sessions = workers.iter().map(|worker| &worker.presence.session);
            sessions.filter(|session| session.worker_types.contains(kind)).count()
        };
        Self {
            queue: queued.name,
            holds,
            ready: queued.ready,
            consumers: queued.consumers,
            workers: worker_type.as_ref().map(takes),
        }
    }
}

/// Worker types that a spec names.
pub(super) fn named(spec: &str) -> BTreeSet<WorkerType> {
    fn look(spec: &Json, found: &mut BTreeSet<WorkerType>) {
        match spec {
            Json::Object(fields) => {
                let larger = fields.get("on_out_of_memory").and_then(|on| on.get("worker_type"));
                let names =
                    [fields.get("@worker_type"), larger].into_iter().flatten().filter_map(Json::as_str);
                // With a variable in it, it is no name.
                found.extend(names.filter_map(|name| name.parse().ok()));
                fields.values().for_each(|value| look(value, found));
            }
            Json::Array(items) => items.iter().for_each(|item| look(item, found)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }
    let mut found = BTreeSet::new();
    if let Ok(spec) = serde_json::from_str(spec) {
        look(&spec, &mut found);
    }
    found
}

fn list(queues: &[Shown]) -> Result<(), Stop> {
    let rows = queues.iter().map(|queue| {
        [
            queue.queue.clone(),
            queue.holds.to_owned(),
            queue.ready.to_string(),
            queue.consumers.to_string(),
            queue.workers.map(|count| count.to_string()).unwrap_or_default(),
        ]
    });
    let text = table(["QUEUE", "HOLDS", "READY", "CONSUMERS", "WORKERS"], rows);
    print(|out| writeln!(out, "{text}"))
}

#[cfg(test)]
mod tests {
    use super::super::announced::testing::worker;
    use super::*;

    #[test]
    fn a_queue_tells_what_it_holds_and_who_takes_it() {
        let workers = [worker("one", 1, &["cpu"]), worker("one", 2, &["cpu", "gpu"])];
        for (name, holds, takers) in [
            ("otaman.tasks.cpu", "tasks", Some(2)),
            ("otaman.tasks.tpu", "tasks", Some(0)),
            ("otaman.delayed.1s", "delayed tasks", None),
            ("otaman.outcomes.nightly", "outcomes", None),
            ("otaman.dead", "messages that cannot be read", None),
        ] {
            let shown = Shown::of(Queued { name: name.to_owned(), ready: 3, consumers: 1 }, &workers);
            assert_eq!((shown.holds, shown.workers), (holds, takers), "{name}");
        }
    }

    #[test]
    fn worker_types_are_found_at_any_depth_of_a_spec() {
        let spec = r#"{"stages": [{"@worker_type": "gpu"}, {"do": {"@worker_type": "${kind}",
            "@retry": {"on_out_of_memory": {"worker_type": "gpu-large"}}}}]}"#;
        assert_eq!(named(spec), ["gpu", "gpu-large"].map(|name| name.parse().unwrap()).into());
        assert!(named("not JSON").is_empty());
    }
}
