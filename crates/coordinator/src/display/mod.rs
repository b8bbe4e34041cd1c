//! What people see: tables, progress, reports.

mod evidence;
mod progress;
mod report;
mod table;
mod time;

pub(crate) use evidence::Evidence;
pub(crate) use progress::Display;
pub(crate) use report::{Document, summary};
pub(crate) use table::table;
pub(crate) use time::{age, ago, counted, length, moment};
