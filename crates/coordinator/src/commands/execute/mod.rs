//! `coordinator execute`: runs a spec to its end.

mod course;
mod distributed;
mod embedded;
mod outcome;
mod standard_input;
mod start;
mod watched;
mod work;

pub(crate) use start::run;
