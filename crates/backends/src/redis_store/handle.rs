//! The store's handle.

use std::sync::Arc;

use futures::future::BoxFuture;
use protocol::{ExecutionId, ExecutionRecord};

use super::checkpoint::RedisCheckpoint;
use super::hold::Releases;
use super::inner::Inner;
use super::keys::{Keys, executions};
use super::load::Loaded;
use super::remove::RedisRemoval;
use super::scripts::Scripts;
use crate::redis::{Redis, cmd};
use crate::store::{Checkpoint, Error, Removal, Store, View};

/// A store in Redis: a handful of keys per execution, and a list of all.
///
/// What it calls durable is so as far as Redis is: see [`Redis::durability`]. Should Redis lose
/// everything while an execution runs, the run goes on, and what it records from then on is kept.
#[derive(Debug, Clone)]
pub struct RedisStore {
    inner: Inner,
    releases: Releases,
}

impl RedisStore {
    /// A store whose keys begin with `{prefix`.
    pub fn new(redis: Redis, prefix: &str) -> Self {
        let inner = Inner { redis, prefix: prefix.into(), scripts: Arc::new(Scripts::new()) };
        Self { inner, releases: Releases::default() }
    }

    /// Waits until others can take up what was held here and dropped; a few seconds at most. To be
    /// called before the process ends; else they wait for the hold to expire.
    pub async fn settle(&self) {
        self.releases.settled().await;
    }
}

impl Store for RedisStore {
    fn create(&self, record: ExecutionRecord) -> BoxFuture<'_, Result<Arc<dyn Checkpoint>, Error>> {
        Box::pin(async move {
            let (taken, hold) = self.inner.create(record, self.releases.clone()).await?;
            let checkpoint = RedisCheckpoint::new(self.inner.clone(), taken, Loaded::default(), hold);
            Ok(Arc::new(checkpoint) as Arc<dyn Checkpoint>)
        })
    }

    fn resume<'a>(&'a self, id: &'a ExecutionId) -> BoxFuture<'a, Result<Arc<dyn Checkpoint>, Error>> {
        Box::pin(async move {
            self.settle().await;
            let (taken, hold) = self.inner.resume(id, self.releases.clone()).await?;
            let loaded = self.inner.load(&taken.keys).await?;
            let checkpoint = RedisCheckpoint::new(self.inner.clone(), taken, loaded, hold);
            Ok(Arc::new(checkpoint) as Arc<dyn Checkpoint>)
        })
    }

    fn view<'a>(&'a self, id: &'a ExecutionId) -> BoxFuture<'a, Result<View, Error>> {
        Box::pin(async move {
            self.settle().await;
            let keys = Keys::new(&self.inner.prefix, id);
            let view = self.inner.brief_view(&keys).await?;
            let mut view = view.ok_or_else(|| Error::Unknown { id: id.clone() })?;
            view.dead = self.inner.dead(&keys).await?;
            Ok(view)
        })
    }

    fn take_to_remove<'a>(&'a self, id: &'a ExecutionId) -> BoxFuture<'a, Result<Box<dyn Removal>, Error>> {
        Box::pin(async move {
            self.settle().await;
            let (taken, hold) = self.inner.resume(id, self.releases.clone()).await?;
            Ok(Box::new(RedisRemoval { inner: self.inner.clone(), taken, hold }) as Box<dyn Removal>)
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<View>, Error>> {
        Box::pin(async move {
            self.settle().await;
            let executions = executions(&self.inner.prefix);
            let ids = self.inner.redis.run(cmd("ZRANGE").arg(&executions).arg(0).arg(-1)).await;
            let ids = ids.map_err(|source| Error::Medium {
                action: "read",
                place: format!("{executions} in {}", self.inner.redis.place()),
                source: source.into(),
            })?;
            let mut views = Vec::new();
            for (id, view) in self.inner.brief_views(ids).await {
                match view {
                    Ok(view) => views.extend(view),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(execution = id, error, "cannot read an execution");
                    }
                }
            }
            views.sort_by_key(|view| std::cmp::Reverse(view.record.created_at_us));
            Ok(views)
        })
    }
}
