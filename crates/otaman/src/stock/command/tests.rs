//! Commands with real processes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use protocol::{Cause, ExitCodes, RetryPolicy, Value};
use rustix::process::{Pid, test_kill_process};

use super::memory::OomKills;
use super::{Command, Finished};
use crate::error::Error;
use crate::operation::Operation;
use crate::stock::testing::Recorder;

/// No wait of a test takes longer.
const DEADLINE: Duration = Duration::from_secs(30);

fn command(argv: &[&str]) -> Command {
    let argv = argv.iter().map(|&argument| argument.to_owned()).collect();
    Command { argv, env: BTreeMap::new(), cwd: None, stdin: None }
}

fn shell(script: &str) -> Command {
    command(&["sh", "-c", script])
}

async fn run(command: Command) -> Result<Finished, Error> {
    command.run(Recorder::default().context()).await
}

/// Waits until a condition holds.
#[track_caller]
fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_alive(pid: &str) -> bool {
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    // A zombie is dead, but can be signalled until somebody reaps it.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    let is_zombie = stat.is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')));
    !is_zombie && test_kill_process(pid).is_ok()
}

#[tokio::test]
async fn output_and_unicode_arguments_pass_through() {
    let finished =
        run(command(&["sh", "-c", "printf '%s' \"$1\"; echo warning >&2", "sh", "žluťoučký 🐎"])).await;
    let expected = Finished {
        exit_code: 0,
        stdout: "žluťoučký 🐎".to_owned(),
        stderr: "warning\n".to_owned(),
        stdout_file: None,
        stderr_file: None,
    };
    assert_eq!(finished.unwrap(), expected);
}

#[tokio::test]
async fn output_that_is_not_utf8_is_shown_as_well_as_can_be() {
    assert_eq!(run(shell(r"printf 'a\377b'")).await.unwrap().stdout, "a\u{fffd}b");
}

#[tokio::test]
async fn the_value_has_three_fields_unless_output_is_large() {
    let value = Value::encode(&run(shell("echo out")).await.unwrap()).unwrap().to_json().unwrap();
    assert_eq!(value, serde_json::json!({"exit_code": 0, "stdout": "out\n", "stderr": ""}));
}

#[tokio::test]
async fn exit_codes_decide_about_another_attempt() {
    for (code, cause) in [(1, Cause::Permanent), (3, Cause::Permanent), (75, Cause::Transient)] {
        let error = run(shell(&format!("echo no luck >&2; exit {code}"))).await.unwrap_err();
        assert_eq!(error.cause(), cause, "{code}");
        assert_eq!(error.failure().exit_code, Some(code));
        assert_eq!(error.failure().tail, "no luck\n");
        assert_eq!(error.to_string(), format!("command \"sh\" exited with code {code}"));
    }
}

#[tokio::test]
async fn the_retry_policy_may_name_more_transient_codes() {
    for (codes, cause) in [
        (ExitCodes::Only(vec![3]), Cause::Transient),
        (ExitCodes::All, Cause::Transient),
        (ExitCodes::default(), Cause::Permanent),
    ] {
        let retry = RetryPolicy { transient_exit_codes: codes, ..RetryPolicy::default() };
        let recorder = Recorder::with_retry(retry);
        assert_eq!(shell("exit 3").run(recorder.context()).await.unwrap_err().cause(), cause);
    }
}

#[tokio::test]
async fn the_tail_is_standard_output_if_standard_error_is_empty() {
    let error = run(shell("echo only this; exit 1")).await.unwrap_err();
    assert_eq!(error.failure().tail, "only this\n");
}

#[tokio::test]
async fn a_signal_is_evidence() {
    for (signal, cause) in [("SEGV", Cause::Permanent), ("KILL", Cause::Transient)] {
        let error = run(shell(&format!("kill -{signal} $$"))).await.unwrap_err();
        assert_eq!(error.cause(), cause, "{signal}");
        assert!(error.failure().signal.is_some() && error.failure().exit_code.is_none());
        assert!(error.to_string().contains(&format!("(SIG{signal})")), "{error}");
    }
}

