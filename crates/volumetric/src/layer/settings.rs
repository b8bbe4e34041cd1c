//! What a spec says about how a layer is to be used.

use crate::function::{Function, FunctionSpec};
use crate::geometry::Resolution;
use crate::layer::Error;
use crate::layer::chunks::Chunked;

/// What a spec says about how a layer is to be used.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) read_procs: Vec<Function>,
    pub(crate) write_procs: Vec<Function>,
    pub(crate) default_resolution: Option<Resolution>,
    pub(crate) cache_bytes_limit: Option<u64>,
    pub(crate) is_bounded: bool,
    pub(crate) is_read_only: bool,
    pub(crate) allows_rounding: bool,
}

/// A volume with what its spec says about it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) volume: Chunked,
    pub(crate) settings: Settings,
}

/// The functions of a parameter.
pub(crate) fn build(parameter: &'static str, functions: &[FunctionSpec]) -> Result<Vec<Function>, Error> {
    let build = |(index, function): (usize, &FunctionSpec)| {
        let refuse = |error| Error::Parameter { parameter, reason: format!("number {}: {error}", index + 1) };
        function.build().map_err(refuse)
    };
    functions.iter().enumerate().map(build).collect()
}
