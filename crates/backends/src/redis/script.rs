//! A Lua script and its digest.

/// A Lua script that is kept by the server and called by its digest.
///
/// Scripts are called again whenever it is not known whether they ran: each must be idempotent.
#[derive(Debug, Clone)]
pub struct Script {
    name: &'static str,
    source: &'static str,
    digest: String,
}

impl Script {
    /// A script under a name that errors mention.
    pub fn new(name: &'static str, source: &'static str) -> Self {
        let digest = ::redis::Script::new(source).get_hash().to_owned();
        Self { name, source, digest }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn source(&self) -> &'static str {
        self.source
    }

    pub(super) fn digest(&self) -> &str {
        &self.digest
    }
}
