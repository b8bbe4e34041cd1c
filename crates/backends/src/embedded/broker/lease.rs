//! Waiting for a task such that a dropped wait neither loses nor keeps one.

use tokio::sync::oneshot;

use super::board::{Answer, Wanted};
use super::handle::Broker;
use super::job::Job;

/// The next task of the wanted types; `None` once the broker is closed.
pub(super) async fn next_job(broker: &Broker, wanted: &Wanted) -> Option<Job> {
    let answer = broker.board().ask(wanted);
    match answer {
        Answer::Job(job) => Some(job),
        Answer::Closed => None,
        Answer::Wait { ticket, job } => Place { broker, ticket, job }.called().await,
    }
}

/// A place in the line. Dropped early it leaves the line, and a task that was handed over just
/// before goes back to the head of its queue.
struct Place<'a> {
    broker: &'a Broker,
    ticket: u64,
    job: oneshot::Receiver<Job>,
}

impl Place<'_> {
    async fn called(mut self) -> Option<Job> {
        // An error means that the board was closed, which drops the sender.
        (&mut self.job).await.ok()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.job.is_terminated() {
            return;
        }
        self.job.close();
        match self.job.try_recv() {
            Ok(job) => self.broker.queue_first(vec![job]),
            Err(_) => self.broker.board().leave(self.ticket),
        }
    }
}
