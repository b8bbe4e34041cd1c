//! How an execution ended: result, report, exit code.

use std::process::ExitCode;

use protocol::{ExecutionId, Status};
use serde::Serialize;

use crate::commands::{CANCELLED, FAILED, Stop, print, say};
use crate::display::{Document, Evidence, summary};
use crate::engine::Conclusion;
use crate::run::Report;

/// Results of up to this many bytes are printed indented.
const INDENTED: usize = 64 * 1024;

/// How the end of an execution is told.
pub(super) struct Output {
    /// Results and errors only.
    pub(super) quiet: bool,
    /// One JSON document instead of the result alone.
    pub(super) as_json: bool,
    /// How to go on with the execution.
    pub(super) resume_command: String,
}

impl Output {
    /// Prints how an execution ended; gives the exit code for it.
    pub(super) fn finish(&self, id: &ExecutionId, report: &Report) -> Result<ExitCode, Stop> {
        let (status, result) = match &report.conclusion {
            Conclusion::Succeeded(value) => (Status::Succeeded, Some(value)),
            Conclusion::Failed => (Status::Failed, None),
            Conclusion::Cancelled => (Status::Cancelled, None),
        };
        let flows = report.flow_failures.iter().map(|failed| {
            Evidence::of_flow(&format!("{} ({}): {}", failed.name, failed.flow, failed.failure.summary()))
        });
        let document = Document {
            execution_id: id,
            status,
            elapsed_s: report.elapsed.as_secs_f64(),
            tasks: report.tally.counts(),
            result,
            failures: report.dead.iter().filter_map(Evidence::of_task).chain(flows).collect(),
        };
        if !self.quiet || status != Status::Succeeded {
            say(&summary(&document, &self.resume_command));
        }
        let is_small = result.is_none_or(|value| value.as_bytes().len() <= INDENTED);
        if self.as_json {
            print_value(&document, is_small)?;
        } else if let Some(value) = result {
            print_value(value, is_small)?;
        }
        Ok(match status {
            Status::Succeeded | Status::Running => ExitCode::SUCCESS,
            Status::Failed => ExitCode::from(FAILED),
            Status::Cancelled => ExitCode::from(CANCELLED),
        })
    }
}

fn print_value(value: &impl Serialize, is_indented: bool) -> Result<(), Stop> {
    print(|out| {
        if is_indented {
            serde_json::to_writer_pretty(&mut *out, value)?;
        } else {
            serde_json::to_writer(&mut *out, value)?;
        }
        out.write_all(b"\n")
    })
}
