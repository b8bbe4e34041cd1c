//! The operations of this worker, listed for people and announced to coordinators.

use std::io::{self, Write as _};

use otaman::{Info, Registry, Resources};

use crate::failed::Failed;

/// Prints them.
pub(crate) fn list(registry: &Registry, resources: &Resources, as_json: bool) -> Result<(), Failed> {
    match print(registry, resources, as_json) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failed::Print(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn print(registry: &Registry, resources: &Resources, as_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let infos = infos(registry);
    if as_json {
        serde_json::to_writer_pretty(&mut out, &infos)?;
        writeln!(out)?;
    } else {
        let width = infos.iter().map(|info| info.name.as_str().len()).max().unwrap_or_default();
        for info in infos {
            let summary = info.description.lines().next().unwrap_or_default();
            writeln!(out, "{:width$}  {}  {}  {summary}", info.name, info.version, info.worker_type)?;
        }
    }
    for missing in registry.missing_resources(resources) {
        writeln!(io::stderr(), "warning: {missing}")?;
    }
    Ok(())
}

/// All that is known of them, as coordinators want it announced.
pub(crate) fn announcement(registry: &Registry) -> Vec<u8> {
    serde_json::to_vec(&infos(registry)).expect("descriptions of operations are plain data")
}

fn infos(registry: &Registry) -> Vec<&Info> {
    registry.operations().map(|operation| &*operation.info).collect()
}
