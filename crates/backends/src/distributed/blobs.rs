//! Large values go by reference ("claim check"): the message carries a hash, the bytes lie in a shared
//! directory or in Redis.

use std::path::PathBuf;

use protocol::{ExecutionId, MAX_REFERENCED_BYTES};

use crate::redis::Redis;

/// Bodies over this size, in bytes, go by reference.
const MOST_INLINE: usize = 256 * 1024;
/// First byte of a reference. MessagePack never uses it, so no other body begins with it.
const MARK: u8 = 0xc1;
/// Mark, hash, size.
const LENGTH: usize = 1 + 32 + 8;
/// What URLs of kept bytes begin with.
const SCHEME: &str = "otaman://";
/// How long bytes are kept in Redis, in seconds, should their execution never end.
const KEPT_FOR: u64 = 30 * 24 * 3600;

/// Why bytes cannot be put aside or found again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Over the limit.
    #[error(
        "a value of {size} bytes exceeds the limit of {MAX_REFERENCED_BYTES} bytes; \
         write it to a file or object and pass its name"
    )]
    TooLarge {
        /// Its size.
        size: usize,
    },
    /// What was referred to is gone or is something else.
    #[error(
        "a value of {size} bytes that a message refers to is not in {place}; coordinator and workers must \
         name the same --shared-dir, or none"
    )]
    Missing {
        /// Its size.
        size: u64,
        /// Where it was looked for.
        place: String,
    },
    /// A reference that we cannot have written.
    #[error("a message refers to a value in a way that cannot be read")]
    Malformed,
    /// Redis failed.
    #[error("cannot reach the bytes of a large value")]
    Redis(#[from] crate::redis::Error),
    /// The shared directory failed.
    #[error("cannot reach {path}")]
    File {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// Whether another worker, or this one later, may find what this one cannot.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::Redis(_) | Self::File { .. } => true,
            Self::TooLarge { .. } | Self::Malformed => false,
        }
    }
}

/// Where large values lie.
#[derive(Debug, Clone)]
pub(super) struct Blobs {
    redis: Redis,
    prefix: String,
    directory: Option<PathBuf>,
}

impl Blobs {
    pub(super) fn new(redis: Redis, prefix: &str, directory: Option<PathBuf>) -> Self {
        // Large values must not hold up what is asked meanwhile.
        Self { redis: redis.with_own_connection(), prefix: prefix.to_owned(), directory }
    }

    /// The bytes themselves if they are few, otherwise a reference to them.
    pub(super) async fn put(&self, execution: &ExecutionId, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        if bytes.len() <= MOST_INLINE {
            return Ok(bytes);
        }
        if bytes.len() > MAX_REFERENCED_BYTES {
            return Err(Error::TooLarge { size: bytes.len() });
        }
        let hash = blake3::hash(&bytes);
        let mut reference = Vec::with_capacity(LENGTH);
        reference.push(MARK);
        reference.extend_from_slice(hash.as_bytes());
        reference.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        match self.path(execution, hash) {
            Some(path) => {
                let failed = |source| Error::File { path: path.display().to_string(), source };
                write_whole(path.clone(), bytes).await.map_err(failed)?;
            }
            None => {
                let key = self.key(execution, hash);
                let mut set = ::redis::cmd("SET");
                set.arg(&key).arg(bytes).arg("EX").arg(KEPT_FOR);
                let () = self.redis.run(&set).await?;
                let list = self.list(execution);
                let mut note = ::redis::cmd("SADD");
                note.arg(&list).arg(&key);
                let () = self.redis.run(&note).await?;
                let mut expire = ::redis::cmd("EXPIRE");
                expire.arg(&list).arg(KEPT_FOR);
                let () = self.redis.run(&expire).await?;
            }
        }
        Ok(reference)
    }

    /// The bytes that were put. `None` if `part` is no reference but the bytes themselves.
    pub(super) async fn get(&self, execution: &ExecutionId, part: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Some((hash, size)) = parse(part)? else { return Ok(None) };
        let (found, place) = match self.path(execution, hash) {
            Some(path) => {
                let failed = |source| Error::File { path: path.display().to_string(), source };
                (Some(tokio::fs::read(&path).await.map_err(failed)?), path.display().to_string())
            }
            None => {
                let mut get = ::redis::cmd("GET");
                get.arg(self.key(execution, hash));
                let size = usize::try_from(size).unwrap_or(MAX_REFERENCED_BYTES).min(MAX_REFERENCED_BYTES);
                (self.redis.run_large::<Option<Vec<u8>>>(&get, size).await?, "Redis".to_owned())
            }
        };
        match found {
            Some(bytes) if blake3::hash(&bytes) == hash => Ok(Some(bytes)),
            Some(_) | None => Err(Error::Missing { size, place }),
        }
    }

