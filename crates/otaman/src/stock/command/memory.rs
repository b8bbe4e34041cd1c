//! Whether the kernel has killed processes for want of memory.
//!
//! A process cannot tell its killer: SIGKILL looks the same from `kill -9`. But the kernel counts, for
//! each control group, the processes of it that its OOM killer has ended. The worker's commands are in
//! the worker's own group. Where no group counts, the whole machine's number has to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// What a count is called in all of the files.
const COUNT: &str = "oom_kill";

/// How often the kernel had killed for want of memory when it was first looked.
pub struct OomKills {
    /// Where the number stands; `None` where nobody counts.
    file: Option<PathBuf>,
    before: Option<u64>,
}

impl OomKills {
    /// Looks for the first time.
    pub fn watch() -> Self {
        static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
        Self::of(FILE.get_or_init(|| find(Path::new("/"))).clone())
    }

    /// The same with the number in this file, as a control group has it.
    pub fn of(file: Option<PathBuf>) -> Self {
        let before = file.as_deref().and_then(count);
        Self { file, before }
    }

    /// Whether the kernel has killed since.
    pub fn have_risen(&self) -> bool {
        let now = self.file.as_deref().and_then(count);
        self.before.zip(now).is_some_and(|(before, now)| now > before)
    }
}

/// The file with the number for the group of this process, below a root directory.
fn find(root: &Path) -> Option<PathBuf> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mounts = root.join("sys/fs/cgroup");
    let counts = |path: &PathBuf| count(path).is_some();
    let unified = group(&groups, |controllers| controllers.is_empty()).map(|group| {
        let of = move |mount: &Path| mount.join(group).join("memory.events");
        [of(&mounts), of(&mounts.join("unified"))]
    });
    let old =
        group(&groups, |controllers| controllers.split(',').any(|name| name == "memory")).map(|group| {
            let mount = mounts.join("memory");
            // In a container the group's path is the host's, and the container's own is mounted as the root.
            [mount.join(group).join("memory.oom_control"), mount.join("memory.oom_control")]
        });
    let candidates = unified.into_iter().flatten().chain(old.into_iter().flatten());
    candidates.chain([root.join("proc/vmstat")]).find(counts)
}

/// The path of the group whose controllers are these, from a `/proc/self/cgroup`.
fn group(groups: &str, is_wanted: impl Fn(&str) -> bool) -> Option<&Path> {
    groups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        is_wanted(controllers).then(|| Path::new(path.trim_start_matches('/')))
    })
}

fn count(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(COUNT)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        root
    }

    #[track_caller]
    fn found(files: &[(&str, &str)], wanted: &str, number: u64) {
        let root = machine(files);
        let file = find(root.path()).unwrap();
        assert_eq!(file, root.path().join(wanted));
        assert_eq!(count(&file), Some(number));
    }

    const VMSTAT: (&str, &str) = ("proc/vmstat", "pgfault 7\noom_kill 42\n");
    const EVENTS: &str = "low 0\nhigh 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 0\n";
    const CONTROL: &str = "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n";

    #[test]
    fn the_group_of_the_worker_counts() {
        let groups = ("proc/self/cgroup", "0::/system.slice/worker.service\n");
        let events = ("sys/fs/cgroup/system.slice/worker.service/memory.events", EVENTS);
        found(&[groups, events, VMSTAT], events.0, 2);
        let inside = ("proc/self/cgroup", "0::/\n");
        let events = ("sys/fs/cgroup/memory.events", EVENTS);
        found(&[inside, events, VMSTAT], events.0, 2);
    }

    #[test]
    fn groups_of_the_older_kind_count_too() {
        let groups = ("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/docker/12\n0::/\n");
        let control = ("sys/fs/cgroup/memory/docker/12/memory.oom_control", CONTROL);
        found(&[groups, control, VMSTAT], control.0, 5);
        let inside = ("sys/fs/cgroup/memory/memory.oom_control", CONTROL);
        found(&[groups, inside, VMSTAT], inside.0, 5);
    }

    #[test]
    fn without_a_group_the_machine_counts_and_without_that_nobody() {
        found(&[("proc/self/cgroup", "0::/\n"), VMSTAT], VMSTAT.0, 42);
        assert_eq!(find(machine(&[("proc/vmstat", "pgfault 7\n")]).path()), None);
    }

    #[test]
    fn only_what_comes_after_the_first_look_is_a_rise() {
        let root = machine(&[("memory.events", EVENTS)]);
        let file = root.path().join("memory.events");
        let kills = OomKills::of(Some(file.clone()));
        assert!(!kills.have_risen());
        fs::write(&file, EVENTS.replace("oom_kill 2", "oom_kill 3")).unwrap();
        assert!(kills.have_risen() && !OomKills::of(None).have_risen());
    }
}
