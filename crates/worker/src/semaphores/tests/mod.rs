//! Semaphores as processes share them; files of their own for each test.

mod cost;
mod killed;
mod order;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use otaman::Permit;
use otaman::driver::Semaphores as _;
use protocol::SemaphoreWidths;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::MachineSemaphores;

/// No wait of a test takes longer.
const DEADLINE: Duration = Duration::from_secs(60);

/// The semaphores as one process has them.
fn process(directory: &Path, widths: &[&str]) -> Arc<MachineSemaphores> {
    let widths = SemaphoreWidths::new(widths.iter().map(|text| text.parse().unwrap())).unwrap();
    Arc::new(MachineSemaphores::new(widths, Some(directory.to_owned())))
}

/// Takes a place, which must become free.
async fn take(semaphores: &MachineSemaphores, name: &str) -> Permit {
    let name = name.parse().unwrap();
    let taken = timeout(DEADLINE, semaphores.acquire(&name, 0)).await;
    taken.expect("a place becomes free").unwrap()
}

/// Has somebody wait for a place of `read`, behind all who wait so far.
async fn queue_up(directory: &Path, semaphores: &Arc<MachineSemaphores>) -> JoinHandle<Permit> {
    let before = tickets(directory);
    let semaphores = Arc::clone(semaphores);
    let waiting = tokio::spawn(async move { take(&semaphores, "read").await });
    until(|| tickets(directory) > before).await;
    waiting
}

/// How many have a ticket for `read`.
fn tickets(directory: &Path) -> usize {
    std::fs::read_dir(directory.join("read.semaphore/line")).map_or(0, Iterator::count)
}

async fn until(condition: impl Fn() -> bool) {
    let reached = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(DEADLINE, reached).await.expect("the condition is reached");
}
