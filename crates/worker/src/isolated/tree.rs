//! A process and all that it has started, as Linux tells of them, but for its guard: that ends what is no
//! longer seen to descend from the process.

use std::collections::HashMap;
use std::fs;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, getpgid, pidfd_open, pidfd_send_signal};

use super::child::GUARD;

/// Processes that fork faster than they are found are given up after so many looks.
const MOST_LOOKS: usize = 100;

/// A process and its descendants, each held so that no other can take its number.
#[derive(Debug, Default)]
pub(super) struct Tree(HashMap<u32, OwnedFd>);

impl Tree {
    /// The process and what descends from it now.
    pub(super) fn of(root: u32) -> Self {
        let mut tree = Self::default();
        tree.grow(root);
        tree
    }

    /// Sends a signal to all of them; those that are gone hear nothing.
    pub(super) fn signal(&self, signal: Signal) {
        for process in self.0.values() {
            let _ = pidfd_send_signal(process, signal);
        }
    }

    /// Whether they are of several process groups: commands have groups of their own.
    pub(super) fn has_other_groups(&self) -> bool {
        let pids = self.0.keys().filter_map(|process| i32::try_from(*process).ok()).filter_map(Pid::from_raw);
        let mut groups = pids.filter_map(|pid| getpgid(Some(pid)).ok());
        let first = groups.next();
        groups.any(|group| Some(group) != first)
    }

    /// Kills the process, what it has started, and what that starts meanwhile: all are stopped first, so
    /// that nothing new comes.
    pub(super) fn kill(root: u32) {
        let mut tree = Self::default();
        for _ in 0..MOST_LOOKS {
            if !tree.grow(root) {
                break;
            }
            tree.signal(Signal::STOP);
        }
        tree.signal(Signal::KILL);
    }

    /// Adds those that are new; whether there were any.
    fn grow(&mut self, root: u32) -> bool {
        let before = self.0.len();
        for process in descent(root) {
            if !self.0.contains_key(&process)
                && let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw)
                && let Ok(held) = pidfd_open(pid, PidfdFlags::empty())
            {
                self.0.insert(process, held);
            }
        }
        self.0.len() > before
    }
}

/// The resident memory of a process and its descendants, in bytes; pages that several of them share
/// count for each. Nothing for those that are gone.
pub(super) fn resident(root: u32) -> u64 {
    let pages: u64 = descent(root).into_iter().filter_map(resident_pages).sum();
    pages * rustix::param::page_size() as u64
}

/// Whether this system tells how much memory processes take.
pub(super) fn is_told() -> bool {
    resident_pages(std::process::id()).is_some()
}

/// A process and its descendants.
fn descent(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        found.extend(children(found[next]).into_iter().filter(|child| !is_guard(*child)));
        next += 1;
    }
    found
}

/// Whether it is to end the commands of a process that has ended.
fn is_guard(process: u32) -> bool {
    let words = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    words.split(|byte| *byte == 0).nth(1) == Some(GUARD.as_bytes())
}

fn resident_pages(process: u32) -> Option<u64> {
    let fields = fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The processes that the threads of this one have started.
fn children(process: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let of_thread = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).ok();
    let lists: Vec<String> = threads.flatten().filter_map(of_thread).collect();
    lists.iter().flat_map(|list| list.split_ascii_whitespace()).filter_map(|id| id.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use super::*;

    fn until(condition: impl Fn() -> bool) {
        let begun = Instant::now();
        while !condition() {
            assert!(begun.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// A shell that has started a process in another group, and waits for it.
    fn family() -> Child {
        let script = "set -m; sleep 1000 & wait";
        Command::new("sh").args(["-c", script]).stdin(Stdio::null()).spawn().unwrap()
    }

    #[test]
    fn the_memory_of_children_counts() {
        assert!(is_told());
        let mut shell = family();
        until(|| descent(shell.id()).len() == 2);
        let alone = resident_pages(shell.id()).unwrap() * rustix::param::page_size() as u64;
        until(|| resident(shell.id()) > alone);
        Tree::kill(shell.id());
        shell.wait().unwrap();
        assert_eq!(resident(shell.id()), 0);
    }

    #[test]
    fn nobody_of_a_family_is_left() {
        let mut shell = family();
        until(|| descent(shell.id()).len() == 2);
        let child = descent(shell.id())[1];
        Tree::kill(shell.id());
        shell.wait().unwrap();
        until(|| resident_pages(child).unwrap_or(0) == 0);
    }

    #[test]
    fn a_family_that_multiplies_is_caught() {
        let script = "bomb() { sleep 100 & bomb; }; bomb";
        let mut shell = Command::new("sh").args(["-c", script]).stdin(Stdio::null()).spawn().unwrap();
        until(|| descent(shell.id()).len() > 30);
        let known = descent(shell.id());
        Tree::kill(shell.id());
        shell.wait().unwrap();
        for process in known {
            until(|| resident_pages(process).unwrap_or(0) == 0);
        }
    }
}
