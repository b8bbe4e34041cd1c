//! What a semaphore costs.

use std::time::Instant;

use super::*;

const TIMES: u32 = 20_000;

/// Says a figure where a measurement is looked for.
fn tell(what: &str, figure: std::fmt::Arguments<'_>) {
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).try_init().ok();
    tracing::info!("{what}: {figure}");
}

#[tokio::test]
#[ignore = "a measurement, of use only with --release and on an idle machine"]
async fn of_a_free_place() {
    let directory = tempfile::tempdir().unwrap();
    let semaphores = process(directory.path(), &["read=8"]);
    let name = "read".parse().unwrap();
    drop(semaphores.acquire(&name, 0).await.unwrap());
    let started = Instant::now();
    for _ in 0..TIMES {
        drop(semaphores.acquire(&name, 0).await.unwrap());
    }
    tell("acquire and release", format_args!("{:?}", started.elapsed() / TIMES));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, of use only with --release and on an idle machine"]
async fn of_a_place_that_goes_from_hand_to_hand() {
    let directory = tempfile::tempdir().unwrap();
    for processes in [1, 2] {
        let processes: Vec<_> = (0..processes).map(|_| process(directory.path(), &["read=1"])).collect();
        let started = Instant::now();
        let passing = (0..4).map(|number| {
            let semaphores = Arc::clone(&processes[number % processes.len()]);
            tokio::spawn(async move {
                for _ in 0..TIMES / 10 {
                    drop(take(&semaphores, "read").await);
                }
            })
        });
        futures::future::join_all(passing).await;
        let each = started.elapsed() / (TIMES / 10 * 4);
        tell("handed on", format_args!("{each:?} each, 4 tasks in {} processes", processes.len()));
    }
}

#[tokio::test]
#[ignore = "a measurement, of use only with --release and on an idle machine"]
async fn of_waiting() {
    let directory = tempfile::tempdir().unwrap();
    let processes: Vec<_> = (0..2).map(|_| process(directory.path(), &["read=8"])).collect();
    let mut places = Vec::new();
    for _ in 0..8 {
        places.push(take(&processes[0], "read").await);
    }
    let mut waiting = Vec::new();
    for _ in 0..100 {
        waiting.push(queue_up(directory.path(), &processes[1]).await);
    }
    let used = ticks();
    tokio::time::sleep(Duration::from_secs(10)).await;
    tell("processor time of 100 who wait 10 s", format_args!("{} ms", (ticks() - used) * 10));
}

/// Processor time of this process, in hundredths of a second.
fn ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
