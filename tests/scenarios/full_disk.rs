//! A disk that is really full: what was accepted stays, what cannot be done is said or handed back.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value as Json, json};
#[cfg(feature = "live")]
use tests::Cluster;
use tests::{Coordinator, program};

/// A small file system in memory; gone when dropped.
struct Disk(PathBuf);

impl Disk {
    /// Mounts one. Only root may.
    #[track_caller]
    fn mount(at: &Path, size: &str) -> Self {
        fs::create_dir(at).unwrap();
        mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], at).unwrap_or_else(|said| {
            panic!("only root may mount a small disk: {said}; without that leave out `small_disk`")
        });
        Self(at.to_owned())
    }

    #[track_caller]
    fn grow(&self, size: &str) {
        mount(&["-o", &format!("remount,size={size}")], &self.0).unwrap();
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Leaves no byte free.
    fn fill(&self) {
        use std::io::Write as _;
        let mut file = fs::File::create(self.0.join("filling")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a process may be there for a moment longer.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn mount(arguments: &[&str], at: &Path) -> Result<(), String> {
    let done = Command::new("mount").args(arguments).arg(at).output().map_err(|error| error.to_string())?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
}

const TASKS: usize = 20_000;

/// Tasks whose values take some 40 MB together.
fn wordy() -> Json {
    let text = "all work and no play ".repeat(100);
    let value = format!("{{item}} {text}");
    let wordy =
        json!({"@type": "map_flow", "over": {"range": [0, TASKS]}, "do": {"@type": "echo", "value": value}});
    // The first is durable before the others begin.
    let first = json!({"@type": "echo", "value": "first"});
    json!({"@type": "mazepa.sequential_flow", "stages": [first, wordy]})
}

/// What an execution says that finds no more room, and that another with more room has all.
#[track_caller]
fn assert_told_and_resumed(cramped: &Coordinator, roomy: &Coordinator, why: &str, make_room: impl FnOnce()) {
    let spec = cramped.file("spec.json", &wordy().to_string());
    let ended = cramped.run(&["execute", &spec, "--id", "wordy", "--quiet", "--json"]).expect(3);
    assert!(ended.stderr.contains(why), "{}", ended.stderr);
    assert!(ended.stderr.contains("--resume wordy"), "{}", ended.stderr);
    make_room();
    let document = roomy.run(&["execute", "--resume", "wordy", "--quiet", "--json"]).expect(0).json();
    let tasks = &document["tasks"];
    assert_eq!((&tasks["succeeded"], &tasks["failed"]), (&json!(TASKS + 1), &json!(0)), "{tasks}");
    assert!(tasks["reused"].as_u64().is_some_and(|reused| reused > 0), "{tasks}");
    let result = document["result"][1].as_array().unwrap();
    assert_eq!(result.len(), TASKS);
    let is_right =
        |(index, value): (usize, &Json)| value.as_str().unwrap().starts_with(&format!("{index} all "));
    assert!(result.iter().enumerate().all(is_right));
}

#[test]
fn an_execution_whose_small_disk_is_full_says_so_and_goes_on_when_there_is_room() {
    let coordinator = Coordinator::new();
    let disk = Disk::mount(&coordinator.directory().join("disk"), "12m");
    let coordinator = coordinator.with_env("OTAMAN_STATE_DIR", disk.path());
    assert_told_and_resumed(&coordinator, &coordinator, "No space left on device", || disk.grow("500m"));
}

#[test]
fn an_execution_that_may_write_no_larger_file_says_so_and_goes_on_when_it_may() {
    let roomy = Coordinator::new();
    let script = "#!/bin/sh\ntrap '' XFSZ; ulimit -f 16384; exec \"$COORDINATOR\" \"$@\"\n";
    let limited = roomy.file("limited", script);
    fs::set_permissions(&limited, Permissions::from_mode(0o755)).unwrap();
    let cramped = Coordinator::of(Path::new(&limited))
        .with_env("COORDINATOR", program("coordinator"))
        .with_env("OTAMAN_STATE_DIR", roomy.directory().join("state"));
    assert_told_and_resumed(&cramped, &roomy, "File too large", || ());
}

#[test]
fn a_command_whose_output_finds_no_room_on_a_small_disk_says_so() {
    let coordinator = Coordinator::new();
    let disk = Disk::mount(&coordinator.directory().join("disk"), "1m");
    let coordinator = coordinator.with_env("TMPDIR", disk.path());
    let spec = json!({"@type": "command", "argv": ["head", "-c", "3000000", "/dev/zero"],
        "@retry": {"max_attempts": 2, "initial_delay": "1ms"}});
    let spec = coordinator.file("spec.json", &spec.to_string());
    let document = coordinator.run(&["execute", &spec, "--quiet", "--json"]).expect(1).json();
    let failure = &document["failures"][0];
    assert_eq!(failure["cause"], "transient", "{failure:#}");
    assert!(failure["message"].as_str().unwrap().contains("No space left on device"), "{failure:#}");
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0, "nothing is left of it");
}

#[cfg(feature = "live")]
#[test]
fn a_worker_on_a_small_disk_that_is_full_leaves_and_others_do_its_tasks_at_no_cost() {
    const COUNT: usize = 20;
    let cluster = Cluster::start();
    let disk = Disk::mount(Path::new(&cluster.path("disk")), "1m");
    disk.fill();
    let unfit = cluster.another_worker().with_env("TMPDIR", disk.path()).start(&[
        "--concurrency",
        "1",
        "--lease",
        "3s",
    ]);
    let script = "file=$(mktemp) && echo {item} > $file && cat $file && rm $file";
    let task = json!({"@type": "command", "argv": ["sh", "-c", script], "@retry": {"max_attempts": 1}});
    let spec = json!({"@type": "map_flow", "over": {"range": [0, COUNT]}, "do": task});
    let coordinator = cluster.coordinator();
    let spec = coordinator.file("spec.json", &spec.to_string());
    let running = coordinator.start(&["execute", &spec, "--quiet", "--json"]);
    let left = unfit.wait().expect(4).stderr;
    assert!(left.contains("No space left on device") && left.contains(disk.path()), "{left}");
    assert!(left.contains("0 succeeded, 0 failed, 3 handed back"), "{left}");
    let _fit = cluster.start_workers(1, &["--concurrency", "1", "--lease", "3s"]);
    let document = running.wait().expect(0).json();
    assert_eq!((&document["tasks"]["succeeded"], &document["tasks"]["failed"]), (&json!(COUNT), &json!(0)));
}
