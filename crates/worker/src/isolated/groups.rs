//! Control groups (version 2) that limit the memory of isolated processes, where some are delegated to the
//! worker. The kernel keeps such a limit to the byte, and tells when it has killed for it.
//!
//! A group that limits others has no processes of its own, so those of isolated processes are made beside
//! the one that the worker is in; the group of them all must be the worker's own. systemd does and says so
//! with `Delegate=memory` and `DelegateSubgroup=worker`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::Duration;

use protocol::BytesText;

/// How often it is tried to remove a group, of which the last process may still be ending.
const TRIES: u32 = 50;
/// Pause between tries.
const PAUSE: Duration = Duration::from_millis(2);

/// Where groups can be made.
#[derive(Debug)]
pub(super) struct Groups {
    parent: PathBuf,
    made: AtomicU64,
}

/// The group of one isolated process and of all that it starts. Dropped, it is ended and removed, for
/// which the caller may have to wait.
#[derive(Debug)]
pub(super) struct Group(PathBuf);

impl Groups {
    /// Where the worker may make some; `None` if it may not.
    pub(super) fn find() -> Option<Self> {
        Self::below(Path::new("/"), is_delegated)
    }

    fn below(root: &Path, is_delegated: impl Fn(&Path) -> bool) -> Option<Self> {
        let groups = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
        let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let parent = root.join("sys/fs/cgroup").join(own).parent()?.to_owned();
        if own.is_empty() || !is_delegated(&parent) || !has_memory(&parent.join("cgroup.controllers")) {
            return None;
        }
        let enabled = parent.join("cgroup.subtree_control");
        if !has_memory(&enabled)
            && let Err(error) = fs::write(&enabled, "+memory")
        {
            tracing::warn!(group = %parent.display(), %error, "memory cannot be limited by control groups; it is watched");
            return None;
        }
        Some(Self { parent, made: AtomicU64::new(0) })
    }

    /// Makes one and moves a process to it.
    pub(super) fn make(&self, process: u32) -> io::Result<Group> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let path = self.parent.join(format!("otaman-{}-{number}", std::process::id()));
        fs::create_dir(&path)?;
        let group = Group(path);
        // All of it is killed, not only what is largest.
        fs::write(group.0.join("memory.oom.group"), "1")?;
        // There is no such file where there is no swap.
        let _ = fs::write(group.0.join("memory.swap.max"), "0");
        fs::write(group.0.join("cgroup.procs"), process.to_string())?;
        Ok(group)
    }
}

impl Group {
    /// Limits its memory, or does not any more.
    pub(super) fn limit(&self, limit: Option<u64>) -> io::Result<()> {
        let limit = limit.map_or_else(|| "max".to_owned(), |bytes| bytes.to_string());
        fs::write(self.0.join("memory.max"), limit)
    }

    /// The file that tells how many of it the kernel has killed for want of memory.
    pub(super) fn events(&self) -> PathBuf {
        self.0.join("memory.events")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Older kernels have no such file; the process's descendants were looked for anyway.
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        for _ in 0..TRIES {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            sleep(PAUSE);
        }
        tracing::debug!(group = %self.0.display(), "a control group is left behind");
    }
}

/// What is said of a process that the kernel has killed because of a limit.
pub(super) fn excess(limit: u64) -> String {
    format!("wanted more memory than its limit of {}, so the kernel has killed it", BytesText(limit))
}

fn has_memory(file: &Path) -> bool {
    fs::read_to_string(file).is_ok_and(|names| names.split_ascii_whitespace().any(|name| name == "memory"))
}

/// Whether the service manager has given a group away; what it keeps for itself must be left alone, even
/// by who may change it.
#[cfg(target_os = "linux")]
fn is_delegated(group: &Path) -> bool {
    ["user.delegate", "trusted.delegate"].into_iter().any(|name| {
        let mut value = [0; 8];
        rustix::fs::getxattr(group, name, &mut value).is_ok_and(|length| value[..length] == *b"1")
    })
}

#[cfg(not(target_os = "linux"))]
fn is_delegated(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = "sys/fs/cgroup/system.slice/worker.service";

    /// A machine as files: the worker is in a group below a service's, which has these controllers.
    fn machine(own: &str, controllers: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("proc/self/cgroup", own);
        put(&format!("{SERVICE}/cgroup.controllers"), controllers);
        put(&format!("{SERVICE}/cgroup.subtree_control"), "");
        root
    }

    const OWN: &str = "1:name=systemd:/x\n0::/system.slice/worker.service/worker\n";

    #[test]
    fn a_process_gets_a_group_beside_that_of_the_worker() {
        let root = machine(OWN, "cpu memory pids\n");
        let service = root.path().join(SERVICE);
        let groups = Groups::below(root.path(), |group| group == service).unwrap();
        let read = |path: PathBuf| fs::read_to_string(path).unwrap();
        assert_eq!(read(service.join("cgroup.subtree_control")), "+memory");
        let (first, second) = (groups.make(4711).unwrap(), groups.make(4712).unwrap());
        assert_ne!(first.0, second.0);
        assert_eq!(first.0.parent(), Some(&*service));
        first.limit(Some(200 << 20)).unwrap();
        let file = |name: &str| read(first.0.join(name));
        assert_eq!(
            ["cgroup.procs", "memory.max", "memory.oom.group", "memory.swap.max"].map(file),
            ["4711", "209715200", "1", "0"]
        );
        first.limit(None).unwrap();
        assert_eq!(read(first.0.join("memory.max")), "max");
        let path = first.0.clone();
        drop(first);
        assert_eq!(read(path.join("cgroup.kill")), "1");
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let untouched = |own: &str, controllers: &str, is_delegated: bool| {
            let root = machine(own, controllers);
            assert!(Groups::below(root.path(), |_| is_delegated).is_none());
            let enabled = root.path().join(SERVICE).join("cgroup.subtree_control");
            assert_eq!(fs::read_to_string(enabled).unwrap(), "");
        };
        untouched(OWN, "cpu memory pids", false);
        untouched(OWN, "cpu pids", true);
        // Version 1 only, and the group of all.
        untouched("4:memory:/system.slice/worker.service/worker\n", "memory", true);
        untouched("0::/\n", "memory", true);
    }

    #[test]
    fn a_group_that_cannot_be_made_is_an_error() {
        let root = machine(OWN, "memory");
        let groups = Groups::below(root.path(), |_| true).unwrap();
        fs::remove_dir_all(root.path().join(SERVICE)).unwrap();
        assert_eq!(groups.make(1).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_directory_that_nobody_has_given_away_is_not_delegated() {
        assert!(!is_delegated(tempfile::tempdir().unwrap().path()));
    }
}
