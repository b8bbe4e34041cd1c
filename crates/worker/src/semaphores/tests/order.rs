//! Who is let in, and when.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::join_all;
use otaman::Cause;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_first_is_served_first_in_whatever_process() {
    for width in ["read=1", "read=3"] {
        let directory = tempfile::tempdir().unwrap();
        let processes: Vec<_> = (0..3).map(|_| process(directory.path(), &[width])).collect();
        let mut places = Vec::new();
        while let Some(place) = take(&processes[0], "read").now_or_never() {
            places.push(place);
        }
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for number in 0..30 {
            let waiter = queue_up(directory.path(), &processes[number * 7 % 3]).await;
            let order = Arc::clone(&order);
            // One place goes through all hands, so that they are let in one after the other.
            waiting.push(tokio::spawn(async move {
                let place = waiter.await.unwrap();
                order.lock().unwrap().push(number);
                drop(place);
            }));
        }
        places.pop();
        timeout(DEADLINE, join_all(waiting)).await.expect("all are let in");
        assert_eq!(*order.lock().unwrap(), Vec::from_iter(0..30), "{width}");
        // The last one let in was so just before its ticket went.
        until(|| tickets(directory.path()) == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_task_and_thread_of_a_process_counts() {
    const WIDTH: usize = 3;
    let directory = tempfile::tempdir().unwrap();
    let processes: Vec<_> = (0..2).map(|_| process(directory.path(), &["read=3"])).collect();
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let enter = |inside: &AtomicUsize, most: &AtomicUsize| {
        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::yield_now();
        inside.fetch_sub(1, Ordering::SeqCst);
    };
    let working = (0..16).map(|number| {
        let (inside, most) = (Arc::clone(&inside), Arc::clone(&most));
        let semaphores = Arc::clone(&processes[number % 2]);
        let times = async move {
            for _ in 0..25 {
                let place = take(&semaphores, "read").await;
                enter(&inside, &most);
                // Others run on this thread meanwhile, and find the place taken.
                tokio::task::yield_now().await;
                drop(place);
            }
        };
        if number < 8 {
            return tokio::spawn(times);
        }
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || runtime.block_on(times))
    });
    timeout(DEADLINE, join_all(working)).await.expect("all end").into_iter().for_each(Result::unwrap);
    assert!(most.load(Ordering::SeqCst) <= WIDTH, "{most:?}");
    let figures: Vec<_> = processes.iter().flat_map(|semaphores| semaphores.figures()).collect();
    assert_eq!(figures.iter().map(|figures| figures.acquisitions).sum::<u64>(), 16 * 25);
    assert!(figures.iter().all(|figures| (figures.waiting, figures.holding) == (0, 0)), "{figures:?}");
}

#[tokio::test]
async fn as_many_are_in_at_once_as_it_is_wide_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let processes: Vec<_> = (0..2).map(|_| process(directory.path(), &["read=3"])).collect();
    let mut places = Vec::new();
    for number in 0..3 {
        places.push(take(&processes[number % 2], "read").await);
    }
    let next = queue_up(directory.path(), &processes[0]).await;
    assert!(!next.is_finished());
    assert!(take(&processes[1], "write").now_or_never().is_some(), "another semaphore is another matter");
    places.pop();
    drop(next.await.unwrap());
}

#[tokio::test]
async fn who_no_longer_waits_holds_up_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let processes: Vec<_> = (0..2).map(|_| process(directory.path(), &[])).collect();
    let place = take(&processes[0], "read").await;
    let first = queue_up(directory.path(), &processes[0]).await;
    let second = queue_up(directory.path(), &processes[1]).await;
    first.abort();
    until(|| tickets(directory.path()) == 1).await;
    drop(place);
    drop(second.await.unwrap());
    let figures = processes[0].figures().remove(0);
    assert_eq!((figures.acquisitions, figures.waiting, figures.holding), (1, 0, 0));
    assert!(!figures.waited.is_zero(), "it did wait");
}

#[tokio::test]
async fn who_has_all_places_is_told_instead_of_waiting_for_itself() {
    let directory = tempfile::tempdir().unwrap();
    let semaphores = process(directory.path(), &["read=2"]);
    let (one, two) = ("cuda".parse().unwrap(), "read".parse().unwrap());
    let error = semaphores.acquire(&one, 1).await.unwrap_err();
    assert_eq!(error.cause(), Cause::Permanent);
    assert!(error.to_string().contains("the only place of semaphore cuda"), "{error}");
    drop(semaphores.acquire(&two, 1).await.unwrap());
}

#[tokio::test]
async fn an_unknown_semaphore_is_told_with_those_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let semaphores = process(directory.path(), &["disk=2"]);
    let error = semaphores.acquire(&"disc".parse().unwrap(), 0).await.unwrap_err();
    let wanted = "unknown semaphore disc; this worker has cpu, cuda, disk, read, tensorrt, write; \
                  give it a width with --semaphore disc=1";
    assert_eq!((error.cause(), error.to_string().as_str()), (Cause::Permanent, wanted));
    assert!(!directory.path().join("disc.semaphore").exists());
}

#[tokio::test]
async fn widths_are_agreed_on_when_a_worker_starts() {
    let directory = tempfile::tempdir().unwrap();
    let eight = process(directory.path(), &["read=8"]);
    eight.agree().await.unwrap();
    let error = process(directory.path(), &["read=4"]).agree().await.unwrap_err().to_string();
    assert!(error.contains("has width 8") && error.contains("width 4 here"), "{error}");
    // Who was told nothing goes by what there is.
    let other = process(directory.path(), &[]);
    other.agree().await.unwrap();
    drop(take(&other, "read").await);
    assert_eq!(other.figures()[0].width, 8);
}

#[tokio::test]
async fn removed_files_are_made_anew_and_those_who_wait_are_served() {
    let directory = tempfile::tempdir().unwrap();
    let semaphores = process(directory.path(), &[]);
    let place = take(&semaphores, "read").await;
    let waiting = queue_up(directory.path(), &semaphores).await;
    std::fs::remove_dir_all(directory.path()).unwrap();
    drop(place);
    let place = timeout(DEADLINE, waiting).await.expect("it is let in").unwrap();
    let other = process(directory.path(), &[]);
    let waiting = queue_up(directory.path(), &other).await;
    assert!(!waiting.is_finished(), "they have the same files again");
    drop(place);
    drop(timeout(DEADLINE, waiting).await.expect("it is let in").unwrap());
}
