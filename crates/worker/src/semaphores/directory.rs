//! Where the semaphores of a machine's user are.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use protocol::SemaphoreName;

use super::error::Error;

/// Where the user's directory is made. Not what the environment names: login sessions, batch jobs and
/// services have different ones, and would not see each other.
const PARENT: &str = "/tmp";

/// Of file systems over a network, by the number that the kernel gives them: NFS, SMB in three
/// generations, AFS, Ceph, Lustre, GPFS.
#[cfg(target_os = "linux")]
const REMOTE: [u32; 8] =
    [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x5346_414f, 0x00c3_6400, 0x0bd0_0bd0, 0x4750_4653];

/// Where the semaphores of a machine's user are.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Locked, which is how systemd-tmpfiles is told to leave a directory alone.
    _kept: File,
}

impl Directory {
    /// The directory that was given, or the user's own.
    pub(super) fn open(given: Option<&Path>) -> Result<Self, Error> {
        let path = match given {
            Some(path) => path.to_owned(),
            None => of_the_user()?,
        };
        create(&path, true)?;
        if is_remote(&path)? {
            return Err(Error::Remote(path));
        }
        let kept = File::open(&path).map_err(Error::files("open", &path))?;
        // If it is being cleaned at this moment it will be seen to be missing later.
        let _ = kept.try_lock_shared();
        Ok(Self { path, _kept: kept })
    }

    /// Where one semaphore is. The ending keeps it apart from `.` and `..`.
    pub(super) fn of(&self, name: &SemaphoreName) -> PathBuf {
        self.path.join(format!("{name}.semaphore"))
    }
}

/// The user's own, which nobody else may have made or may write.
fn of_the_user() -> Result<PathBuf, Error> {
    let user = rustix::process::geteuid().as_raw();
    let path = Path::new(PARENT).join(format!("otaman-{user}"));
    create(&path, false)?;
    // A link would be followed by whoever opens something below it.
    let found = fs::symlink_metadata(&path).map_err(Error::files("look at", &path))?;
    if !found.is_dir() || found.uid() != user || found.permissions().mode() & 0o022 != 0 {
        return Err(Error::NotOurs(path));
    }
    Ok(path.join("semaphores"))
}

/// Makes a directory that only its owner may enter, unless it is there.
pub(super) fn create(path: &Path, is_recursive: bool) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).recursive(is_recursive).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(Error::files("make", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn is_remote(path: &Path) -> Result<bool, Error> {
    let found = rustix::fs::statfs(path).map_err(|error| Error::files("look at", path)(error.into()))?;
    Ok(REMOTE.contains(&(found.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn is_remote(_: &Path) -> Result<bool, Error> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_may_enter() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("some/where");
        let directory = Directory::open(Some(&path)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        for name in ["cuda", ".", ".."] {
            let of = directory.of(&name.parse().unwrap());
            assert_eq!(of.parent(), Some(&*path), "{name}");
            assert!(of.file_name().is_some_and(|found| found.len() > name.len()), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_made_is_told_with_its_path() {
        let error = Directory::open(Some(Path::new("/proc/nowhere"))).unwrap_err();
        assert_eq!(error.to_string(), "cannot make /proc/nowhere");
    }
}
