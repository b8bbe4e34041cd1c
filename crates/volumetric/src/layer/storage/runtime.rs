//! The thread on which all talk with object stores happens, so that whoever waits may block.

use std::future::Future;
use std::io;
use std::sync::{Mutex, PoisonError, mpsc};

use tokio::runtime::{Builder, Handle, Runtime};

/// Runs a future to its end on the storage thread while the caller blocks. The caller may be anywhere, also inside of
/// another runtime.
pub(super) fn wait<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> io::Result<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    handle()?.spawn(async move {
        // Nobody waits any more only if the waiting thread has died.
        sender.send(future.await).ok();
    });
    receiver.recv().map_err(|_| io::Error::other("the storage thread has panicked"))
}

fn handle() -> io::Result<Handle> {
    // Held for a moment only, and never across an await.
    static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if runtime.is_none() {
        let mut builder = Builder::new_multi_thread();
        *runtime = Some(builder.worker_threads(1).thread_name("storage").enable_all().build()?);
    }
    Ok(runtime.as_ref().expect("it was just made").handle().clone())
}