#[tokio::test]
async fn killed_for_want_of_memory_is_not_killed_by_somebody() {
    let directory = tempfile::tempdir().unwrap();
    let events = directory.path().join("memory.events");
    let rise = format!("echo 'oom_kill 8' > {}", events.display());
    for (script, cause) in [
        (format!("{rise}; kill -KILL $$"), Cause::OutOfMemory),
        (format!("{rise}; exit 137"), Cause::OutOfMemory),
        (format!("{rise}; exit 1"), Cause::Permanent),
        (format!("{rise}; kill -TERM $$"), Cause::Transient),
        ("kill -KILL $$".to_owned(), Cause::Transient),
        ("exit 137".to_owned(), Cause::Transient),
    ] {
        std::fs::write(&events, "oom_kill 7\n").unwrap();
        let kills = OomKills::of(Some(events.clone()));
        let error = shell(&script).run_watching(Recorder::default().context(), kills).await.unwrap_err();
        assert_eq!(error.cause(), cause, "{script}");
        let is_told = error.to_string().contains("killed for want of memory");
        assert_eq!(is_told, cause == Cause::OutOfMemory, "{error}");
    }
}

#[tokio::test]
async fn the_last_line_of_a_command_may_tell_its_cause() {
    for (script, cause) in [
        ("echo 'RuntimeError: CUDA error: no luck' >&2; exit 1", Cause::Transient),
        ("echo 'MemoryError' >&2; exit 1", Cause::OutOfMemory),
        ("echo 'CUDA error: got over it'; echo 'ValueError' ; exit 1", Cause::Permanent),
    ] {
        assert_eq!(run(shell(script)).await.unwrap_err().cause(), cause, "{script}");
    }
}

#[tokio::test]
async fn stdin_env_and_cwd_reach_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().canonicalize().unwrap();
    let mut command =
        shell("cat; echo \"$GREETING\"; pwd -P; echo $OTAMAN_EXECUTION $OTAMAN_TASK $OTAMAN_ATTEMPT");
    command.stdin = Some("fed\n".to_owned());
    command.env.insert("GREETING".to_owned(), "héllo".to_owned());
    command.cwd = Some(directory.to_str().unwrap().to_owned());
    let recorder = Recorder::default();
    let task = recorder.context().task();
    let finished = command.run(recorder.context()).await.unwrap();
    let expected = format!("fed\nhéllo\n{}\nexecution-1 {task} 2\n", directory.display());
    assert_eq!(finished.stdout, expected);
}

#[tokio::test]
async fn a_program_need_not_read_its_standard_input() {
    let mut command = shell("exec 0<&-; echo done");
    command.stdin = Some("x".repeat(1_000_000));
    assert_eq!(run(command).await.unwrap().stdout, "done\n");
}

#[tokio::test]
async fn without_stdin_there_is_nothing_to_read() {
    assert_eq!(run(command(&["cat"])).await.unwrap().stdout, "");
}

#[tokio::test]
async fn a_flood_goes_to_a_file_and_costs_no_memory() {
    const BYTES: u64 = 50_000_000;
    let recorder = Recorder::default();
    let before = resident();
    let finished =
        shell(&format!("yes žluť | head -c {BYTES}; echo small >&2")).run(recorder.context()).await.unwrap();
    assert!(resident() < before + 20_000_000, "{before} to {}", resident());
    let kept = finished.stdout_file.unwrap();
    assert_eq!(kept.bytes, BYTES);
    assert_eq!(std::fs::metadata(&kept.url).unwrap().len(), BYTES);
    let whole = std::fs::read(&kept.url).unwrap();
    assert!(
        whole.starts_with(finished.stdout.as_bytes()),
        "the inline text is the beginning, cut between characters"
    );
    assert!((65_533..=65_536).contains(&finished.stdout.len()));
    assert_eq!((finished.stderr.as_str(), finished.stderr_file), ("small\n", None));
}

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn both_streams_are_logged_line_by_line() {
    let recorder = Recorder::default();
    shell("echo one; echo two").run(recorder.context()).await.unwrap();
    assert_eq!(recorder.lines(), ["one", "two"]);
}

/// Starts a command that tells its processes' ids in a file, and waits until it has.
async fn started(
    script: &str,
    recorder: &Recorder,
) -> (tokio::task::JoinHandle<Result<Finished, Error>>, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let told = directory.path().join("pids");
    let mut command =
        shell(&format!("{script}\necho $$ $! > \"$TOLD.part\"; mv \"$TOLD.part\" \"$TOLD\"; wait; wait"));
    command.env.insert("TOLD".to_owned(), told.to_str().unwrap().to_owned());
    let running = tokio::spawn(command.run(recorder.context()));
    let pids = tokio::task::spawn_blocking(move || {
        eventually("the processes have started", || Path::new(&told).exists());
        std::fs::read_to_string(told).unwrap().split_whitespace().map(str::to_owned).collect()
    });
    (running, pids.await.unwrap())
}

