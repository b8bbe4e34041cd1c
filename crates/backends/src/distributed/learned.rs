//! What workers have learned, kept where those find it that start later.

use super::connect::Error;
use super::control::Control;

/// How long it is kept after somebody has last added to it, in seconds.
const KEPT_FOR: u64 = 30 * 24 * 3600;

impl Control {
    /// What was last kept under these names, in the order asked.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn learned(&self, names: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut get = ::redis::cmd("MGET");
        get.arg(names.iter().map(|name| self.learned_key(name)).collect::<Vec<_>>());
        Ok(self.shared.redis.run(&get).await?)
    }

    /// Keeps what was learned under a name, in place of what was kept before.
    ///
    /// # Errors
    /// If the store cannot be reached.
    pub async fn keep_learned(&self, name: &str, learned: &[u8]) -> Result<(), Error> {
        let mut set = ::redis::cmd("SET");
        set.arg(self.learned_key(name)).arg(learned).arg("EX").arg(KEPT_FOR);
        Ok(self.shared.redis.run(&set).await?)
    }

    fn learned_key(&self, name: &str) -> String {
        format!("{{{}}}:learned:{name}", self.shared.prefix)
    }
}
