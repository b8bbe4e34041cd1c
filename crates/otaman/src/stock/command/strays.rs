//! Processes that a command has started, also those that have left its process group: they are known by the
//! mark in their environment, unless they have cleared it.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgid, kill_process};

use super::marks::VARIABLE;

/// How often it is looked for marked processes: those that fork meanwhile are found the next time.
const MOST_LOOKS: usize = 100;
/// Pause between looks, in which killed ones vanish.
const PAUSE: Duration = Duration::from_millis(5);

/// The processes of some commands.
pub(super) struct Strays {
    /// As they stand in the environment.
    marks: Vec<Vec<u8>>,
}

impl Strays {
    /// Those of the commands with these marks.
    pub(super) fn of(marks: impl IntoIterator<Item = impl ToString>) -> Self {
        let variable = |mark: &dyn ToString| format!("{VARIABLE}={}", mark.to_string()).into_bytes();
        Self { marks: marks.into_iter().map(|mark| variable(&mark)).collect() }
    }

    /// Those that live, as Linux tells of them.
    fn live(&self) -> Vec<Pid> {
        if self.marks.is_empty() {
            return Vec::new();
        }
        let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw);
        processes.flatten().filter_map(number).filter(|process| self.has_one(*process)).collect()
    }

    /// Those that have ended, and those of other users, have an empty environment.
    fn has_one(&self, process: Pid) -> bool {
        let environment = fs::read(format!("/proc/{}/environ", process.as_raw_nonzero())).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| self.marks.iter().any(|mark| variable == mark))
    }

    /// Whether none lives.
    pub(super) fn is_empty(&self) -> bool {
        self.live().is_empty()
    }

    /// Sends a signal to those that are not in a process group.
    pub(super) fn signal_outside(&self, group: Pid, signal: Signal) {
        for process in self.live() {
            // An error means that it has just ended.
            if getpgid(Some(process)).is_ok_and(|its| its != group) {
                let _ = kill_process(process, signal);
            }
        }
    }

    /// Kills them, and those that they start meanwhile. Blocks, for milliseconds unless they fork faster.
    pub(super) fn kill(&self) {
        for _ in 0..MOST_LOOKS {
            let live = self.live();
            if live.is_empty() {
                break;
            }
            for process in live {
                let _ = kill_process(process, Signal::KILL);
            }
            sleep(PAUSE);
        }
    }
}
