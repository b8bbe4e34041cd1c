//! Where servers' programs are, and copies of their data.

use std::fs;
use std::path::{Path, PathBuf};

use crate::spawn::installed;

/// Names a folder with the programs of other versions than those installed.
const OTHER_SERVERS: &str = "OTAMAN_TESTS_SERVERS";

/// A server's program.
///
/// # Panics
/// If it is not installed; the message says how to.
#[track_caller]
pub(super) fn installed_server(program: &str) -> PathBuf {
    if let Some(folder) = std::env::var_os(OTHER_SERVERS) {
        let path = Path::new(&folder).join(program);
        assert!(path.is_file(), "{OTHER_SERVERS} has no {program}: {}", path.display());
        return path;
    }
    // Debian's wrappers in the path insist on a user of their own; these do not.
    let path = installed(program, &["/usr/lib/rabbitmq/bin"]);
    path.unwrap_or_else(|| panic!("{program} is not installed; run tests/install-servers"))
}

/// Copies a folder with all that is in it.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("temporary directories are writable");
    for entry in fs::read_dir(from).expect("the folder is there") {
        let entry = entry.expect("the folder can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("files have types").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("temporary directories are writable");
        }
    }
}
