//! The kernel itself kills for want of memory: real control groups, which only root may make.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use tests::{Coordinator, program};

/// Memory that the group's processes may have together.
const LIMIT: &str = "300M";

/// A control group with a limit; removed when dropped.
struct Group(PathBuf);

impl Group {
    /// In version 1 or 2, whichever there is.
    fn new() -> Self {
        let name = format!("otaman-tests-{}", std::process::id());
        let one = Path::new("/sys/fs/cgroup/memory").join(&name);
        let two = Path::new("/sys/fs/cgroup").join(&name);
        let made = fs::create_dir(&one).and_then(|()| fs::write(one.join("memory.limit_in_bytes"), LIMIT));
        if made.is_ok() {
            return Self(one);
        }
        let made = fs::create_dir(&two).and_then(|()| {
            fs::write(two.join("memory.swap.max"), "0")?;
            fs::write(two.join("memory.max"), LIMIT)
        });
        if let Err(error) = made {
            let _ = fs::remove_dir(&two);
            panic!(
                "root and a control group for memory are needed: {error}; without them leave out `kernel::`"
            );
        }
        Self(two)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // What has been killed may be there for a moment longer.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

#[test]
fn tasks_that_the_kernel_kills_for_want_of_memory_have_run_out_of_it() {
    let group = Group::new();
    let plain = Coordinator::new();
    let script = "#!/bin/sh\necho $$ > \"$GROUP/cgroup.procs\" && exec \"$COORDINATOR\" \"$@\"\n";
    let inside = plain.file("inside", script);
    fs::set_permissions(&inside, Permissions::from_mode(0o755)).unwrap();
    let coordinator = Coordinator::of(Path::new(&inside))
        .with_env("GROUP", group.0.as_os_str())
        .with_env("COORDINATOR", program("rough-coordinator"));
    let retry = json!({"initial_delay": "1ms"});
    let whoami = json!({"@type": "map_flow", "over": {"range": [0, 20]}, "do": {"@type": "whoami", "number": "{item}"}});
    let command = json!({"@type": "command", "argv": ["tail", "/dev/zero"], "@retry": retry});
    let hoard =
        json!({"@type": "hoard", "mebibytes": 4000, "seconds": 60, "@isolation": "process", "@retry": retry});
    let spec = json!({"@type": "mazepa.concurrent_flow", "stages": [whoami, command, hoard]});
    let spec = coordinator.file("spec.json", &spec.to_string());
    let run = [
        "execute",
        &spec,
        "--id",
        "memory",
        "--on-failure",
        "continue",
        "--json",
        "--quiet",
        "--workers",
        "1",
    ];
    let document = coordinator.run(&run).expect(1).json();
    assert_eq!(document["tasks"]["succeeded"], 20, "{document:#}");
    let failures = document["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 2, "{document:#}");
    for failure in failures {
        assert_eq!(
            (&failure["cause"], &failure["signal"]),
            (&json!("out_of_memory"), &json!(9)),
            "{failure:#}"
        );
        assert_eq!(failure["attempts"].as_array().map(Vec::len), Some(2), "{failure:#}");
        let text = failure["message"].as_str().unwrap();
        assert!(text.contains("the kernel has killed for want of memory"), "{text}");
    }
    // The same, told to people.
    let shown = coordinator.run(&["dead", "show", "memory"]).expect(0).stdout;
    assert_eq!(shown.matches(": out_of_memory: ").count(), 4, "{shown}");
    let kills = |file: &str| fs::read_to_string(group.0.join(file)).ok().and_then(|text| count(&text));
    let counted = kills("memory.oom_control").or_else(|| kills("memory.events"));
    assert!(counted.is_some_and(|count| count >= 4), "{counted:?}");
    let _: Json = document;
}

fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}
