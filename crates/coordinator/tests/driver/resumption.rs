//! Which tasks of an earlier run are run once more.

use coordinator::engine::{Conclusion, OnDead};
use coordinator::run::Anew;
use protocol::Value;

use super::world::{Running, task, until};

/// Of the first run: 0 and 1 succeeded, 2 and 3 are dead; 4 is new.
const KNOWN: [(u64, bool); 4] = [(0, true), (1, true), (2, false), (3, false)];

#[tokio::test]
async fn dead_tasks_are_revived_before_they_are_published_and_what_succeeded_is_reused() {
    let running = Running::start(&[5], &KNOWN, Anew::All, OnDead::Stop);
    until("the tasks", || running.broker.queued().len() == 3).await;
    assert_eq!(*running.broker.queued(), [task(2).id, task(3).id, task(4).id]);
    assert_eq!(*running.revived.lock().unwrap(), [task(2).id, task(3).id]);
    running.broker.end_all();
    let report = running.ended().await.unwrap();
    assert_eq!(report.conclusion, Conclusion::Succeeded(Value::null()));
    assert_eq!(report.tally.counts().reused, 2);
}

#[tokio::test]
async fn dead_tasks_that_are_not_asked_for_stay_dead() {
    let anew = Anew::Only([task(3).id].into_iter().collect());
    let running = Running::start(&[5], &KNOWN, anew, OnDead::Continue);
    until("the tasks", || running.broker.queued().len() == 2).await;
    assert_eq!(*running.broker.queued(), [task(3).id, task(4).id]);
    assert_eq!(*running.revived.lock().unwrap(), [task(3).id]);
    running.broker.end_all();
    let report = running.ended().await.unwrap();
    assert_eq!(report.conclusion, Conclusion::Failed);
    let counts = report.tally.counts();
    assert_eq!((counts.expanded, counts.succeeded, counts.failed), (5, 4, 1));
}
