//! Operations that harm the process they run in, for tests.
#![expect(clippy::print_stdout, reason = "printing is what operations do, too")]

use std::thread;
use std::time::{Duration, Instant};

use otaman::{Context, Result, operation};
use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{SignalKind, signal};

/// The number of the process that runs it.
#[operation(isolation = "process")]
fn whoami(#[serde(default)] number: u32) -> Result<u32> {
    let _ = number;
    Ok(std::process::id())
}

/// Says lines, on the log and on standard output, then does what a bug in foreign code may do.
#[operation(isolation = "process")]
fn crash(
    context: &Context,
    /// `abort`, `panic`, `segmentation fault`, or `exit` and a code.
    how: String,
) -> Result<()> {
    context.log("said to the log");
    println!("printed before the end");
    match how.split_once(' ') {
        Some(("exit", code)) => std::process::exit(code.parse()?),
        // A handler that is there from the start takes the first for what it is not.
        Some(_) => loop {
            kill_process(getpid(), Signal::SEGV)?;
        },
        None if how == "panic" => panic!("as it was asked to"),
        None => std::process::abort(),
    }
}

/// Takes memory and holds it.
#[operation]
fn hoard(mebibytes: usize, #[serde(default)] seconds: u64) -> Result<usize> {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    for _ in 0..mebibytes {
        hoard.push(vec![1; 1024 * 1024]);
    }
    thread::sleep(Duration::from_secs(seconds));
    Ok(hoard.iter().map(Vec::len).sum())
}

/// Leaves memory behind that nobody gives back.
#[operation(isolation = "process")]
fn leak(mebibytes: usize) -> Result<usize> {
    let leaked = Box::leak(vec![1_u8; mebibytes * 1024 * 1024].into_boxed_slice());
    Ok(leaked.len())
}

/// Goes on for a minute whatever it is told; its process heeds no SIGTERM.
#[operation(isolation = "process")]
async fn stubborn(
    /// Where it writes the number of its process.
    file: String,
) -> Result<()> {
    let _heard = signal(SignalKind::terminate())?;
    std::fs::write(file, std::process::id().to_string())?;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Waits until it is told to stop, and says so.
#[operation(isolation = "process")]
async fn obedient(context: &Context) -> Result<()> {
    context.cancelled().await;
    Err(otaman::Error::permanent("stopped when told to"))
}

/// Writes many lines to standard output.
#[operation(isolation = "process")]
fn flood(lines: u64) -> Result<u64> {
    for line in 0..lines {
        println!("line {line} of a flood that nobody can read as fast as it is written, on and on and on");
    }
    Ok(lines)
}

/// Puts a file aside.
#[operation(isolation = "process")]
async fn keep(context: &Context, text: String) -> Result<String> {
    let path = std::env::temp_dir().join(format!("kept-{}", std::process::id()));
    std::fs::write(&path, text)?;
    context.keep(&path).await
}

/// Counts to a number, saving how far it is, and dies on the way as often as it is told to.
#[operation(isolation = "process", retry(max_losses = 100))]
async fn count(
    context: &Context,
    to: u64,
    dies_each: u64,
    /// A file, without which no later attempt goes on.
    waits_for: Option<String>,
) -> Result<Vec<u64>> {
    let mut begun_at: Vec<u64> = context.saved_progress().await?.unwrap_or_default();
    let from = begun_at.last().copied().unwrap_or(0);
    while waits_for.as_ref().is_some_and(|file| from > 0 && !std::path::Path::new(file).exists()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    begun_at.push(from);
    for number in from + 1..=to {
        if let Some(last) = begun_at.last_mut() {
            *last = number;
        }
        context.save_progress(&begun_at).await?;
        if number % dies_each == 0 && number < to {
            std::process::abort();
        }
    }
    Ok(begun_at)
}

/// Writes a file beside its place, waits until another file is there, and puts it in its place.
#[operation]
async fn write(context: &Context, file: String, text: String, once_there: String) -> Result<()> {
    let staged = format!("{file}.{}", context.attempt());
    std::fs::write(&staged, format!("{text} of attempt {}", context.attempt()))?;
    while !std::path::Path::new(&once_there).exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    context.commit(staged, file).await
}

/// Holds up its thread without ever waiting, until as many have begun as there are to be.
#[operation]
async fn together(
    /// Where each leaves a file.
    directory: String,
    number: u32,
    count: usize,
) -> Result<()> {
    std::fs::write(format!("{directory}/{number}"), "")?;
    let begun = Instant::now();
    while std::fs::read_dir(&directory)?.count() < count {
        if begun.elapsed() > Duration::from_secs(20) {
            return Err(otaman::Error::permanent("the others did not begin"));
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Panics on a thread that it shares with others.
#[operation]
async fn panic_beside_others(number: u32) -> Result<()> {
    panic!("number {number} as it was asked to");
}

/// Panics on a thread of its own.
#[operation]
fn panic_on_its_thread(number: u32) -> Result<()> {
    panic!("number {number} as it was asked to");
}
