//! The guard: ends the commands of a process that has died before them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};

use rustix::process::{Pid, Signal, kill_process_group};

use super::strays::Strays;

/// Hears of commands until the other end closes, then ends those that still run. For a process that was
/// started as told by [`guard_commands_with`](super::guard_commands_with).
pub fn guard_commands(input: impl Read) {
    let mut running = BTreeMap::new();
    for line in BufReader::new(input).lines().map_while(Result::ok) {
        hear(&line, &mut running);
    }
    for leader in running.values().copied().flatten() {
        // An error means that nobody is left.
        let _ = kill_process_group(leader, Signal::KILL);
    }
    Strays::of(running.keys()).kill();
}

fn hear(line: &str, running: &mut BTreeMap<String, Option<Pid>>) {
    let mut words = line.split(' ');
    match (words.next(), words.next()) {
        (Some("runs"), Some(mark)) => {
            let leader = words.next().and_then(|leader| leader.parse().ok()).and_then(Pid::from_raw);
            running.insert(mark.to_owned(), leader);
        }
        (Some("ended"), Some(mark)) => drop(running.remove(mark)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::{Child, Command, Stdio};

    use super::super::marks::VARIABLE;
    use super::*;

    fn sleeper(mark: &str) -> Child {
        let mut command = Command::new("sleep");
        command.arg("100").env(VARIABLE, mark).process_group(0).stdin(Stdio::null());
        command.spawn().unwrap()
    }

    #[test]
    fn what_still_runs_is_ended_by_group_or_by_mark_and_nothing_else() {
        let own = format!("guard-test-{}", std::process::id());
        let mark = |number: u32| format!("{own}-{number}");
        let mut children: Vec<Child> = (0..4).map(|number| sleeper(&mark(number))).collect();
        let (input, mut pipe) = std::io::pipe().unwrap();
        let leader = children[0].id();
        // Of the second only the mark is known; the third has ended, and left something; of the fourth
        // nothing was told.
        let told = format!(
            "runs {0}\nruns {0} {leader}\nruns {1}\nruns {2}\nended {2}\nnonsense\n",
            mark(0),
            mark(1),
            mark(2)
        );
        pipe.write_all(told.as_bytes()).unwrap();
        drop(pipe);
        guard_commands(input);
        for child in &mut children[..2] {
            assert_eq!(child.wait().unwrap().signal(), Some(9));
        }
        for child in &mut children[2..] {
            assert!(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
