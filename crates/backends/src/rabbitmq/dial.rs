//! One attempt to connect, with a limit, and a socket that can be cut.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::tcp::{AsyncTcpStream, OwnedIdentity, OwnedTLSConfig};
use lapin::uri::AMQPScheme;
use lapin::{BasicProperties, Connection, ConnectionProperties, ErrorKind};
use tokio::time::timeout;

use super::address::Address;
use super::error::Error;
use crate::tls::{self, TlsFiles};

/// Longest that one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// A queue that nobody has: what is published to it is dropped.
const NO_QUEUE: &str = "otaman.probe";
const ACCESS_REFUSED: u16 = 403;
const NOT_ALLOWED: u16 = 530;

/// What is needed to connect again and again.
#[derive(Debug, Clone)]
pub(super) struct Dial {
    pub(super) address: Address,
    pub(super) tls: TlsFiles,
    pub(super) name: String,
}

/// An open connection. Dropping it cuts it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) connection: Connection,
    socket: Cut,
}

/// Cuts a socket when dropped: the client crate's thread would otherwise wait on a frozen broker
/// until that thaws, one more thread for each attempt.
#[derive(Debug, Clone, Default)]
struct Cut {
    // Std: never held across an await.
    socket: Arc<Mutex<Option<TcpStream>>>,
}

/// Tells a failure of TLS from one of the socket beneath.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct TlsFailure(io::Error);

impl Dial {
    pub(super) async fn connect(&self) -> Result<Line, Error> {
        let identity = self.tls.read_identity()?;
        let config = OwnedTLSConfig {
            identity: identity.map(|(pem, key)| OwnedIdentity::PKCS8 { pem, key }),
            cert_chain: self.tls.read_ca()?.map(|pem| String::from_utf8_lossy(&pem).into_owned()),
        };
        tls::install();
        let runtime = lapin::runtime::default_runtime().map_err(|error| self.explain(error))?;
        let properties = ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let cut = Cut::default();
        let socket = cut.clone();
        // Not the crate's own way to connect: that logs the password, and leaves no way to cut.
        let connect = Connection::connector(
            self.address.uri().clone(),
            runtime,
            async move |uri, runtime| {
                let host = uri.authority.host.clone();
                let places = resolve(host.clone(), uri.authority.port).await?;
                let stream = AsyncTcpStream::connect(&runtime, places).await?;
                if let AsyncTcpStream::Plain(plain) = &stream {
                    socket.hold(plain.get_ref().as_fd().try_clone_to_owned()?.into());
                }
                match uri.scheme {
                    AMQPScheme::AMQP => Ok(stream),
                    AMQPScheme::AMQPS => {
                        let stream = stream.into_tls(&host, config.as_ref()).await;
                        Ok(stream.map_err(|error| io::Error::other(TlsFailure(error)))?)
                    }
                }
            },
            properties,
        );
        match timeout(ATTEMPT, connect).await {
            Ok(Ok(connection)) => Ok(Line { connection, socket: cut }),
            Ok(Err(error)) => Err(self.explain(error)),
            Err(_) => {
                cut.cut();
                Err(Error::Unreachable { address: self.address.clone(), waited: ATTEMPT, source: None })
            }
        }
    }

    pub(super) fn explain(&self, error: lapin::Error) -> Error {
        let address = self.address.clone();
        let code = match error.kind() {
            ErrorKind::ProtocolError(error) => error.get_id(),
            _ => 0,
        };
        let is_tls = match error.kind() {
            ErrorKind::IOError(error) => error.get_ref().is_some_and(|inner| inner.is::<TlsFailure>()),
            _ => false,
        };
        let source = error.into();
        match code {
            ACCESS_REFUSED => Error::AccessRefused { address, source },
            NOT_ALLOWED => Error::VirtualHost { address, source },
            _ if is_tls => Error::Tls { address, source },
            _ => Error::Unreachable { address, waited: ATTEMPT, source: Some(source) },
        }
    }
}

impl Line {
    /// Publishes nothing to nobody and waits for the confirm. That may overtake the word of an alarm,
    /// but a connection that is blocked answers nothing that is asked after it.
    pub(super) async fn publish_nothing(&self) -> Result<(), lapin::Error> {
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel.basic_publish("".into(), NO_QUEUE.into(), options, &[], properties).await?.await?;
        channel.close(200, "OK".into()).await
    }

    /// Ends it at once, so that everything that waits for it fails.
    pub(super) fn cut(&self) {
        self.socket.cut();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.cut();
    }
}

impl Cut {
    fn hold(&self, socket: TcpStream) {
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
    }

    fn cut(&self) {
        if let Some(socket) = self.socket.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It fails when the socket is closed already, which is what is wanted.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// Name servers are asked on a thread of their own: the system's resolver blocks.
async fn resolve(host: String, port: u16) -> io::Result<Vec<std::net::SocketAddr>> {
    use std::net::ToSocketAddrs as _;

    let found = tokio::task::spawn_blocking(move || (host.as_str(), port).to_socket_addrs());
    let places: Vec<_> = found.await.map_err(io::Error::other)??.collect();
    if places.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    }
    Ok(places)
}
