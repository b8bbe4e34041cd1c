//! What a connection to Redis needs to know.

use std::time::Duration;

use super::address::Address;
use crate::tls::TlsFiles;

/// How to reach Redis, and for how long to try.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where it is.
    pub address: Address,
    /// Files for TLS.
    pub tls: TlsFiles,
    /// How long to wait for an answer before the connection counts as broken. Default: 2 s.
    pub response_timeout: Duration,
    /// How long to wait for a connection to one server. Default: 2 s.
    pub connect_timeout: Duration,
    /// For how long a call is tried, over reconnects, before it fails. Default: 30 s.
    pub patience: Duration,
}

impl Config {
    /// Everything by default.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            tls: TlsFiles::default(),
            response_timeout: Duration::from_secs(2),
            connect_timeout: Duration::from_secs(2),
            patience: Duration::from_secs(30),
        }
    }
}
