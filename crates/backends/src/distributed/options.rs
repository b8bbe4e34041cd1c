//! The command-line options that name the servers, the same for every program.

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, ValueEnum};

use super::config::Config;
use super::signing::{KeyTooShort, SigningKey};
use crate::rabbitmq::{self, QueueKind};
use crate::redis;
use crate::tls::TlsFiles;

/// Options that name the servers.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Servers")]
pub struct Options {
    /// RabbitMQ, as amqp://user:password@host:5672/vhost or amqps://…
    #[arg(long, global = true, env = "AMQP_URL", value_name = "URL", hide_env_values = true)]
    pub broker: Option<rabbitmq::Address>,
    /// Redis, as redis://…, rediss://…, redis+sentinel://host,host/name or redis+cluster://host,host
    #[arg(long, global = true, env = "REDIS_URL", value_name = "URL", hide_env_values = true)]
    pub store: Option<redis::Address>,
    /// What the names of all queues and keys begin with; separates installations on the same servers
    #[arg(long, global = true, env = "OTAMAN_PREFIX", value_name = "WORD", default_value = "otaman", value_parser = prefix)]
    pub prefix: String,
    /// Whether queues are replicated over the broker's nodes, or kept on one
    #[arg(long, global = true, env = "OTAMAN_QUEUE_TYPE", value_name = "TYPE", default_value = "quorum")]
    pub queue_type: Option<QueueType>,
    /// A directory that all machines share, for large values and kept files [default: they lie in Redis]
    #[arg(long, global = true, env = "OTAMAN_SHARED_DIR", value_name = "DIR")]
    pub shared_dir: Option<PathBuf>,
    /// Certificates that the servers' own must be signed by, PEM [default: those of the system]
    #[arg(long, global = true, env = "OTAMAN_TLS_CA", value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Our own certificate for the servers, PEM
    #[arg(long, global = true, env = "OTAMAN_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The key of our certificate, PEM
    #[arg(long, global = true, env = "OTAMAN_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// A file with the secret that signs all messages; unsigned ones are then refused. The
    /// environment variable OTAMAN_SIGNING_KEY may hold the secret itself
    #[arg(long, global = true, env = "OTAMAN_SIGNING_KEY_FILE", value_name = "FILE")]
    pub signing_key_file: Option<PathBuf>,
}

/// Where queues are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QueueType {
    /// On several nodes
    Quorum,
    /// On one node
    Classic,
}

/// Why options do not make a configuration.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// One of the two servers is not named.
    #[error("{named} is given, but not {missing}; both servers are needed, or neither")]
    OnlyOne {
        /// The option that is given.
        named: &'static str,
        /// The option that is not.
        missing: &'static str,
    },
    /// The secret cannot be read.
    #[error("cannot read the signing key {path}")]
    KeyFile {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The secret is no secret.
    #[error(transparent)]
    Key(#[from] KeyTooShort),
}

/// An error of the command line in which a mistyped URL of a server is not repeated, since there may
/// be a password in it.
pub fn without_passwords(mut error: clap::Error) -> clap::Error {
    let is_url = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) => name.starts_with("--broker") || name.starts_with("--store"),
        _ => false,
    };
    if is_url {
        error.insert(ContextKind::InvalidValue, ContextValue::String("***".to_owned()));
    }
    error
}

impl Options {
    /// The configuration for a process that calls itself `name`; `None` if no server is named.
    ///
    /// # Errors
    /// If only one server is named, or the signing key cannot be used.
    pub fn config(&self, name: &str) -> Result<Option<Config>, OptionsError> {
        let (broker, store) = match (&self.broker, &self.store) {
            (None, None) => return Ok(None),
            (Some(_), None) => {
                return Err(OptionsError::OnlyOne {
                    named: "--broker (AMQP_URL)",
                    missing: "--store (REDIS_URL)",
                });
            }
            (None, Some(_)) => {
                return Err(OptionsError::OnlyOne {
                    named: "--store (REDIS_URL)",
                    missing: "--broker (AMQP_URL)",
                });
            }
            (Some(broker), Some(store)) => (broker.clone(), store.clone()),
        };
        let identity = self.tls_cert.clone().zip(self.tls_key.clone());
        Ok(Some(Config {
            tls: TlsFiles { ca: self.tls_ca.clone(), identity },
            queue_kind: match self.queue_type {
                Some(QueueType::Classic) => QueueKind::Classic,
                Some(QueueType::Quorum) | None => QueueKind::Quorum,
            },
            prefix: self.prefix.clone(),
            signing_key: self.signing_key()?,
            shared_directory: self.shared_dir.clone(),
            name: name.to_owned(),
            ..Config::new(broker, store)
        }))
    }

    fn signing_key(&self) -> Result<Option<SigningKey>, OptionsError> {
        let secret = match &self.signing_key_file {
            Some(path) => {
                let failed = |source| OptionsError::KeyFile { path: path.display().to_string(), source };
                std::fs::read(path).map_err(failed)?
            }
            None => match std::env::var("OTAMAN_SIGNING_KEY") {
                Ok(secret) if !secret.is_empty() => secret.into_bytes(),
                _ => return Ok(None),
            },
        };
        let end = secret.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |last| last + 1);
        Ok(Some(SigningKey::new(&secret[..end])?))
    }
}

/// Longest prefix, in bytes: names of queues have 255, and an execution's id follows.
const LONGEST_PREFIX: usize = 64;

/// A word that may begin the names of queues and keys.
fn prefix(text: &str) -> Result<String, String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.len() > LONGEST_PREFIX || !text.chars().all(is_allowed) {
        return Err(format!("it takes 1 to {LONGEST_PREFIX} letters, digits, dots, dashes and underscores"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_plain_word() {
        assert_eq!(prefix("team-7.otaman").unwrap(), "team-7.otaman");
        for wrong in ["", "a b", "{x}", "☃", &"x".repeat(65)] {
            assert!(prefix(wrong).is_err(), "{wrong}");
        }
    }
}
