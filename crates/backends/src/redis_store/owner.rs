//! Who holds an execution, and whether that process is gone.

use std::fs;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A process that holds an execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    /// For people.
    pub(super) text: String,
    pid: u32,
    /// Where the process number means the same: one boot of one kernel, one space of process
    /// numbers, one host name. None where that cannot be told.
    machine: Option<String>,
    /// Tells apart what one process holds at different times.
    token: Uuid,
}

impl Owner {
    /// This process.
    pub(super) fn new() -> Self {
        let (pid, node) = (std::process::id(), node());
        let text = format!("process {pid} on {node}");
        Self { text, pid, machine: machine(&node), token: Uuid::new_v4() }
    }

    /// Of the text of a hold; something else that is there counts as an owner, too.
    pub(super) fn parse(hold: &str) -> Self {
        serde_json::from_str(hold).unwrap_or_else(|_| Self {
            text: "another process".to_owned(),
            pid: 0,
            machine: None,
            token: Uuid::nil(),
        })
    }

    /// The text of a hold.
    pub(super) fn hold(&self) -> String {
        serde_json::to_string(self).expect("its fields have a JSON form")
    }

    /// Whether it runs where we can see it.
    pub(super) fn is_here(&self) -> bool {
        self.machine.is_some() && self.machine == machine(&node())
    }

    /// Whether it certainly does not run any more.
    pub(super) fn is_gone(&self) -> bool {
        self.is_here() && !is_running(self.pid)
    }
}

fn node() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn machine(node: &str) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    // Containers share the boot, and possibly the host name.
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {} {node}", boot.trim(), space.display()))
}

/// A process that was killed but not yet waited for does not run.
fn is_running(pid: u32) -> bool {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // The name before may hold anything.
    let state = text.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    !matches!(state, Some('Z' | 'X'))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn owners_survive_their_text_and_differ() {
        let owner = Owner::new();
        assert_eq!(Owner::parse(&owner.hold()), owner);
        assert_ne!(Owner::new().hold(), owner.hold());
        assert!(!Owner::parse("garbage").is_gone());
    }

    #[test]
    fn a_process_is_gone_once_killed() {
        assert!(!Owner::new().is_gone());
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let owner = Owner { pid: child.id(), ..Owner::new() };
        assert!(owner.is_here() && !owner.is_gone());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(owner.is_gone());
        let elsewhere = Owner { machine: Some("another".into()), ..owner };
        assert!(!elsewhere.is_gone() && !elsewhere.is_here());
    }
}
