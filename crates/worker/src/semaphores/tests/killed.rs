//! Processes that are killed while they hold a place or wait for one.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rand::RngExt;

use super::*;

/// Where the semaphores and the journal are; set for the processes that are killed.
const PLACE: &str = "WORKER_TEST_SEMAPHORES";
/// How many of a process's tasks contend for places.
const TASKS: &str = "WORKER_TEST_TASKS";
/// Longest that a place is held, in milliseconds.
const HOLD: &str = "WORKER_TEST_HOLD_MS";
const WIDTH: usize = 3;
const FOR_EVER: u64 = 3_600_000;

/// What happens, in order: lines are appended whole.
struct Journal(File);

impl Journal {
    fn open(place: &Path) -> Self {
        Self(OpenOptions::new().append(true).create(true).open(place.join("journal")).unwrap())
    }

    fn write(&self, what: &str, pid: u32, task: u32) {
        // A line of 32 bytes lies in one page: a kill would cut it where the next page begins.
        let line = format!("{what} {pid} {task}");
        (&self.0).write_all(format!("{line:<31}\n").as_bytes()).unwrap();
    }

    fn read(place: &Path) -> Vec<(String, u32, u32)> {
        let text = fs::read_to_string(place.join("journal")).unwrap_or_default();
        let line = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words[0].to_owned(), words[1].parse().unwrap(), words[2].parse().unwrap())
        };
        text.lines().map(line).collect()
    }
}

fn set<T: std::str::FromStr<Err: std::fmt::Debug>>(name: &str) -> T {
    std::env::var(name).expect("it is started by a test below").parse().unwrap()
}

/// Not a test of its own: the process that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the tests below"]
async fn contends_until_killed() {
    let place: PathBuf = set(PLACE);
    let (tasks, hold): (u32, u64) = (set(TASKS), set(HOLD));
    let semaphores = process(&place, &["read=3"]);
    let contend = |task| {
        let (semaphores, journal) = (Arc::clone(&semaphores), Journal::open(&place));
        async move {
            loop {
                let permit = semaphores.acquire(&"read".parse().unwrap(), 0).await.unwrap();
                journal.write("in", std::process::id(), task);
                let time = if hold == FOR_EVER { hold } else { rand::rng().random_range(0..hold) };
                tokio::time::sleep(Duration::from_millis(time)).await;
                journal.write("out", std::process::id(), task);
                drop(permit);
            }
        }
    };
    futures::future::join_all((0..tasks).map(|task| tokio::spawn(contend(task)))).await;
}

/// A process that contends for places; killed when dropped.
struct Contender(Child);

impl Contender {
    fn start(place: &Path, tasks: u32, hold: u64) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "semaphores::tests::killed::contends_until_killed", "--ignored"]);
        command.env(PLACE, place).env(TASKS, tasks.to_string()).env(HOLD, hold.to_string());
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Kills it, as the journal says from that moment on.
fn kill(contender: Contender, journal: &Journal) {
    journal.write("kill", contender.0.id(), 0);
}

/// What a journal of contenders comes to.
#[derive(Debug, Default)]
struct Told {
    most_inside: usize,
    killed_holders: usize,
    killed_waiters: usize,
}

impl Told {
    fn of(journal: &[(String, u32, u32)]) -> Self {
        let mut told = Self::default();
        let mut inside: BTreeMap<(u32, u32), ()> = BTreeMap::new();
        let mut killed = Vec::new();
        for (what, pid, task) in journal {
            match what.as_str() {
                // What it still does before it is gone does not count.
                _ if killed.contains(pid) => {}
                "in" => assert!(inside.insert((*pid, *task), ()).is_none()),
                "out" => assert!(inside.remove(&(*pid, *task)).is_some()),
                _ => {
                    let held = inside.keys().filter(|(holder, _)| holder == pid).count();
                    inside.retain(|(holder, _), ()| holder != pid);
                    told.killed_holders += usize::from(held > 0);
                    told.killed_waiters += usize::from(held == 0);
                    killed.push(*pid);
                }
            }
            told.most_inside = told.most_inside.max(inside.len());
        }
        told
    }
}

#[tokio::test]
async fn two_hundred_killed_holders_and_waiters_lose_no_place_and_let_nobody_in_besides() {
    const KILLS: usize = 200;
    const PROCESSES: usize = 6;
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    let journal = Journal::open(path);
    let start = || Contender::start(path, 2, 8);
    let mut contenders: Vec<Contender> = (0..PROCESSES).map(|_| start()).collect();
    let entered = || Journal::read(path).iter().filter(|(what, ..)| what == "in").count();
    let mut seen = 0;
    for _ in 0..KILLS {
        until(|| entered() > seen + WIDTH).await;
        seen = entered();
        let chosen = rand::rng().random_range(0..PROCESSES);
        kill(std::mem::replace(&mut contenders[chosen], start()), &journal);
    }
    contenders.drain(..).for_each(|contender| kill(contender, &journal));
    let told = Told::of(&Journal::read(path));
    assert_eq!(told.most_inside, WIDTH, "all places are used, and no more");
    assert_eq!(told.killed_holders + told.killed_waiters, KILLS + PROCESSES);
    assert!(told.killed_holders >= 10 && told.killed_waiters >= 10, "{told:?}");
    let survivor = process(path, &["read=3"]);
    let mut places = futures::future::join_all((0..WIDTH).map(|_| take(&survivor, "read"))).await;
    let next = tokio::spawn(async move { take(&survivor, "read").await });
    until(|| tickets(path) == 1).await;
    places.pop();
    drop(next.await.unwrap());
    // Its own goes just after it is let in; those of the dead have been removed.
    until(|| tickets(path) == 0).await;
}

#[tokio::test]
async fn a_killed_holders_place_goes_to_the_first_who_waits() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    let holder = Contender::start(path, WIDTH as u32, FOR_EVER);
    until(|| Journal::read(path).len() == WIDTH).await;
    let semaphores = process(path, &["read=3"]);
    let waiting = queue_up(path, &semaphores).await;
    let killed = Instant::now();
    drop(holder);
    drop(waiting.await.unwrap());
    assert!(killed.elapsed() < Duration::from_secs(2), "{:?}", killed.elapsed());
}

#[tokio::test]
async fn a_killed_waiter_holds_up_nobody_behind_it() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path();
    let semaphores = process(path, &["read=3"]);
    let mut places = Vec::new();
    for _ in 0..WIDTH {
        places.push(take(&semaphores, "read").await);
    }
    let waiter = Contender::start(path, 2, FOR_EVER);
    until(|| tickets(path) == 2).await;
    let behind = queue_up(path, &semaphores).await;
    places.clear();
    until(|| Journal::read(path).len() == 2).await;
    drop(behind.await.unwrap());
    // Once more, killed before it was let in.
    drop(waiter);
    for _ in 0..WIDTH {
        places.push(take(&semaphores, "read").await);
    }
    let waiter = Contender::start(path, 2, FOR_EVER);
    until(|| tickets(path) == 2).await;
    let behind = queue_up(path, &semaphores).await;
    drop(waiter);
    places.pop();
    drop(behind.await.unwrap());
    assert_eq!(Journal::read(path).len(), 2, "the second was never let in");
}
