//! `coordinator explain`: why an execution, or one of its tasks, is not running.

mod execution;
mod facts;
mod gather;
mod task;
mod walk;

pub(crate) use gather::run;
