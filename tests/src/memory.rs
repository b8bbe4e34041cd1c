//! How much memory processes take.

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

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

/// Runs a command; its wall time in seconds, and the most memory that it has had resident, in MB.
///
/// # Panics
/// If it does not start or fails.
pub fn measured(command: &mut Command) -> (f64, f64) {
    let started = Instant::now();
    let mut child = command.spawn().expect("the command starts");
    let pid = i32::try_from(child.id()).expect("a process id is an i32");
    let mut peak = 0;
    let ended = loop {
        peak = most_memory(pid).unwrap_or(peak);
        if let Some(ended) = child.try_wait().expect("the child can be asked") {
            break ended;
        }
        sleep(Duration::from_millis(2));
    };
    let seconds = started.elapsed().as_secs_f64();
    assert!(ended.success(), "the command failed");
    (seconds, peak as f64 / 1e6)
}
