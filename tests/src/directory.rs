//! Directories of one test process: gone with it, however it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Set to anything, it leaves all directories where they are, for a look at what processes said.
const KEEP: &str = "OTAMAN_TESTS_KEEP";

/// An empty directory of its own; removed when dropped.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// Makes one whose name begins like this.
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let path = Base::get().path.join(format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&path).expect("there is room for temporary files");
        Self(path)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes a directory in it.
    pub(crate) fn subdirectory(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(&path).expect("temporary directories are writable");
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !is_kept() {
            // What is left is removed with the process.
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

fn is_kept() -> bool {
    std::env::var_os(KEEP).is_some()
}

/// The directory of all of this process's directories.
struct Base {
    path: PathBuf,
    /// Held open for as long as this process lives; its end tells the janitor.
    _life: Option<ChildStdin>,
}

impl Base {
    /// Statics are not dropped and a killed process drops nothing, so a small process outside waits
    /// for our end and sweeps: once its input ends, we are gone.
    fn get() -> &'static Self {
        static BASE: OnceLock<Base> = OnceLock::new();
        BASE.get_or_init(|| {
            let directory = tempfile::Builder::new().prefix("otaman-tests-").tempdir();
            let path = directory.expect("there is room for temporary files").keep();
            if is_kept() {
                return Self { path, _life: None };
            }
            // Killed servers may write for an instant longer, hence more than one try.
            const SWEEP: &str =
                r#"cat >/dev/null; for try in 1 2 3 4 5 6 7 8; do rm -rf "$0" && exit; sleep 0.25; done"#;
            let mut janitor = Command::new("sh");
            janitor.args(["-c", SWEEP]).arg(&path).stdin(Stdio::piped());
            // Whoever reads our output must not wait for the janitor too; nor may Ctrl-C reach it.
            janitor.stdout(Stdio::null()).stderr(Stdio::null());
            #[cfg(unix)]
            std::os::unix::process::CommandExt::process_group(&mut janitor, 0);
            let life = janitor.spawn().expect("sh starts").stdin.take();
            Self { path, _life: life }
        })
    }
}
