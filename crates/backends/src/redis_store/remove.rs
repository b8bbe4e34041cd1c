//! Removing executions.

use futures::future::BoxFuture;

use super::hold::Hold;
use super::inner::Inner;
use super::keys::executions;
use super::place::medium;
use super::take::Taken;
use crate::redis::cmd;
use crate::store::{Error, Removal};

/// An execution that is held to be removed.
pub(super) struct RedisRemoval {
    pub(super) inner: Inner,
    pub(super) taken: Taken,
    pub(super) hold: Hold,
}

impl Removal for RedisRemoval {
    fn incarnation(&self) -> u32 {
        self.taken.fence.incarnation
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async move {
            let Self { inner, taken: Taken { keys, fence, .. }, hold } = *self;
            let failed = || medium("remove", &inner.redis, &keys.id);
            let names = [&keys.fence, &keys.record, &keys.hold, &keys.live, &keys.chunks, &keys.dead];
            let args = [&fence.text, &fence.of_removed()];
            let answer = inner.redis.call::<String>(&inner.scripts.remove, &names, &args).await;
            if answer.map_err(failed())? != "ok" {
                return Err(Error::Busy { id: keys.id, owner: "another coordinator".to_owned() });
            }
            drop(hold);
            // A name that is listed without an execution is passed over, should this fail.
            let mut unlist = cmd("ZREM");
            unlist.arg(executions(&inner.prefix)).arg(keys.id.as_str());
            inner.redis.run(&unlist).await.map_err(failed())
        })
    }
}
