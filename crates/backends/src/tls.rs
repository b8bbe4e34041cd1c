//! TLS for both servers: one provider of cryptography for the process, and the files that name
//! whom to trust and who we are.

use std::path::{Path, PathBuf};

/// The files for TLS; with none, the machine's own certificate authorities are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate authorities to trust instead of the machine's, PEM.
    pub ca: Option<PathBuf>,
    /// Our certificate and its private key, PEM, for servers that ask for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A certificate and its private key, PEM.
pub type Identity = (Vec<u8>, Vec<u8>);

/// A file for TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read {} for TLS", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl TlsFiles {
    /// The certificate authorities.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read_ca(&self) -> Result<Option<Vec<u8>>, Error> {
        self.ca.as_deref().map(read).transpose()
    }

    /// Our certificate and its key.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn read_identity(&self) -> Result<Option<Identity>, Error> {
        let Some((certificate, key)) = &self.identity else { return Ok(None) };
        Ok(Some((read(certificate)?, read(key)?)))
    }
}

/// Chooses the provider of cryptography for the whole process unless somebody has. Without one a
/// TLS connection panics when several are linked in.
pub fn install() {
    // An error means that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let files = TlsFiles { ca: Some("/nowhere/ca.pem".into()), identity: None };
        let error = files.read_ca().unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nowhere/ca.pem for TLS");
        assert_eq!(files.read_identity().unwrap(), None);
    }

    #[test]
    fn installing_twice_is_fine() {
        install();
        install();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }
}