    /// Keeps bytes in Redis beyond the end of their execution; their URL.
    pub(super) async fn keep(&self, execution: &ExecutionId, bytes: Vec<u8>) -> Result<String, Error> {
        let hash = blake3::hash(&bytes);
        let mut set = ::redis::cmd("SET");
        set.arg(self.kept_key(execution, hash.to_hex().as_str())).arg(bytes).arg("EX").arg(KEPT_FOR);
        let () = self.redis.run(&set).await?;
        Ok(format!("{SCHEME}{execution}/{}", hash.to_hex()))
    }

    /// The bytes under a URL that `keep` gave; `None` if it is not one, or they are gone.
    pub(super) async fn fetch(&self, url: &str) -> Result<Option<Vec<u8>>, Error> {
        let parts = url.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/'));
        let Some((execution, hash)) =
            parts.and_then(|(id, hash)| Some((id.parse::<ExecutionId>().ok()?, hash)))
        else {
            return Ok(None);
        };
        let mut get = ::redis::cmd("GET");
        get.arg(self.kept_key(&execution, hash));
        Ok(self.redis.run_large(&get, MAX_REFERENCED_BYTES).await?)
    }

    /// Forgets all of an execution that lie in Redis; what lies in a directory is the user's.
    pub(super) async fn forget(&self, execution: &ExecutionId) -> Result<(), Error> {
        let list = self.list(execution);
        let mut members = ::redis::cmd("SMEMBERS");
        members.arg(&list);
        let mut keys: Vec<String> = self.redis.run(&members).await?;
        keys.push(list);
        for keys in keys.chunks(256) {
            let mut unlink = ::redis::cmd("UNLINK");
            unlink.arg(keys);
            let () = self.redis.run(&unlink).await?;
        }
        Ok(())
    }

    /// How the names of all keys begin under which something of an execution lies.
    pub(super) fn keys(&self, execution: &ExecutionId) -> [String; 2] {
        [self.key_of(execution, ""), self.kept_key(execution, "")]
    }

    /// Forgets large values of an execution and, if there is a shared directory, all that lies there.
    pub(super) async fn remove(&self, execution: &ExecutionId) -> Result<(), Error> {
        self.forget(execution).await?;
        let Some(directory) = self.directory(execution) else { return Ok(()) };
        match tokio::fs::remove_dir_all(&directory).await {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::File { path: directory.display().to_string(), source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Where the files of an execution lie, if there is a shared directory.
    pub(super) fn directory(&self, execution: &ExecutionId) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(execution.as_str()))
    }

    fn path(&self, execution: &ExecutionId, hash: blake3::Hash) -> Option<PathBuf> {
        Some(self.directory(execution)?.join("values").join(hash.to_hex().as_str()))
    }

    fn list(&self, execution: &ExecutionId) -> String {
        format!("{{{}}}:blobs:{execution}", self.prefix)
    }

    fn kept_key(&self, execution: &ExecutionId, hash: &str) -> String {
        format!("{{{}}}:kept:{execution}:{hash}", self.prefix)
    }

    fn key(&self, execution: &ExecutionId, hash: blake3::Hash) -> String {
        self.key_of(execution, hash.to_hex().as_str())
    }

    fn key_of(&self, execution: &ExecutionId, hash: &str) -> String {
        format!("{{{}}}:blob:{execution}:{hash}", self.prefix)
    }
}

/// Whether a part is a reference.
pub(super) fn is_reference(part: &[u8]) -> bool {
    part.first() == Some(&MARK)
}

fn parse(part: &[u8]) -> Result<Option<(blake3::Hash, u64)>, Error> {
    if !is_reference(part) {
        return Ok(None);
    }
    let part: &[u8; LENGTH] = part.try_into().map_err(|_| Error::Malformed)?;
    let mut hash = [0; 32];
    hash.copy_from_slice(&part[1..33]);
    let mut size = [0; 8];
    size.copy_from_slice(&part[33..]);
    Ok(Some((blake3::Hash::from_bytes(hash), u64::from_be_bytes(size))))
}

/// Writes a file such that others see all of it or nothing.
async fn write_whole(path: PathBuf, bytes: Vec<u8>) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(&path).to_owned();
    tokio::fs::create_dir_all(&directory).await?;
    let partial = directory.join(format!(".{}.part", uuid::Uuid::new_v4().simple()));
    let write = async {
        tokio::fs::write(&partial, bytes).await?;
        tokio::fs::File::open(&partial).await?.sync_all().await?;
        tokio::fs::rename(&partial, &path).await
    };
    let written = write.await;
    if written.is_err() {
        let _ = tokio::fs::remove_file(&partial).await;
    }
    written
}
