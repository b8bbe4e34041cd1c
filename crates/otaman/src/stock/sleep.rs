//! `sleep`: does nothing for a while.

use protocol::DurationText;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::descriptor::Descriptor;
use crate::entry::{OperationEntry, Registration};
use crate::error::Error;
use crate::operation::Operation;

/// Does nothing for a while and returns `null`; stops at once when it is told to.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sleep {
    /// For how long, such as `250ms` or `1m 30s`.
    pub duration: DurationText,
}

impl Operation for Sleep {
    type Output = ();

    fn descriptor() -> Descriptor {
        Descriptor::new("sleep", "1.0.0").description("Does nothing for a while.").tags(&["stock"])
    }

    async fn run(self, context: Context) -> Result<(), Error> {
        tokio::select! {
            () = tokio::time::sleep(self.duration.0) => Ok(()),
            () = context.cancelled() => Err(Error::transient("stopped before the time was over")),
        }
    }
}

inventory::submit! { Registration::Operation(OperationEntry::of::<Sleep>) }

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::stock::testing::Recorder;

    #[tokio::test]
    async fn it_ends_when_the_time_is_over() {
        let sleep = Sleep { duration: DurationText(Duration::from_millis(20)) };
        let start = std::time::Instant::now();
        sleep.run(Recorder::default().context()).await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(20));
    }

    #[tokio::test]
    async fn it_stops_when_it_is_told_to() {
        let recorder = Recorder::default();
        let sleep = Sleep { duration: DurationText(Duration::from_secs(3600)) };
        let running = tokio::spawn(sleep.run(recorder.context()));
        recorder.cancellation.cancel();
        let result = tokio::time::timeout(Duration::from_secs(10), running).await.unwrap().unwrap();
        assert!(result.is_err());
    }
}
