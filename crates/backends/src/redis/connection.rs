//! One connection, to a server or to all servers of a cluster.

use ::redis::aio::{ConnectionLike as _, MultiplexedConnection};
use ::redis::cluster_async::ClusterConnection;
use ::redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use ::redis::{Cmd, FromRedisValue as _, RedisResult, Value};

/// A handle of a connection on which many commands are under way at once.
#[derive(Clone)]
pub(super) enum Connection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// Sends a command and waits for its answer.
    pub(super) async fn send(&mut self, command: &Cmd) -> RedisResult<Value> {
        let answer = match self {
            Self::Server(connection) => connection.send_packed_command(command).await?,
            Self::Cluster(connection) => connection.req_packed_command(command).await?,
        };
        match answer {
            Value::ServerError(error) => Err(error.into()),
            answer => Ok(answer),
        }
    }

    /// What each server that can be written says about itself.
    pub(super) async fn info(&mut self) -> RedisResult<Vec<String>> {
        let command = ::redis::cmd("INFO");
        match self {
            Self::Server(_) => Ok(vec![String::from_redis_value(self.send(&command).await?)?]),
            Self::Cluster(connection) => {
                let masters = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
                let answer = connection.route_command(command, masters).await?;
                let answers = Vec::<(String, String)>::from_redis_value(answer)?;
                Ok(answers.into_iter().map(|(_, info)| info).collect())
            }
        }
    }
}
