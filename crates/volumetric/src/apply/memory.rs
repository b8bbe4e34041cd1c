//! Whether this machine can hold what a task needs. A process whose allocation fails is ended by that, so a task
//! that cannot be held is not begun.

use std::fs;

use bytesize::ByteSize;
use otaman::{Error, Result};

/// Tasks that hold less are begun anywhere.
pub(crate) const MUCH: u64 = 1 << 30;

/// Where Linux tells how much a process may take, beside what the machine has.
const LIMITS: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// Refuses a task that holds more than there is.
pub(crate) fn check(needed: Option<u64>) -> Result<()> {
    let Some(needed) = needed else { return Ok(()) };
    judge(needed, limit())
}

fn judge(needed: u64, limit: Option<u64>) -> Result<()> {
    match limit {
        Some(limit) if needed > limit => Err(Error::out_of_memory(format!(
            "the task would hold about {} in memory, and there is {}; make chunks, pads or the function's context \
             smaller, add a level of smaller chunks, or send it to larger machines by @retry.on_out_of_memory",
            ByteSize(needed),
            ByteSize(limit),
        ))),
        Some(_) | None => Ok(()),
    }
}

/// In bytes; `None` where nobody tells.
fn limit() -> Option<u64> {
    let of_machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
    });
    let of_groups = LIMITS.iter().filter_map(|path| fs::read_to_string(path).ok()?.trim().parse().ok());
    of_groups.chain(of_machine).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_held_is_refused() {
        assert!(judge(5, Some(4)).is_err() && judge(4, Some(4)).is_ok() && judge(u64::MAX, None).is_ok());
        assert!(check(None).is_ok());
        if cfg!(target_os = "linux") {
            assert!(check(Some(u64::MAX)).is_err(), "Linux tells what there is");
        }
    }
}
