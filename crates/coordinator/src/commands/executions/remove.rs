//! `coordinator executions remove`: forgets executions that nobody runs.

use std::time::Duration;

use backends::store::{self, View};
use protocol::{ExecutionId, Status};
use serde_json::json;

use super::super::backend::{Backend, Needs, unknown_execution};
use super::super::{Stop, print, print_json};
use crate::args::RemoveArgs;
use crate::cli::Common;
use crate::display::age;

pub(super) fn run(common: &Common, args: &RemoveArgs, is_json: bool) -> Result<(), Stop> {
    let backend = Backend::open(common, Needs::All)?;
    let mut removed = Vec::new();
    let outcome = remove_all(&backend, args, &mut removed);
    // What is gone is told also if something failed then.
    if is_json {
        print_json(&json!({"removed": removed}))?;
    } else {
        print(|out| {
            for id in &removed {
                writeln!(out, "removed {id}")?;
            }
            if removed.is_empty() && outcome.is_ok() {
                writeln!(out, "nothing to remove")?;
            }
            Ok(())
        })?;
    }
    outcome
}

fn remove_all(backend: &Backend, args: &RemoveArgs, removed: &mut Vec<ExecutionId>) -> Result<(), Stop> {
    let Some(least) = args.older_than else {
        // A wrong name ends it before anything is gone.
        for id in &args.ids {
            let view = backend.view(id)?;
            if let Some(owner) = view.owner {
                return Err(store::Error::Busy { id: id.clone(), owner }.into());
            }
        }
        for id in &args.ids {
            if !removed.contains(id) {
                remove(backend, id).map_err(unknown_execution)?;
                removed.push(id.clone());
            }
        }
        return Ok(());
    };
    let views = backend.block_on(backend.store().list())?;
    for view in views.iter().filter(|view| is_old(view, least.0)) {
        match remove(backend, &view.record.id) {
            Ok(()) => removed.push(view.record.id.clone()),
            // It was taken up or removed since we looked.
            Err(store::Error::Busy { .. } | store::Error::Unknown { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn is_old(view: &View, least: Duration) -> bool {
    let has_ended = match view.record.status {
        Status::Succeeded | Status::Failed | Status::Cancelled => view.owner.is_none(),
        Status::Running => false,
    };
    has_ended && age(view.record.updated_at_us) >= least
}

fn remove(backend: &Backend, id: &ExecutionId) -> Result<(), store::Error> {
    backend.block_on(async {
        let removal = backend.store().take_to_remove(id).await?;
        if let Some(control) = backend.control() {
            // The record goes last: until then this can be tried again.
            let forgotten = control.forget(id, removal.incarnation()).await;
            forgotten.map_err(|error| store::Error::Medium {
                action: "remove",
                place: format!("what belongs to execution {id}"),
                source: error.into(),
            })?;
        }
        removal.finish().await
    })
}

#[cfg(test)]
mod tests {
    use protocol::to_unix_micros;

    use super::super::super::standing::testing::view;
    use super::*;

    #[test]
    fn only_what_has_ended_long_ago_is_old() {
        let hour = Duration::from_secs(3600);
        let aged = |status, owner, ago: Duration| {
            let mut view = view(status, owner);
            view.record.updated_at_us = to_unix_micros(std::time::SystemTime::now() - ago);
            view
        };
        for status in [Status::Succeeded, Status::Failed, Status::Cancelled] {
            assert!(is_old(&aged(status, None, 2 * hour), hour), "{status:?}");
            assert!(!is_old(&aged(status, None, hour / 2), hour), "{status:?}");
            assert!(!is_old(&aged(status, Some("a coordinator"), 2 * hour), hour), "{status:?}");
        }
        assert!(!is_old(&aged(Status::Running, None, 2 * hour), hour), "it may be resumed");
    }
}
