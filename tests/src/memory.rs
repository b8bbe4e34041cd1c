//! How much memory processes take.

use std::fs;

/// The most memory that a process has had resident so far, in bytes; `None` once it has ended. Of
/// RabbitMQ that is the whole Erlang system.
///
/// # Panics
/// If the system says it in another way than Linux.
pub fn most_memory(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    // A process that has ended and was not waited for has no such line.
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes = line.trim().strip_suffix(" kB").and_then(|number| number.parse::<u64>().ok());
    Some(kibibytes.expect("it is a number of kB") * 1024)
}
