//! Who is alive.

use std::time::Duration;

use protocol::{Presence, Session, WorkerType};

use super::connect::{Error, Shared};

/// A live worker.
#[derive(Debug, Clone)]
pub struct Worker {
    /// What it says of itself.
    pub presence: Presence,
    /// How long it is taken to live if nothing more is heard of it.
    pub expires_in: Duration,
    /// Whether it has another signing key than this process, or only one of the two has one: then each puts
    /// aside what the other sends.
    pub is_stranger: bool,
}

impl Worker {
    /// What it is called, for people.
    pub fn name(&self) -> String {
        let session = &self.presence.session;
        format!("worker {} on {}", session.pid, session.node)
    }

    /// Whether it takes tasks of this type, and goes on doing so.
    pub fn takes(&self, kind: &WorkerType) -> bool {
        !self.presence.is_draining && self.presence.session.worker_types.contains(kind)
    }
}

impl Shared {
    /// All live workers, by node and process.
    pub(super) async fn workers(&self) -> Result<Vec<Worker>, Error> {
        let own = self.copies.fingerprint();
        let members = self.arbiter.sessions().await?;
        let mut workers: Vec<_> = members
            .iter()
            .filter_map(|member| {
                let presence: Presence = protocol::decode_part(&member.info).ok()?;
                let is_stranger = presence.key != own;
                Some(Worker { presence, expires_in: member.expires_in, is_stranger })
            })
            .collect();
        workers.sort_by(|a, b| {
            let key = |worker: &Worker| (worker.presence.session.node.clone(), worker.presence.session.pid);
            key(a).cmp(&key(b))
        });
        Ok(workers)
    }

    /// Sees that no worker that is to go on takes from this session's queues and signs otherwise: each would put
    /// aside what the other needs.
    pub(super) async fn refuse_strangers(&self, session: &Session) -> Result<(), Error> {
        let workers = self.workers().await?;
        let is_in_the_way = |worker: &&Worker| {
            let is_another = worker.presence.session.id != session.id;
            worker.is_stranger && is_another && session.worker_types.iter().any(|kind| worker.takes(kind))
        };
        match workers.iter().find(is_in_the_way) {
            Some(worker) => Err(Error::OtherKey { who: worker.name() }),
            None => Ok(()),
        }
    }
}
