//! An authority of our own and certificates for servers and clients.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use crate::directory::Directory;

/// What the three kinds of certificates are for.
const CONFIGURATION: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = Otaman tests
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = DNS:client.localhost
";

/// Certificates by an authority that nobody else knows, as PEM files that last as long as this.
///
/// They are made by the `openssl` program: servers that speak TLS bring it along, and a crate for it
/// would be built by everybody who runs any test.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Directory>);

impl Certificates {
    /// Makes an authority, a server's certificate for `localhost` and 127.0.0.1, and a client's.
    ///
    /// # Panics
    /// If the `openssl` program is missing.
    #[track_caller]
    pub fn new() -> Self {
        let certificates = Self(Arc::new(Directory::new("certificates")));
        fs::write(certificates.path("configuration"), CONFIGURATION).expect("temporary files are writable");
        for kind in ["ca", "server", "client"] {
            certificates.make(kind);
        }
        certificates
    }

    /// One set for the whole process.
    ///
    /// # Panics
    /// If the `openssl` program is missing.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Certificates> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    /// The authority's certificate, for whoever is to trust the others.
    pub fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A server's certificate and key.
    pub fn server(&self) -> (PathBuf, PathBuf) {
        (self.path("server.pem"), self.path("server.key"))
    }

    /// A client's certificate and key.
    pub fn client(&self) -> (PathBuf, PathBuf) {
        (self.path("client.pem"), self.path("client.key"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    #[track_caller]
    fn make(&self, kind: &str) {
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
        command.args(["-sha256", "-days", "2", "-extensions", kind]);
        command.arg("-config").arg(self.path("configuration"));
        command.arg("-keyout").arg(self.path(&format!("{kind}.key")));
        command.arg("-out").arg(self.path(&format!("{kind}.pem")));
        if kind != "ca" {
            command.args(["-subj", &format!("/CN={kind}.localhost")]);
            command.arg("-CA").arg(self.ca()).arg("-CAkey").arg(self.path("ca.key"));
        }
        let output = command.output().unwrap_or_else(|error| {
            panic!("the openssl program does not start ({error}); run tests/install-servers")
        });
        assert!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}
