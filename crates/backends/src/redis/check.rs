//! What a server must be like before anything is entrusted to it.

use std::time::Duration;

use ::redis::{ErrorKind, FromRedisValue as _, RedisError, RedisResult, ServerErrorKind};
use tokio::time::{Instant, sleep};

use super::address::Kind;
use super::connection::Connection;
use super::connector::{Connector, limited};
use super::error::Error;

/// Between two looks at whether a server has loaded its data.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How much a restart of the server may lose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Everything since its last snapshot, if it makes any.
    None,
    /// Two seconds at most; hardly ever anything if only the server dies and not its machine.
    EverySecond,
    /// Nothing.
    Always,
}

/// What a server says about itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts {
    is_loading: bool,
    is_replica: bool,
    is_clustered: bool,
    has_memory_limit: bool,
    policy: String,
    has_append_log: bool,
}

/// Refuses servers that would lose or refuse what is written; says how durable they are. Waits until
/// the deadline for those that still load their data.
pub(super) async fn check(
    connector: &Connector,
    connection: &mut Connection,
    deadline: Instant,
    not_connected: impl FnOnce(RedisError) -> Error,
) -> Result<Durability, Error> {
    let place = || connector.address.place();
    let all = match loaded(connector, connection, deadline).await {
        Ok(all) => all,
        Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoPerm) => {
            tracing::warn!(redis = %place(), "may not ask Redis for its settings, so they are not checked: allow INFO");
            return Ok(Durability::EverySecond);
        }
        Err(error) => return Err(not_connected(error)),
    };
    let mut has_append_log = true;
    for facts in all {
        if facts.is_replica && connector.address.kind == Kind::Server {
            return Err(Error::Replica { place: place() });
        }
        if facts.is_clustered && connector.address.kind != Kind::Cluster {
            return Err(Error::Cluster { place: place() });
        }
        if facts.has_memory_limit && facts.policy != "noeviction" {
            return Err(Error::Evicts { place: place(), policy: facts.policy });
        }
        has_append_log &= facts.has_append_log;
    }
    if !has_append_log {
        tracing::warn!(
            redis = %place(),
            "Redis keeps no append-only file: after its restart tasks may run again and progress be lost; \
             set `appendonly yes`"
        );
        return Ok(Durability::None);
    }
    match fsync(connection, connector.response_timeout).await {
        Ok(Some(policy)) if policy == "always" => Ok(Durability::Always),
        // Hosted servers do not tell; a second is the default.
        Ok(_) | Err(_) => Ok(Durability::EverySecond),
    }
}

/// What all servers say once none loads its data; until then they deny that they keep a log.
async fn loaded(
    connector: &Connector,
    connection: &mut Connection,
    deadline: Instant,
) -> RedisResult<Vec<Facts>> {
    loop {
        let infos = limited(connector.response_timeout, connection.info()).await?;
        let all: Vec<_> = infos.iter().map(|info| facts(info)).collect();
        if all.iter().all(|facts| !facts.is_loading) {
            return Ok(all);
        }
        if Instant::now() + BETWEEN_LOOKS >= deadline {
            let kind = ErrorKind::Server(ServerErrorKind::BusyLoading);
            return Err((kind, "it still loads its data").into());
        }
        sleep(BETWEEN_LOOKS).await;
    }
}

async fn fsync(connection: &mut Connection, limit: Duration) -> RedisResult<Option<String>> {
    let mut command = ::redis::cmd("CONFIG");
    command.arg("GET").arg("appendfsync");
    let answer = limited(limit, connection.send(&command)).await?;
    Ok(Vec::<(String, String)>::from_redis_value(answer)?.pop().map(|(_, policy)| policy))
}

fn facts(info: &str) -> Facts {
    let mut facts = Facts::default();
    for (name, value) in info.lines().filter_map(|line| line.trim().split_once(':')) {
        match name {
            "loading" => facts.is_loading = value == "1",
            "role" => facts.is_replica = value == "slave",
            "cluster_enabled" => facts.is_clustered = value == "1",
            "maxmemory" => facts.has_memory_limit = value != "0",
            "maxmemory_policy" => facts.policy = value.to_owned(),
            "aof_enabled" => facts.has_append_log = value == "1",
            _ => {}
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found_among_others() {
        let info = "# Memory\r\nused_memory:7\r\nmaxmemory:1048576\r\nmaxmemory_human:1M\r\n\
                    maxmemory_policy:allkeys-lru\r\n\r\n# Persistence\r\nloading:1\r\naof_enabled:1\r\n\
                    # Replication\r\nrole:slave\r\n# Cluster\r\ncluster_enabled:1\r\n";
        let expected = Facts {
            is_loading: true,
            is_replica: true,
            is_clustered: true,
            has_memory_limit: true,
            policy: "allkeys-lru".into(),
            has_append_log: true,
        };
        assert_eq!(facts(info), expected);
        let expected = Facts { policy: "noeviction".into(), ..Facts::default() };
        let info = "maxmemory:0\r\nmaxmemory_policy:noeviction\r\naof_enabled:0\r\nrole:master";
        assert_eq!(facts(info), expected);
    }
}
