//! Looking at executions without holding them.

use std::collections::HashMap;
use std::sync::Arc;

use super::inner::Inner;
use super::keys::Keys;
use super::load::{Stored, split};
use super::owner::Owner;
use super::place::medium;
use super::record::add_live;
use crate::chunks::chunk::Chunk;
use crate::chunks::dead::DeadKey;
use crate::redis::cmd;
use crate::store::{Entry, Error, View};

/// Most dead tasks that a view names.
const MOST_DEAD: usize = 1_000;
/// Dead tasks that are read at once.
const AT_ONCE: usize = 50;

impl Inner {
    /// One execution without its dead tasks; `None` if there is none.
    pub(super) async fn brief_view(&self, keys: &Keys) -> Result<Option<View>, Error> {
        let Some(look) = self.look(keys).await? else { return Ok(None) };
        let mut record = look.record.decode().map_err(medium("read", &self.redis, &keys.id))?;
        if let Some(live) = look.live {
            add_live(&mut record, &live);
        }
        let owner = look.hold.map(|(hold, _)| Owner::parse(&hold)).filter(|owner| !owner.is_gone());
        Ok(Some(View { record, owner: owner.map(|owner| owner.text), dead: Vec::new() }))
    }

    /// Dead tasks, latest first.
    pub(super) async fn dead(&self, keys: &Keys) -> Result<Vec<Entry>, Error> {
        let listed = self.redis.run::<Vec<u64>>(cmd("HKEYS").arg(&keys.dead)).await;
        let mut listed = listed.map_err(medium("read", &self.redis, &keys.id))?;
        listed.sort_unstable_by_key(|number| std::cmp::Reverse(*number));
        listed.truncate(MOST_DEAD);
        let mut dead = Vec::with_capacity(listed.len());
        let mut last: Option<(u32, Option<Chunk>)> = None;
        for numbers in listed.chunks(AT_ONCE) {
            let tasks =
                self.redis.run::<Vec<Option<Vec<u8>>>>(cmd("HMGET").arg(&keys.dead).arg(numbers)).await;
            let tasks = tasks.map_err(medium("read", &self.redis, &keys.id))?;
            for (number, task) in numbers.iter().zip(tasks) {
                let key = DeadKey::from_number(*number);
                if last.as_ref().is_none_or(|(number, _)| *number != key.chunk) {
                    last = Some((key.chunk, self.complete_chunk(keys, key.chunk).await?));
                }
                let Some((_, Some(chunk))) = &last else { continue };
                let outcome = chunk.outcome(key.position).map_err(medium("read", &self.redis, &keys.id))?;
                if let (Some(task), Some(outcome)) = (task, outcome) {
                    let task = rmp_serde::from_slice(&task).map_err(medium("read", &self.redis, &keys.id))?;
                    dead.push(Entry { task: Arc::new(task), outcome: Arc::new(outcome) });
                }
            }
        }
        Ok(dead)
    }

    /// A chunk, unless its batch was never completely written.
    async fn complete_chunk(&self, keys: &Keys, number: u32) -> Result<Option<Chunk>, Error> {
        let Some(bytes) = self.chunks(keys, &[number]).await?.pop().flatten() else { return Ok(None) };
        let Stored { bytes, last } = split(bytes).map_err(medium("read", &self.redis, &keys.id))?;
        let is_complete = last == number
            || self.redis.run::<bool>(cmd("HEXISTS").arg(&keys.chunks).arg(last)).await.map_err(medium(
                "read",
                &self.redis,
                &keys.id,
            ))?;
        if !is_complete {
            return Ok(None);
        }
        Chunk::parse(bytes).map(Some).map_err(medium("read", &self.redis, &keys.id))
    }

    /// The views of many executions by name, those that exist.
    pub(super) async fn brief_views(&self, ids: Vec<String>) -> HashMap<String, Result<Option<View>, Error>> {
        use futures::StreamExt as _;
        let views = ids.into_iter().filter_map(|id| {
            let Ok(parsed) = id.parse() else {
                tracing::warn!(id, place = self.redis.place(), "not an execution's name");
                return None;
            };
            Some(async move { (id, self.brief_view(&Keys::new(&self.prefix, &parsed)).await) })
        });
        futures::stream::iter(views).buffer_unordered(32).collect().await
    }
}
