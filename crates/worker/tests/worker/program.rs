//! The program without servers: what it refuses, and how it says so.

use std::process::{Command, Output};

fn worker(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker"));
    // What the developer has set must not count.
    for name in ["AMQP_URL", "REDIS_URL", "OTAMAN_LOG"] {
        command.env_remove(name);
    }
    command.args(arguments).envs(environment.iter().copied()).output().unwrap()
}

/// What it says on standard error when it refuses to start.
#[track_caller]
fn refusal(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = worker(arguments, environment);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
    said
}

const BROKER: (&str, &str) = ("AMQP_URL", "amqp://somebody:secret-word@localhost");

#[test]
fn without_servers_it_says_how_to_name_them() {
    let said = refusal(&[], &[]);
    assert!(said.contains("set AMQP_URL and REDIS_URL, or give --broker and --store"), "{said}");
    let said = refusal(&[], &[BROKER]);
    assert!(said.contains("--store (REDIS_URL)") && !said.contains("secret-word"), "{said}");
}

#[test]
fn a_wrong_url_in_the_environment_is_refused_without_its_password() {
    let said = refusal(&[], &[("REDIS_URL", "http://somebody:secret-word@localhost")]);
    assert!(said.contains("--store") && !said.contains("secret-word"), "{said}");
}

#[test]
fn a_semaphore_without_width_or_with_two_is_refused() {
    for (arguments, cure) in [
        (["--semaphore=cuda=0", "--quiet"], "give it at least 1"),
        (["--semaphore=cuda=1", "--semaphore=cuda=2"], "semaphore cuda is given twice; give each one width"),
    ] {
        let said = refusal(&arguments, &[BROKER, ("REDIS_URL", "redis://localhost")]);
        assert!(said.contains(cure), "{said}");
    }
}

#[test]
fn a_wrong_filter_for_logs_is_refused() {
    let said = refusal(&[], &[("OTAMAN_LOG", "a=b=c")]);
    assert!(said.starts_with("error: OTAMAN_LOG is not a filter for logs; write for example"), "{said}");
    assert_eq!(said.matches("error parsing").count(), 1, "{said}");
}

#[test]
fn help_tells_the_exit_codes_and_listing_needs_no_servers() {
    let help = String::from_utf8(worker(&["--help"], &[]).stdout).unwrap();
    assert!(help.contains("Exit codes: 0 ended as asked"), "{help}");
    let operations = worker(&["operations", "--json"], &[]);
    let operations: serde_json::Value = serde_json::from_slice(&operations.stdout).unwrap();
    assert!(operations.as_array().unwrap().iter().any(|operation| operation["name"] == "echo"));
}
