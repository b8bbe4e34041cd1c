//! What the arbiter is asked about sessions.

use std::time::Duration;

use bytes::Bytes;
use protocol::SessionId;

use super::answer::{Member, Renewal};
use super::arbiter::{Arbiter, NOTHING};
use super::error::Error;
use super::parse::{Reader, Unreadable};
use super::record::session_bytes;
use crate::redis::Script;

/// Most sessions described in one call.
const MAX_SESSIONS: usize = 256;

impl Arbiter {
    /// Makes a session known, which lives for a lease from now. `node` is what [`Self::node`]
    /// answers until a day after its death; `info` is anything, told by [`Self::sessions`].
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn register(
        &self,
        session: SessionId,
        lease: Duration,
        node: &str,
        info: &[u8],
    ) -> Result<Renewal, Error> {
        self.renewal(&self.scripts.register, session, lease, node, info).await
    }

    /// Renews a session. Late is fine as long as nobody declared it dead; nothing revives it after
    /// that. Answered `Unknown` only if Redis lost the session: register it again.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn renew(
        &self,
        session: SessionId,
        lease: Duration,
        node: &str,
        info: &[u8],
    ) -> Result<Renewal, Error> {
        self.renewal(&self.scripts.renew, session, lease, node, info).await
    }

    /// Ends a session: nothing is granted to it or accepted from it any more.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn leave(&self, session: SessionId) -> Result<(), Error> {
        let session = session_bytes(session);
        let _done: u64 = self.redis.call(&self.scripts.leave, &self.keys.of_sessions(), &[session]).await?;
        Ok(())
    }

    /// Declares sessions dead that let their lease pass, and tells which. Their tasks are free from
    /// then on. Some live process, best one that takes no tasks, calls this about three times in a
    /// lease: if nobody calls and nobody renews for half a lease, Redis may have been out of reach,
    /// and nobody is declared dead for two leases.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn expire(&self, lease: Duration) -> Result<Vec<SessionId>, Error> {
        let script = &self.scripts.expire;
        let mut reader =
            Reader(self.call(script, &self.keys.of_sessions(), &[millis(lease).as_bytes()]).await?);
        let mut dead = Vec::new();
        while !reader.is_empty() {
            dead.push(reader.session().map_err(|why| self.unreadable(script, why))?);
        }
        Ok(dead)
    }

    /// Begins a calm of two leases in which nobody is declared dead. For whoever has seen that
    /// Redis lost writes.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn suspend(&self, lease: Duration) -> Result<(), Error> {
        let keys = self.keys.of_sessions();
        let _done: u64 = self.redis.call(&self.scripts.suspend, &keys, &[millis(lease).as_bytes()]).await?;
        Ok(())
    }

    /// The sessions that live.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn sessions(&self) -> Result<Vec<Member>, Error> {
        let script = &self.scripts.sessions;
        let mut reader = Reader(self.call(script, &self.keys.of_sessions(), NOTHING).await?);
        let mut listed = Vec::new();
        while !reader.is_empty() {
            let member = reader.session().and_then(|session| Ok((session, reader.millis()?)));
            listed.push(member.map_err(|why| self.unreadable(script, why))?);
        }
        let sessions: Vec<_> = listed.iter().map(|(session, _)| *session).collect();
        let described = self.describe(&sessions).await?;
        let member = |((session, expires_in), (node, info))| Member { session, expires_in, node, info };
        Ok(listed.into_iter().zip(described).map(member).collect())
    }

    /// The machine of a session, dead or alive, if anybody still knows.
    ///
    /// # Errors
    /// If Redis does not answer.
    pub async fn node(&self, session: SessionId) -> Result<Option<String>, Error> {
        let described = self.describe(&[session]).await?;
        Ok(described.into_iter().map(|(node, _)| node).find(|node| !node.is_empty()))
    }

    async fn describe(&self, sessions: &[SessionId]) -> Result<Vec<(String, Bytes)>, Error> {
        let script = &self.scripts.describe;
        let mut described = Vec::with_capacity(sessions.len());
        for batch in sessions.chunks(MAX_SESSIONS) {
            let args: Vec<_> = batch.iter().map(|session| session_bytes(*session)).collect();
            let mut reader = Reader(self.call(script, &self.keys.of_sessions(), &args).await?);
            for _ in batch {
                let both = reader.sized().and_then(|node| Ok((node, reader.sized()?)));
                let (node, info) = both.map_err(|why| self.unreadable(script, why))?;
                described.push((String::from_utf8_lossy(&node).into_owned(), info));
            }
            if !reader.is_empty() {
                return Err(self.unreadable(script, Unreadable::Answer));
            }
        }
        Ok(described)
    }

    async fn renewal(
        &self,
        script: &Script,
        session: SessionId,
        lease: Duration,
        node: &str,
        info: &[u8],
    ) -> Result<Renewal, Error> {
        let (session, lease) = (session_bytes(session), millis(lease));
        let args = [session.as_slice(), lease.as_bytes(), node.as_bytes(), info];
        let answer = self.call(script, &self.keys.of_sessions(), &args).await?;
        match answer.as_ref() {
            b"!" => Ok(Renewal::Dead),
            b"?" => Ok(Renewal::Unknown),
            _ => Reader(answer).beat().map(Renewal::Renewed).map_err(|why| self.unreadable(script, why)),
        }
    }
}

/// A duration as the scripts take it; at least a millisecond.
fn millis(duration: Duration) -> String {
    duration.as_millis().max(1).to_string()
}
