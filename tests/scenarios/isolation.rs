//! Operations that harm their process harm nobody else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use tests::{Coordinator, program, until, until_within};

fn coordinator() -> Coordinator {
    Coordinator::of(&program("rough-coordinator"))
}

/// Runs a spec to its end with an exit code; what it printed.
#[track_caller]
fn execute(coordinator: &Coordinator, spec: &Json, arguments: &[&str], code: i32) -> Json {
    let spec = coordinator.file("spec.json", &spec.to_string());
    coordinator.run(&[&["execute", &spec, "--json", "--quiet"], arguments].concat()).expect(code).json()
}

fn failure(document: &Json) -> &Json {
    &document["failures"][0]
}

fn attempts_of(failure: &Json) -> usize {
    failure["attempts"].as_array().map_or(0, Vec::len)
}

fn numbers(count: u32, task: &Json) -> Json {
    json!({"@type": "map_flow", "over": {"range": [0, count]}, "do": task})
}

fn is_alive(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

#[test]
fn isolated_tasks_share_the_processes_of_their_slots() {
    let coordinator = coordinator();
    let spec = numbers(40, &json!({"@type": "whoami", "number": "{item}"}));
    let document = execute(&coordinator, &spec, &["--workers", "2"], 0);
    let processes: BTreeSet<u64> =
        document["result"].as_array().unwrap().iter().map(|process| process.as_u64().unwrap()).collect();
    assert!((1..=2).contains(&processes.len()), "{processes:?}");
}

#[test]
fn a_crash_is_a_failure_with_evidence_and_others_go_on() {
    for (how, cause, signal, attempts) in [
        ("abort", "lost", Some(6), 3),
        ("segmentation fault", "lost", Some(11), 3),
        ("panic", "permanent", None, 1),
    ] {
        let coordinator = coordinator();
        let crash = json!({"@type": "crash", "how": how});
        let others = numbers(20, &json!({"@type": "whoami", "number": "{item}"}));
        let spec = json!({"@type": "mazepa.concurrent_flow", "stages": [others, crash]});
        let document = execute(&coordinator, &spec, &["--on-failure", "continue"], 1);
        assert_eq!(document["tasks"]["succeeded"], 20, "{document:#}");
        let failure = failure(&document);
        assert_eq!(failure["cause"], cause, "{document:#}");
        assert_eq!(failure["signal"].as_i64(), signal, "{document:#}");
        assert_eq!(attempts_of(failure), attempts, "{document:#}");
        let text = failure.to_string();
        assert!(text.contains("said to the log") && text.contains("printed before the end"), "{text}");
    }
}

#[test]
fn a_panic_costs_neither_the_slot_nor_the_tasks_beside_it() {
    let coordinator = coordinator();
    let panicking = |operation: &str| numbers(20, &json!({"@type": operation, "number": "{item}"}));
    let beside = json!({"@type": "command", "argv": ["sh", "-c", "sleep 1; echo done"]});
    let after = numbers(20, &json!({"@type": "echo", "value": "{item}"}));
    let stages = json!([beside, panicking("panic_beside_others"), panicking("panic_on_its_thread"), after]);
    let spec = json!({"@type": "mazepa.concurrent_flow", "stages": stages});
    // One slot has the long task, the other one all that panics, and what comes after.
    let document = execute(&coordinator, &spec, &["--workers", "2", "--on-failure", "continue"], 1);
    assert_eq!(document["tasks"]["succeeded"], 21, "{document:#}");
    assert_eq!((&document["tasks"]["failed"], &document["tasks"]["retried"]), (&json!(40), &json!(0)));
    let failures = document["failures"].as_array().unwrap();
    for failure in failures {
        assert!(failure.to_string().contains("as it was asked to"), "{failure:#}");
        assert!(failure.to_string().contains("rough/src/lib.rs"), "the place of the panic: {failure:#}");
    }
}

#[test]
fn an_exit_code_decides_about_another_attempt() {
    let coordinator = coordinator();
    let document = execute(&coordinator, &json!({"@type": "crash", "how": "exit 3"}), &[], 1);
    assert_eq!(
        (&failure(&document)["cause"], &failure(&document)["exit_code"]),
        (&json!("permanent"), &json!(3))
    );
    let retry = json!({"transient_exit_codes": [3], "max_attempts": 2, "initial_delay": "1ms"});
    let spec = json!({"@type": "crash", "how": "exit 3", "@key": "again", "@retry": retry});
    let document = execute(&coordinator, &spec, &[], 1);
    assert_eq!((&failure(&document)["cause"], attempts_of(failure(&document))), (&json!("transient"), 2));
}

#[test]
fn a_task_that_takes_too_much_memory_is_ended_and_says_so() {
    let coordinator = coordinator();
    let retry = json!({"initial_delay": "1ms"});
    let hoard = json!({"@type": "hoard", "mebibytes": 4000, "seconds": 60, "@memory_limit": "200MiB", "@retry": retry});
    let command = json!({"@type": "command", "argv": ["tail", "/dev/zero"], "@memory_limit": "200MiB", "@retry": retry});
    let modest = json!({"@type": "hoard", "mebibytes": 50, "@memory_limit": "200MiB"});
    let spec = json!({"@type": "mazepa.concurrent_flow", "stages": [modest, hoard, command]});
    let begun = Instant::now();
    let document = execute(&coordinator, &spec, &["--on-failure", "continue"], 1);
    assert!(begun.elapsed() < Duration::from_secs(50), "{:?}", begun.elapsed());
    assert_eq!(document["tasks"]["succeeded"], 1, "{document:#}");
    let failures = document["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 2);
    for failure in failures {
        assert_eq!(failure["cause"], "out_of_memory", "{failure:#}");
        assert_eq!(attempts_of(failure), 2, "as many as the default policy allows: {failure:#}");
        assert!(failure.to_string().contains("more than its limit of 200"), "{failure:#}");
    }
}

#[test]
fn what_earlier_tasks_have_left_behind_does_not_count_against_a_limit() {
    let coordinator = coordinator();
    let leak = json!({"@type": "leak", "mebibytes": 300});
    let modest = json!({"@type": "hoard", "mebibytes": 50, "@memory_limit": "200MiB"});
    let spec = json!({"@type": "mazepa.sequential_flow", "stages": [leak, modest]});
    let document = execute(&coordinator, &spec, &["--workers", "1"], 0);
    assert_eq!((&document["tasks"]["succeeded"], &document["tasks"]["retried"]), (&json!(2), &json!(0)));
}

#[test]
fn a_command_that_heeds_no_signal_does_not_outlive_its_process() {
    let coordinator = coordinator();
    let file = coordinator.directory().join("process");
    let script = format!("trap '' TERM; echo $$ > {}; while :; do sleep 1; done", file.display());
    let once = json!({"max_attempts": 1});
    let spec = json!({"@type": "command", "argv": ["sh", "-c", script], "@isolation": "process", "@runtime_limit": "2s", "@retry": once});
    let document = execute(&coordinator, &spec, &[], 1);
    assert_eq!(failure(&document)["cause"], "timeout", "{document:#}");
    let process = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    until("the command to end", || (!is_alive(process)).then_some(()));
}

#[test]
fn what_does_not_stop_when_told_to_is_killed() {
    let coordinator = coordinator();
    let file = coordinator.directory().join("process");
    let once = json!({"max_attempts": 1});
    let stubborn =
        json!({"@type": "stubborn", "file": file.to_str().unwrap(), "@runtime_limit": "2s", "@retry": once});
    let obedient = json!({"@type": "obedient", "@runtime_limit": "2s", "@retry": once});
    let spec = json!({"@type": "mazepa.concurrent_flow", "stages": [stubborn, obedient]});
    let begun = Instant::now();
    let document = execute(&coordinator, &spec, &["--on-failure", "continue"], 1);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    let process = fs::read_to_string(file).unwrap().parse().unwrap();
    assert!(!is_alive(process), "process {process}");
    let failures = document["failures"].as_array().unwrap();
    assert!(failures.iter().all(|failure| failure["cause"] == "timeout"), "{document:#}");
    let text = document["failures"].to_string();
    assert!(text.contains("stopped when told to") && text.contains("signal 9"), "{text}");
}

#[test]
fn no_process_outlives_its_worker() {
    let coordinator = coordinator();
    let file = coordinator.directory().join("process");
    let spec = json!({"@type": "stubborn", "file": file.to_str().unwrap()});
    let spec = coordinator.file("spec.json", &spec.to_string());
    let mut running = coordinator.start(&["execute", &spec, "--quiet"]);
    let process = until("the task to run", || fs::read_to_string(&file).ok()?.parse().ok());
    assert!(is_alive(process));
    running.kill();
    until("its process to end", || (!is_alive(process)).then_some(()));
}

#[test]
fn a_flood_of_output_is_thinned_and_holds_up_nobody() {
    let coordinator = coordinator();
    // Some 1.05 GB.
    const LINES: u64 = 12_000_000;
    let spec = json!({"@type": "flood", "lines": LINES});
    let (document, most) = execute_and_weigh(&coordinator, &spec);
    assert_eq!(document["result"], LINES);
    assert!(most < MOST_WEIGHT, "{most} KiB");
}

/// Most memory that a coordinator with a worker may take for whatever a task writes, in KiB.
const MOST_WEIGHT: u64 = 150 * 1024;

/// Runs a spec to its end; what it printed, and the most memory that it took, in KiB.
#[track_caller]
fn execute_and_weigh(coordinator: &Coordinator, spec: &Json) -> (Json, u64) {
    let spec = coordinator.file("spec.json", &spec.to_string());
    let mut running = coordinator.start(&["execute", &spec, "--json", "--quiet"]);
    let status = format!("/proc/{}/status", running.pid().as_raw_nonzero());
    let mut most = 0;
    until_within(Duration::from_secs(240), "the flood to end", || {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        most = most.max(line.and_then(|number| number.trim().parse().ok()).unwrap_or(0));
        running.has_ended().then_some(())
    });
    assert!(most > 0, "it was weighed");
    (running.wait().expect(0).json(), most)
}

#[test]
fn a_gigabyte_from_a_command_is_kept_whole_and_takes_no_memory() {
    let coordinator = coordinator();
    let line = "x".repeat(99);
    let argv = json!(["sh", "-c", format!("yes {line} | head -c 1000000000")]);
    let (document, most) = execute_and_weigh(&coordinator, &json!({"@type": "command", "argv": argv}));
    let file = &document["result"]["stdout_file"];
    assert_eq!(file["bytes"], 1_000_000_000_u64, "{file}");
    let url = file["url"].as_str().unwrap();
    assert_eq!(fs::metadata(url.strip_prefix("file://").unwrap_or(url)).unwrap().len(), 1_000_000_000);
    assert!(most < MOST_WEIGHT, "{most} KiB");
}

#[test]
fn nothing_is_left_of_fork_bombs() {
    let coordinator = coordinator();
    // Each process starts two more, nine times over.
    let bomb =
        "bomb() { [ $1 -lt 9 ] || exec sleep 600; bomb $(($1 + 1)) & bomb $(($1 + 1)) & wait; }; bomb 0";
    let mark = format!("bomb-{}", std::process::id());
    let task = |isolation: &str| {
        json!({"@type": "command", "argv": ["sh", "-c", bomb], "env": {"BOMB": mark}, "@isolation": isolation,
            "@runtime_limit": "6s", "@retry": {"max_attempts": 1}, "@key": isolation})
    };
    let others = numbers(20, &json!({"@type": "whoami", "number": "{item}"}));
    let spec = json!({"@type": "mazepa.concurrent_flow", "stages": [task("none"), task("process"), others]});
    let spec = coordinator.file("spec.json", &spec.to_string());
    let running = coordinator.start(&[
        "execute",
        &spec,
        "--json",
        "--quiet",
        "--on-failure",
        "continue",
        "--workers",
        "3",
    ]);
    until("the bombs to go off", || (marked(&mark) > 200).then_some(()));
    let document = running.wait().expect(1).json();
    assert_eq!((&document["tasks"]["succeeded"], &document["tasks"]["failed"]), (&json!(20), &json!(2)));
    for failure in document["failures"].as_array().unwrap() {
        assert_eq!(failure["cause"], "timeout", "{failure:#}");
    }
    until("all of them to be gone", || (marked(&mark) == 0).then_some(()));
}

/// How many live processes have this in their environment.
fn marked(mark: &str) -> usize {
    let variable = format!("BOMB={mark}");
    let has_it = |entry: &fs::DirEntry| {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|found| found == variable.as_bytes())
    };
    fs::read_dir("/proc").unwrap().flatten().filter(has_it).count()
}

#[test]
fn a_command_that_heeds_no_signal_is_killed_with_its_group() {
    let coordinator = coordinator();
    let file = coordinator.directory().join("processes");
    let stubborn =
        "trap '' TERM; echo $$ >> {}; while :; do sleep 1; done".replace("{}", file.to_str().unwrap());
    let script = format!("({stubborn}) & {stubborn}");
    let spec = json!({"@type": "command", "argv": ["sh", "-c", script], "@runtime_limit": "2s",
        "@retry": {"max_attempts": 1}});
    let begun = Instant::now();
    let document = execute(&coordinator, &spec, &[], 1);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!((&failure(&document)["cause"], &failure(&document)["signal"]), (&json!("timeout"), &json!(9)));
    let processes = fs::read_to_string(file).unwrap();
    for process in processes.lines() {
        until("it to end", || (!is_alive(process.parse().unwrap())).then_some(()));
    }
}

#[test]
fn a_command_hears_once_that_it_is_to_end_and_has_its_time() {
    let coordinator = coordinator();
    for isolation in ["none", "process"] {
        let file = coordinator.directory().join(isolation);
        let script = format!("trap 'echo heard >> {}' TERM; while :; do sleep 0.1; done", file.display());
        let spec = json!({"@type": "command", "argv": ["sh", "-c", script], "@isolation": isolation,
            "@runtime_limit": "2s", "@retry": {"max_attempts": 1}});
        let begun = Instant::now();
        let document = execute(&coordinator, &spec, &[], 1);
        assert!(begun.elapsed() > Duration::from_secs(5), "{isolation}: {:?}", begun.elapsed());
        assert_eq!(failure(&document)["cause"], "timeout", "{document:#}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "heard\n", "{isolation}");
    }
}

#[test]
fn files_are_put_aside_by_the_worker() {
    let coordinator = coordinator();
    let document = execute(&coordinator, &json!({"@type": "keep", "text": "kept well"}), &[], 0);
    let url = document["result"].as_str().unwrap();
    let path = url.strip_prefix("file://").unwrap_or(url);
    assert_eq!(fs::read_to_string(Path::new(path)).unwrap(), "kept well", "{url}");
}

#[test]
fn a_task_goes_on_from_its_saved_progress() {
    let coordinator = coordinator();
    let document = execute(&coordinator, &json!({"@type": "count", "to": 10, "dies_each": 3}), &[], 0);
    // Each attempt began where the one before it was when it died.
    assert_eq!(document["result"], json!([3, 6, 9, 10]), "{document:#}");
    assert_eq!(document["tasks"]["retried"], 3, "{document:#}");
}

#[test]
fn progress_is_forgotten_once_the_task_has_ended() {
    let coordinator = coordinator();
    let directory = coordinator.directory().to_owned();
    let saved = || walk(&directory).into_iter().filter(|path| path.is_file() && is_progress(path)).count();
    // It is saved before the second attempt waits.
    let spec = json!({"@type": "count", "to": 4, "dies_each": 3, "waits_for": directory.join("go").to_str().unwrap()});
    let path = coordinator.file("spec.json", &spec.to_string());
    let running = coordinator.start(&["execute", &path, "--quiet", "--json"]);
    until("progress to be saved", || (saved() == 1).then_some(()));
    fs::write(directory.join("go"), "").unwrap();
    assert_eq!(running.wait().expect(0).json()["result"], json!([3, 4]));
    assert_eq!(saved(), 0);
}

fn is_progress(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "progress")
}

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![directory.to_owned()];
    let mut next = 0;
    while next < found.len() {
        if let Ok(entries) = fs::read_dir(&found[next]) {
            found.extend(entries.flatten().map(|entry| entry.path()));
        }
        next += 1;
    }
    found
}

#[test]
fn a_file_is_committed_whole() {
    let coordinator = coordinator();
    let file = coordinator.directory().join("out.txt");
    let now = coordinator.directory().to_str().unwrap().to_owned();
    let write =
        json!({"@type": "write", "file": file.to_str().unwrap(), "text": "all of it", "once_there": now});
    execute(&coordinator, &write, &[], 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "all of it of attempt 1");
    assert!(!coordinator.directory().join("out.txt.1").exists(), "it was renamed");
}

#[test]
fn tasks_with_threads_of_their_own_hold_up_nobody() {
    let coordinator = coordinator();
    let directory = coordinator.directory().join("begun");
    fs::create_dir(&directory).unwrap();
    // More than there are threads for those that share them.
    let count = 16;
    let together = json!({"@type": "together", "directory": directory.to_str().unwrap(), "number": "{item}", "count": count,
        "@isolation": "thread"});
    let document = execute(&coordinator, &numbers(count, &together), &["--workers", "16"], 0);
    assert_eq!(document["tasks"]["succeeded"], count, "{document:#}");
}
