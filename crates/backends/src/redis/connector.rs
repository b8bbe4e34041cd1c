//! How connections are made: to a server, to the master that sentinels name, or to a cluster.

use std::collections::HashSet;
use std::future::Future;
use std::io;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::cluster::ClusterClientBuilder;
use ::redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use ::redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind,
    FromRedisValue, IntoConnectionInfo as _, RedisConnectionInfo, RedisError, RedisResult, TlsCertificates,
    TlsMode,
};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::address::{Address, Host, Kind, Login};
use super::config::Config;
use super::connection::Connection;
use super::error::Error;
use crate::tls;

/// A connection that is silent for so long is probed by the kernel.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// Commands that may wait to be written before callers wait.
const WAITING_COMMANDS: usize = 256;
/// Bytes that are gathered for one write.
const WRITE_BYTES: usize = 128 * 1024;
/// How often a cluster's client follows a redirection or asks for the map of slots by itself.
const CLUSTER_TRIES: u32 = 4;

/// Makes connections.
pub(super) struct Connector {
    pub(super) address: Address,
    pub(super) response_timeout: Duration,
    pub(super) connect_timeout: Duration,
    certificates: Option<TlsCertificates>,
}

impl Connector {
    /// Reads the files for TLS.
    pub(super) fn new(config: &Config) -> Result<Self, Error> {
        let mut connector = Self {
            address: config.address.clone(),
            response_timeout: config.response_timeout,
            connect_timeout: config.connect_timeout,
            certificates: None,
        };
        if config.address.has_tls {
            tls::install();
            let file = |source| Error::Tls { place: config.address.place(), source };
            let identity = config.tls.read_identity().map_err(file)?;
            connector.certificates = Some(TlsCertificates {
                client_tls: identity
                    .map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key }),
                root_cert: config.tls.read_ca().map_err(file)?,
            });
        }
        // What the files hold is found wrong now, not at the first connection.
        let settings = |source| Error::Settings { place: config.address.place(), source };
        for host in &config.address.hosts {
            connector.client(host, None).map_err(settings)?;
        }
        Ok(connector)
    }

    /// Makes a connection on which commands can be written.
    pub(super) async fn open(&self) -> RedisResult<Connection> {
        match &self.address.kind {
            Kind::Server => {
                let host = &self.address.hosts[0];
                Ok(Connection::Server(self.open_server(host, self.address.login.as_ref()).await?))
            }
            Kind::Sentinel { master } => Ok(Connection::Server(self.open_master(master).await?)),
            Kind::Cluster => self.open_cluster().await,
        }
    }

    async fn open_server(&self, host: &Host, login: Option<&Login>) -> RedisResult<MultiplexedConnection> {
        let client = self.client(host, login)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(WAITING_COMMANDS)
            .set_write_backpressure_boundary(WRITE_BYTES);
        limited(self.connect_timeout, client.get_multiplexed_async_connection_with_config(&config)).await
    }

    /// Asks all sentinels at once. The first answer counts that names a server which agrees: one
    /// that has just come back may not know yet that it was replaced.
    async fn open_master(&self, master: &str) -> RedisResult<MultiplexedConnection> {
        let mut answers: FuturesUnordered<_> =
            self.address.hosts.iter().map(|sentinel| self.ask_sentinel(sentinel, master)).collect();
        let mut tried = HashSet::new();
        let mut last_error = None;
        while let Some(answer) = answers.next().await {
            let host = match answer {
                Ok(host) if tried.insert(host.to_string()) => host,
                Ok(_) => continue,
                // What a server said outranks what a sentinel said.
                Err(error) => {
                    last_error.get_or_insert(error);
                    continue;
                }
            };
            match self.open_if_master(&host).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last_error = Some(error),
            }
        }
        Err(last_error.expect("an address has at least one host, and each gives an answer"))
    }

    async fn ask_sentinel(&self, sentinel: &Host, master: &str) -> RedisResult<Host> {
        let mut command = ::redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        let mut found = self.ask::<Option<(String, u16)>>(sentinel, None, &command).await;
        if let (Err(error), Some(login)) = (&found, &self.address.login)
            && error.code() == Some("NOAUTH")
        {
            found = self.ask(sentinel, Some(login), &command).await;
        }
        let (name, port) = found?.ok_or_else(|| {
            let text = format!("sentinel {sentinel} knows no master named {master}");
            RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "unknown master", text))
        })?;
        Ok(Host { name, port })
    }

    async fn ask<T: FromRedisValue>(
        &self,
        host: &Host,
        login: Option<&Login>,
        command: &Cmd,
    ) -> RedisResult<T> {
        // A sentinel has no databases.
        let client = self.client_of(self.info(host, login, 0)?)?;
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        let mut connection = limited(self.connect_timeout, connecting).await?;
        limited(self.response_timeout, command.query_async(&mut connection)).await
    }

    async fn open_if_master(&self, host: &Host) -> RedisResult<MultiplexedConnection> {
        let mut connection = self.open_server(host, self.address.login.as_ref()).await?;
        let role: ::redis::Value =
            limited(self.response_timeout, ::redis::cmd("ROLE").query_async(&mut connection)).await?;
        match role {
            ::redis::Value::Array(role) if role.first() == Some(&bulk("master")) => Ok(connection),
            _ => {
                let text = format!("{host} is no master although a sentinel says so");
                Err(RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "stale master", text)))
            }
        }
    }

    async fn open_cluster(&self) -> RedisResult<Connection> {
        let nodes: RedisResult<Vec<_>> =
            self.address.hosts.iter().map(|host| self.info(host, self.address.login.as_ref(), 0)).collect();
        let mut builder = ClusterClientBuilder::new(nodes?)
            .connection_timeout(self.connect_timeout)
            .response_timeout(self.response_timeout)
            .overall_response_timeout(None)
            .retries(CLUSTER_TRIES)
            .min_retry_wait(20)
            .max_retry_wait(200)
            .write_backpressure_boundary(WRITE_BYTES)
            .tcp_settings(tcp_settings());
        if let Some(login) = &self.address.login {
            builder = builder.password(&login.password);
            if let Some(user) = &login.user {
                builder = builder.username(user);
            }
        }
        if let Some(certificates) = &self.certificates {
            builder = builder.tls(TlsMode::Secure).certs(certificates.clone());
        }
        let client = builder.build()?;
        // It connects to all servers, some of which may be down.
        limited(self.connect_timeout * 2, client.get_async_connection()).await.map(Connection::Cluster)
    }

    fn client(&self, host: &Host, login: Option<&Login>) -> RedisResult<Client> {
        self.client_of(self.info(host, login, self.address.database)?)
    }

    fn client_of(&self, info: ConnectionInfo) -> RedisResult<Client> {
        match &self.certificates {
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
            None => Client::open(info),
        }
    }

    fn info(&self, host: &Host, login: Option<&Login>, database: u16) -> RedisResult<ConnectionInfo> {
        let (name, port) = (host.name.clone(), host.port);
        let address = match self.address.has_tls {
            true => ConnectionAddr::TcpTls { host: name, port, insecure: false, tls_params: None },
            false => ConnectionAddr::Tcp(name, port),
        };
        let mut settings = RedisConnectionInfo::default().set_db(database.into());
        if let Some(login) = login {
            settings = settings.set_password(&login.password);
            if let Some(user) = &login.user {
                settings = settings.set_username(user);
            }
        }
        Ok(address.into_connection_info()?.set_redis_settings(settings).set_tcp_settings(tcp_settings()))
    }
}

/// Nothing came within the time allowed.
pub(super) fn timed_out(limit: Duration) -> RedisError {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit:?}")).into()
}

pub(super) async fn limited<T>(
    limit: Duration,
    future: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    tokio::time::timeout(limit, future).await.unwrap_or_else(|_| Err(timed_out(limit)))
}

fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 2);
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive)
}

fn bulk(text: &str) -> ::redis::Value {
    ::redis::Value::BulkString(text.as_bytes().to_vec())
}