#[tokio::test]
async fn cancelling_ends_the_whole_group_at_once() {
    let recorder = Recorder::default();
    let (running, pids) = started("echo begun >&2; sleep 1000 & sleep 1000 &", &recorder).await;
    let start = Instant::now();
    recorder.cancellation.cancel();
    let error = running.await.unwrap().unwrap_err();
    // Not even for whoever inherits what has ended, to take note of it.
    assert!(start.elapsed() < Duration::from_secs(4), "nobody had to be killed: {:?}", start.elapsed());
    assert_eq!((error.failure().signal, &*error.failure().tail), (Some(15), "begun\n"));
    assert_eq!(error.to_string(), "command \"sh\" was told to stop and was ended by signal 15 (SIGTERM)");
    assert!(pids.iter().all(|pid| !is_alive(pid)), "{pids:?}");
}

#[tokio::test]
async fn a_program_that_ignores_sigterm_is_killed() {
    let recorder = Recorder::default();
    let (running, pids) = started("trap '' TERM; sleep 1000 &", &recorder).await;
    let start = Instant::now();
    recorder.cancellation.cancel();
    let error = tokio::time::timeout(DEADLINE, running).await.unwrap().unwrap().unwrap_err();
    assert!(start.elapsed() >= Duration::from_secs(5), "it had its grace");
    assert_eq!(error.failure().signal, Some(9));
    eventually("all are dead", || pids.iter().all(|pid| !is_alive(pid)));
}

#[tokio::test]
async fn a_child_that_ignores_sigterm_is_killed_though_its_parent_has_gone() {
    let recorder = Recorder::default();
    let (running, pids) = started("(trap '' TERM; sleep 1000; sleep 1000) & sleep 0", &recorder).await;
    recorder.cancellation.cancel();
    tokio::time::timeout(DEADLINE, running).await.unwrap().unwrap().unwrap_err();
    eventually("all are dead", || pids.iter().all(|pid| !is_alive(pid)));
}

#[tokio::test]
async fn dropping_the_future_kills_the_whole_group() {
    let recorder = Recorder::default();
    let (running, pids) = started("trap '' TERM; sleep 1000 &", &recorder).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    eventually("all are dead", || pids.iter().all(|pid| !is_alive(pid)));
}

#[tokio::test]
async fn something_left_in_the_background_holds_up_nobody() {
    let start = Instant::now();
    let finished = run(shell("sleep 1000 & echo $!")).await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(is_alive(&finished.stdout), "it was left on purpose");
    let pid = Pid::from_raw(finished.stdout.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_program_that_cannot_start_says_why_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        let file = directory.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let plain = write("plain", "text", 0o644);
    let orphan = write("orphan", "#!/no/such/interpreter\n", 0o755);
    let missing = directory.path().join("missing").to_str().unwrap().to_owned();
    for (program, cure) in [
        ("no-such-program-anywhere", "install it there or give its full path"),
        (&*missing, "must exist under this path"),
        (&*plain, "chmod +x"),
        (&*orphan, "interpreter"),
        ("nul\0byte", "nul byte"),
    ] {
        let error = run(command(&[program])).await.unwrap_err();
        assert_eq!(error.cause(), Cause::Permanent, "{error}");
        assert!(
            error.to_string().contains(cure) && error.to_string().contains(&format!("{program:?}")),
            "{error}"
        );
    }
    for cwd in [&missing, &plain] {
        let mut command = shell("true");
        command.cwd = Some(cwd.clone());
        let error = run(command).await.unwrap_err();
        assert!(error.to_string().contains("change cwd") && error.to_string().contains(cwd), "{error}");
    }
}

#[test]
fn bad_arguments_are_refused_before_anything_runs() {
    for (arguments, problem) in [
        (serde_json::json!({"argv": []}), "must name a program"),
        (serde_json::json!({"argv": [""]}), "must name a program"),
        (serde_json::json!({"argv": ["a"], "env": {"A=B": "c"}}), "cannot be the name"),
        (serde_json::json!({"argv": ["a"], "shell": true}), "unknown field"),
        (serde_json::json!({"argv": "ls"}), "sequence"),
    ] {
        let error = serde_json::from_value::<Command>(arguments).unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
}
