//! What was recorded stays, for one coordinator at a time.

use std::sync::Arc;

use protocol::{Counts, ExecutionRecord, Status, Value};

use super::behaviour::{Behaviour, behaviours};
use super::fixture::StoreFixture;
use super::making::{dead_entry, entry, fresh_execution, record, task};
use crate::store::{Checkpoint, Entry, Error, Store};

/// What a store remembers.
pub const RECORDS: &[Behaviour<dyn StoreFixture>] = behaviours![
    a_created_execution_starts_empty,
    an_execution_is_created_once,
    an_unknown_execution_is_reported,
    a_held_execution_is_busy,
    a_dropped_hold_frees_the_execution,
    outcomes_are_recalled_in_the_order_asked,
    of_several_outcomes_the_newest_counts,
    everything_of_an_outcome_is_recalled,
    recorded_outcomes_survive_reopening,
    each_resume_is_another_incarnation,
    outcomes_carry_the_incarnation_that_recorded_them,
    dead_tasks_are_listed_latest_first,
    a_task_that_succeeded_later_is_not_dead,
    a_task_that_died_again_is_listed_once,
    an_updated_record_survives_reopening,
    results_of_any_kind_survive,
    a_held_execution_can_be_viewed_with_its_progress,
    executions_are_listed_newest_first,
    executions_do_not_see_each_others_outcomes,
    a_hundred_thousand_outcomes_are_recalled,
    appending_nothing_is_fine,
    a_removed_execution_is_gone_and_its_name_free,
    a_held_execution_is_not_removed,
];

type Fixture = Arc<dyn StoreFixture>;

async fn created(fixture: &Fixture) -> (Arc<dyn Store>, ExecutionRecord, Arc<dyn Checkpoint>) {
    let store = fixture.open().await;
    let record = record(fresh_execution());
    let checkpoint = store.create(record.clone()).await.expect("it can be created");
    (store, record, checkpoint)
}

/// The results of tasks; `None` for those without a recorded value.
async fn results(checkpoint: &dyn Checkpoint, numbers: &[u32]) -> Vec<Option<String>> {
    let ids: Vec<_> = numbers.iter().map(|number| task(*number).id).collect();
    let recalled = checkpoint.recall(&ids).await.expect("it can be recalled");
    let result = |value: &Value| value.decode::<String>().expect("it is text");
    recalled.into_iter().map(|found| found.and_then(|found| found.outcome.value().map(result))).collect()
}

async fn append(checkpoint: &dyn Checkpoint, entries: Vec<Entry>) {
    checkpoint.append(entries).await.expect("it can be recorded");
}

