//! `coordinator execute`: runs a spec to its end.

mod embedded;
mod outcome;
mod start;
mod work;

pub(crate) use start::run;
