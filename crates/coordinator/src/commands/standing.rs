//! Where an execution is, as its record, its owner and the wishes of users together say.

use backends::distributed::Control;
use backends::lease::Flags;
use backends::store::View;
use protocol::Status;

/// What users wish of an execution; nothing special where there are no servers.
pub(crate) async fn flags(
    control: Option<&Control>,
    view: &View,
) -> Result<Flags, backends::distributed::Error> {
    match control {
        // Of what has ended wishes no longer matter.
        Some(control) if view.record.status == Status::Running => control.flags(&view.record.id).await,
        Some(_) | None => Ok(Flags::default()),
    }
}

/// Whether somebody has cancelled this run of the execution.
pub(crate) fn is_cancelled(view: &View, flags: Flags) -> bool {
    flags.ended.is_some_and(|ended| ended >= view.record.incarnation)
}

/// The word for where an execution is; one that was killed is still recorded as running.
pub(crate) fn status(view: &View, flags: Flags) -> &'static str {
    match (view.record.status, &view.owner) {
        (Status::Running, Some(_)) if is_cancelled(view, flags) => "cancelling",
        (Status::Running, None) if is_cancelled(view, flags) => "cancelled",
        (Status::Running, Some(_)) if flags.is_paused => "paused",
        (Status::Running, None) => "interrupted",
        (status @ (Status::Running | Status::Succeeded | Status::Failed | Status::Cancelled), _) => {
            status.as_str()
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {

    use protocol::ExecutionRecord;

    use super::{Status, View};

    /// An execution in its second run.
    pub(crate) fn view(status: Status, owner: Option<&str>) -> View {
        let record = ExecutionRecord {
            incarnation: 2,
            status,
            ..ExecutionRecord::new("nightly".parse().unwrap(), "spec.json", "", 0)
        };
        View { record, owner: owner.map(str::to_owned), dead: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::view;
    use super::*;

    #[test]
    fn record_owner_and_wishes_make_one_word() {
        let (running, dead) = (view(Status::Running, Some("a process")), view(Status::Running, None));
        let none = Flags::default();
        let cancelled = Flags { ended: Some(2), is_paused: true, stopping: None };
        let cancelled_before = Flags { ended: Some(1), ..Flags::default() };
        let paused = Flags { is_paused: true, ..Flags::default() };
        for (view, flags, word) in [
            (&running, none, "running"),
            (&running, cancelled, "cancelling"),
            (&running, cancelled_before, "running"),
            (&running, paused, "paused"),
            (&dead, none, "interrupted"),
            (&dead, cancelled, "cancelled"),
            (&dead, paused, "interrupted"),
            (&view(Status::Failed, None), cancelled, "failed"),
            (&view(Status::Succeeded, None), none, "succeeded"),
        ] {
            assert_eq!(status(view, flags), word, "{flags:?}");
        }
    }
}
