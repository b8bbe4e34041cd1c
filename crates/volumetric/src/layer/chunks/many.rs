//! Does many pieces of work that wait for storage at once, and takes their results one at a time.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Does the work for each item, at most `concurrency` at once, and takes the results in the order in which they come,
/// on this thread. Stops at the first error.
pub(crate) fn for_each<I: Sync, T: Send, E: Send>(
    items: &[I],
    concurrency: usize,
    work: impl Fn(&I) -> Result<T, E> + Sync,
    mut take: impl FnMut(&I, T) -> Result<(), E>,
) -> Result<(), E> {
    let threads = concurrency.min(items.len());
    if threads <= 1 {
        return items.iter().try_for_each(|item| take(item, work(item)?));
    }
    let (next, stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        // As many results may wait as are being worked on.
        let (sender, receiver) = mpsc::sync_channel(threads);
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let (sender, next, stopped, work) = (sender.clone(), &next, &stopped, &work);
                scope.spawn(move || {
                    while !stopped.load(Ordering::Relaxed) {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(index) else { break };
                        if sender.send((index, work(item))).is_err() {
                            break;
                        }
                    }
                })
            })
            .collect();
        drop(sender);
        let result = receiver.iter().try_for_each(|(index, result)| take(&items[index], result?));
        stopped.store(true, Ordering::Relaxed);
        drop(receiver);
        for worker in workers {
            if let Err(panic) = worker.join() {
                resume_unwind(panic);
            }
        }
        result
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn all_work_is_done_at_once_and_its_results_taken_once() {
        let items: Vec<usize> = (0..12).collect();
        // Nobody passes unless four are at work.
        let barrier = Barrier::new(4);
        let work = |item: &usize| {
            barrier.wait();
            Ok::<_, ()>(item * 2)
        };
        let mut taken = Vec::new();
        for_each(&items, 4, work, |item, twice| {
            assert_eq!(item * 2, twice);
            taken.push(*item);
            Ok(())
        })
        .unwrap();
        taken.sort_unstable();
        assert_eq!(taken, items);
    }

    #[test]
    fn the_first_error_ends_it() {
        let items: Vec<usize> = (0..1000).collect();
        for concurrency in [1, 8] {
            let done = AtomicUsize::new(0);
            let work = |item: &usize| {
                done.fetch_add(1, Ordering::Relaxed);
                if *item == 5 { Err("five") } else { Ok(()) }
            };
            assert_eq!(for_each(&items, concurrency, work, |_, ()| Ok(())), Err("five"));
            assert!(done.into_inner() < 1000);
        }
    }
}