async fn dead_tasks(store: &dyn Store, record: &ExecutionRecord) -> Vec<Entry> {
    store.view(&record.id).await.expect("it can be viewed").dead
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

async fn a_created_execution_starts_empty(fixture: Fixture) {
    let (_store, record, checkpoint) = created(&fixture).await;
    assert_eq!(checkpoint.record(), record);
    assert_eq!(results(&*checkpoint, &[1, 2]).await, [None, None]);
}

async fn an_execution_is_created_once(fixture: Fixture) {
    let (store, record, checkpoint) = created(&fixture).await;
    let held = store.create(record.clone()).await.err();
    assert!(matches!(held, Some(Error::Exists { .. })), "{held:?}");
    drop(checkpoint);
    let free = fixture.open().await.create(record).await.err();
    assert!(matches!(free, Some(Error::Exists { .. })), "{free:?}");
}

async fn an_unknown_execution_is_reported(fixture: Fixture) {
    let (store, id) = (fixture.open().await, fresh_execution());
    let resumed = store.resume(&id).await.err();
    assert!(matches!(&resumed, Some(Error::Unknown { id: named }) if *named == id), "{resumed:?}");
    let viewed = store.view(&id).await.err();
    assert!(matches!(&viewed, Some(Error::Unknown { id: named }) if *named == id), "{viewed:?}");
}

async fn a_held_execution_is_busy(fixture: Fixture) {
    let (store, record, checkpoint) = created(&fixture).await;
    for other in [store, fixture.open().await] {
        let refused = other.resume(&record.id).await.err();
        let Some(Error::Busy { id, owner }) = refused else { panic!("{refused:?}") };
        assert_eq!(id, record.id);
        assert!(owner.contains(&std::process::id().to_string()), "{owner}");
    }
    append(&*checkpoint, vec![entry(1, "still ours")]).await;
}

async fn a_dropped_hold_frees_the_execution(fixture: Fixture) {
    let (store, record, checkpoint) = created(&fixture).await;
    assert!(store.view(&record.id).await.expect("it can be viewed").owner.is_some());
    drop(checkpoint);
    assert_eq!(store.view(&record.id).await.expect("it can be viewed").owner, None);
    store.resume(&record.id).await.expect("nobody holds it");
}

async fn outcomes_are_recalled_in_the_order_asked(fixture: Fixture) {
    let (_store, _, checkpoint) = created(&fixture).await;
    append(&*checkpoint, vec![entry(1, "one"), entry(2, "two")]).await;
    append(&*checkpoint, vec![entry(3, "three")]).await;
    let recalled = results(&*checkpoint, &[3, 9, 1, 2, 3]).await;
    assert_eq!(recalled, [some("three"), None, some("one"), some("two"), some("three")]);
}

async fn of_several_outcomes_the_newest_counts(fixture: Fixture) {
    let (store, record, checkpoint) = created(&fixture).await;
    append(&*checkpoint, vec![entry(1, "first"), entry(2, "only")]).await;
    append(&*checkpoint, vec![entry(1, "second")]).await;
    append(&*checkpoint, vec![entry(1, "third"), entry(1, "fourth")]).await;
    assert_eq!(results(&*checkpoint, &[1, 2]).await, [some("fourth"), some("only")]);
    drop(checkpoint);
    let checkpoint = store.resume(&record.id).await.expect("nobody holds it");
    assert_eq!(results(&*checkpoint, &[1, 2]).await, [some("fourth"), some("only")]);
}

async fn everything_of_an_outcome_is_recalled(fixture: Fixture) {
    let (_store, _, checkpoint) = created(&fixture).await;
    let mut cancelled = entry(3, "");
    cancelled.outcome = Arc::new(protocol::Outcome::cancelled(cancelled.task.id));
    let entries = vec![entry(1, "value"), dead_entry(2), cancelled];
    append(&*checkpoint, entries.clone()).await;
    let ids: Vec<_> = entries.iter().map(|entry| entry.task.id).collect();
    let recalled = checkpoint.recall(&ids).await.expect("it can be recalled");
    for (entry, recalled) in entries.iter().zip(recalled) {
        assert_eq!(recalled.expect("it was recorded").outcome, entry.outcome);
    }
}

async fn recorded_outcomes_survive_reopening(fixture: Fixture) {
    let (store, record, checkpoint) = created(&fixture).await;
    append(&*checkpoint, (0..500).map(|number| entry(number, &number.to_string())).collect()).await;
    drop((store, checkpoint));
    let checkpoint = fixture.open().await.resume(&record.id).await.expect("nobody holds it");
    append(&*checkpoint, vec![entry(500, "500")]).await;
    let numbers: Vec<_> = (0..501).collect();
    let expected: Vec<_> = numbers.iter().map(|number| some(&number.to_string())).collect();
    assert_eq!(results(&*checkpoint, &numbers).await, expected);
}

async fn each_resume_is_another_incarnation(fixture: Fixture) {
    let (store, record, checkpoint) = created(&fixture).await;
    drop(checkpoint);
    for incarnation in 2..5 {
        let checkpoint = store.resume(&record.id).await.expect("nobody holds it");
        assert_eq!(checkpoint.record(), ExecutionRecord { incarnation, ..record.clone() });
    }
    assert_eq!(store.view(&record.id).await.expect("it can be viewed").record.incarnation, 4);
}

async fn outcomes_carry_the_incarnation_that_recorded_them(fixture: Fixture) {
    let (store, record, checkpoint) = created(&fixture).await;
    append(&*checkpoint, vec![entry(1, "a"), entry(2, "b")]).await;
    drop(checkpoint);
    let checkpoint = store.resume(&record.id).await.expect("nobody holds it");
    append(&*checkpoint, vec![entry(2, "c"), entry(3, "d")]).await;
    let ids = [1, 2, 3].map(|number| task(number).id);
    let recalled = checkpoint.recall(&ids).await.expect("it can be recalled");
    let incarnations: Vec<_> = recalled.into_iter().flatten().map(|recalled| recalled.incarnation).collect();
    assert_eq!(incarnations, [1, 2, 2]);
}

async fn dead_tasks_are_listed_latest_first(fixture: Fixture) {
    let (store, record, checkpoint) = created(&fixture).await;
    append(&*checkpoint, vec![dead_entry(1), entry(2, "fine"), dead_entry(3)]).await;
    append(&*checkpoint, vec![dead_entry(4)]).await;
    drop(checkpoint);
    let dead = dead_tasks(&*store, &record).await;
    for (listed, expected) in dead.iter().zip([dead_entry(4), dead_entry(3), dead_entry(1)]) {
        assert_eq!((&listed.task, &listed.outcome), (&expected.task, &expected.outcome));
    }
    assert_eq!(dead.len(), 3);
}

async fn a_task_that_succeeded_later_is_not_dead(fixture: Fixture) {
    let (store, record, checkpoint) = created(&fixture).await;
    append(&*checkpoint, vec![dead_entry(1), dead_entry(2), dead_entry(3), entry(3, "in one go")]).await;
    drop(checkpoint);
    let checkpoint = store.resume(&record.id).await.expect("nobody holds it");
    append(&*checkpoint, vec![entry(1, "at last")]).await;
    assert_eq!(results(&*checkpoint, &[1, 2, 3]).await, [some("at last"), None, some("in one go")]);
    drop(checkpoint);
    let dead: Vec<_> = dead_tasks(&*store, &record).await.iter().map(|entry| entry.task.id).collect();
    assert_eq!(dead, [task(2).id]);
}

async fn a_task_that_died_again_is_listed_once(fixture: Fixture) {
    let (store, record, checkpoint) = created(&fixture).await;
    append(&*checkpoint, vec![dead_entry(1), dead_entry(2)]).await;
    append(&*checkpoint, vec![dead_entry(1)]).await;
    append(&*checkpoint, vec![dead_entry(1), dead_entry(1)]).await;
    drop(checkpoint);
    let dead: Vec<_> = dead_tasks(&*store, &record).await.iter().map(|entry| entry.task.id).collect();
    assert_eq!(dead, [task(1).id, task(2).id]);
}

async fn an_updated_record_survives_reopening(fixture: Fixture) {
    let (store, record, checkpoint) = created(&fixture).await;
    let counts = Counts { expanded: 3, succeeded: 2, failed: 1, ..Counts::default() };
    checkpoint.show_progress(Counts { expanded: 1, ..Counts::default() }).await.expect("it can be shown");
    let updated = ExecutionRecord {
        status: Status::Failed,
        counts,
        elapsed_us: 5,
        updated_at_us: record.updated_at_us + 5,
        flow_failures: vec!["flow: why".into()],
        ..record.clone()
    };
    checkpoint.update(updated.clone()).await.expect("it can be updated");
    drop((checkpoint, store));
    let store = fixture.open().await;
    assert_eq!(store.view(&record.id).await.expect("it can be viewed").record, updated);
    let resumed = store.resume(&record.id).await.expect("nobody holds it").record();
    assert_eq!(resumed, ExecutionRecord { incarnation: 2, ..updated });
}

async fn results_of_any_kind_survive(fixture: Fixture) {
    let (store, record, checkpoint) = created(&fixture).await;
    // A byte string, a map with a number as its key, and a float that decimal text may miss.
    for bytes in [
        &[0xc4, 3, 0, 159, 255][..],
        &[0x81, 0x01, 0xc0],
        &[0xcb, 0x3f, 0xd3, 0x33, 0x33, 0x33, 0x33, 0x33, 0x34],
    ] {
        let result = Some(Value::from_bytes(bytes).expect("it is MessagePack"));
        let updated = ExecutionRecord { result, ..record.clone() };
        checkpoint.update(updated.clone()).await.expect("it can be updated");
        store.list().await.expect("it can be listed");
    }
    checkpoint.update(record.clone()).await.expect("it can be updated");
    let result = Some(Value::from_bytes(&[0xc4, 1, 7]).expect("it is MessagePack"));
    checkpoint
        .update(ExecutionRecord { result: result.clone(), ..record.clone() })
        .await
        .expect("it can be updated");
    drop(checkpoint);
    assert_eq!(store.view(&record.id).await.expect("it can be viewed").record.result, result);
    assert_eq!(store.resume(&record.id).await.expect("nobody holds it").record().result, result);
}

async fn a_held_execution_can_be_viewed_with_its_progress(fixture: Fixture) {
    let (_store, record, checkpoint) = created(&fixture).await;
    append(&*checkpoint, vec![entry(1, "one"), dead_entry(2)]).await;
    let counts = Counts { expanded: 10, succeeded: 4, ..Counts::default() };
    checkpoint.show_progress(counts).await.expect("it can be shown");
    let store = fixture.open().await;
    let view = store.view(&record.id).await.expect("it can be viewed");
    assert_eq!((&view.record.id, &view.record.spec, view.record.counts), (&record.id, &record.spec, counts));
    assert!(view.owner.expect("it is held").contains(&std::process::id().to_string()));
    let listed = store.list().await.expect("it can be listed");
    let listed = listed.iter().find(|view| view.record.id == record.id).expect("it is listed");
    assert!(listed.owner.is_some());
    assert_eq!(listed.record.counts, counts);
    // Looking has not taken anything away.
    append(&*checkpoint, vec![entry(3, "three")]).await;
}

async fn executions_are_listed_newest_first(fixture: Fixture) {
    let store = fixture.open().await;
    let records = [30, 10, 20].map(|age| ExecutionRecord {
        created_at_us: 1_780_000_000_000_000 - age,
        ..record(fresh_execution())
    });
    for record in &records {
        store.create(record.clone()).await.expect("it can be created");
    }
    let listed = store.list().await.expect("it can be listed");
    assert!(listed.iter().is_sorted_by_key(|view| std::cmp::Reverse(view.record.created_at_us)));
    let ours: Vec<_> =
        listed.iter().map(|view| &view.record).filter(|listed| records.contains(listed)).collect();
    assert_eq!(ours, [&records[1], &records[2], &records[0]]);
    assert!(listed.iter().all(|view| view.dead.is_empty()));
}

async fn executions_do_not_see_each_others_outcomes(fixture: Fixture) {
    let (_store, _, checkpoint) = created(&fixture).await;
    let (_other_store, _, other) = created(&fixture).await;
    append(&*checkpoint, vec![entry(1, "ours")]).await;
    append(&*other, vec![entry(2, "theirs")]).await;
    assert_eq!(results(&*checkpoint, &[1, 2]).await, [some("ours"), None]);
    assert_eq!(results(&*other, &[1, 2]).await, [None, some("theirs")]);
}

async fn a_hundred_thousand_outcomes_are_recalled(fixture: Fixture) {
    const COUNT: u32 = 100_000;
    let (store, record, checkpoint) = created(&fixture).await;
    for first in (0..COUNT).step_by(10_000) {
        append(&*checkpoint, (first..first + 10_000).map(|number| entry(number, "x")).collect()).await;
    }
    drop(checkpoint);
    let checkpoint = store.resume(&record.id).await.expect("nobody holds it");
    let ids: Vec<_> = (0..COUNT + 10).map(|number| task(number).id).collect();
    // Far apart, so that what is kept in memory does not help.
    let mixed: Vec<_> = (0..500).flat_map(|offset| ids.iter().skip(offset).step_by(500).copied()).collect();
    let recalled = checkpoint.recall(&mixed).await.expect("it can be recalled");
    for (id, recalled) in mixed.iter().zip(&recalled) {
        assert!(recalled.as_ref().is_none_or(|recalled| recalled.outcome.task == *id));
    }
    assert_eq!(recalled.iter().flatten().count(), COUNT as usize);
}

async fn appending_nothing_is_fine(fixture: Fixture) {
    let (_store, _, checkpoint) = created(&fixture).await;
    append(&*checkpoint, Vec::new()).await;
    assert!(checkpoint.recall(&[]).await.expect("it can be recalled").is_empty());
}

async fn a_removed_execution_is_gone_and_its_name_free(fixture: Fixture) {
    let (store, record, checkpoint) = created(&fixture).await;
    append(&*checkpoint, vec![entry(1, "one"), dead_entry(2)]).await;
    drop(checkpoint);
    let other = fixture.open().await;
    let removal = other.take_to_remove(&record.id).await.expect("nobody holds it");
    let busy = store.resume(&record.id).await.err();
    assert!(matches!(busy, Some(Error::Busy { .. })), "{busy:?}");
    let incarnation = removal.incarnation();
    removal.finish().await.expect("it can be removed");
    for gone in [store.resume(&record.id).await.err(), store.take_to_remove(&record.id).await.err()] {
        assert!(matches!(gone, Some(Error::Unknown { .. })), "{gone:?}");
    }
    let listed = store.list().await.expect("it can be listed");
    assert!(listed.iter().all(|view| view.record.id != record.id));
    let checkpoint = store.create(record.clone()).await.expect("its name is free");
    assert!(
        checkpoint.record().incarnation > incarnation,
        "its copies are told from those of the removed one"
    );
    assert_eq!(results(&*checkpoint, &[1, 2]).await, [None, None]);
    assert!(dead_tasks(&*store, &record).await.is_empty());
    append(&*checkpoint, vec![entry(3, "three")]).await;
    drop(checkpoint);
    let exists = store.create(record.clone()).await.err();
    assert!(matches!(exists, Some(Error::Exists { .. })), "{exists:?}");
    let checkpoint = store.resume(&record.id).await.expect("nobody holds it");
    assert_eq!(results(&*checkpoint, &[1, 3]).await, [None, some("three")]);
}

async fn a_held_execution_is_not_removed(fixture: Fixture) {
    let (store, record, checkpoint) = created(&fixture).await;
    for other in [store, fixture.open().await] {
        let refused = other.take_to_remove(&record.id).await.err();
        assert!(matches!(refused, Some(Error::Busy { .. })), "{refused:?}");
    }
    append(&*checkpoint, vec![entry(1, "one")]).await;
    drop(checkpoint);
    let store = fixture.open().await;
    drop(store.take_to_remove(&record.id).await.expect("nobody holds it"));
    let checkpoint = store.resume(&record.id).await.expect("whoever wanted to remove it has not");
    assert_eq!(results(&*checkpoint, &[1]).await, [some("one")]);
}
