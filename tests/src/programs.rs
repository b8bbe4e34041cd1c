//! The programs under test, built once.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package is in the repository")
}

/// A program of the workspace, built in the profile of this test.
///
/// # Panics
/// If it cannot be built.
pub fn program(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        // With all features, and examples, which have what tests have: then the crates are those that
        // `cargo test --workspace --all-features` has built, and none is built a second time.
        let kinds = ["build", "--quiet", "--workspace", "--all-features", "--bins", "--examples"];
        build.args(kinds).current_dir(repository());
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_this_test(name)) {
            build.env_remove(&name);
        }
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().expect("cargo runs").success(), "the programs under test do not build");
        // target/<profile>/deps/<this test>
        let test = std::env::current_exe().expect("this test has a path");
        test.ancestors().nth(2).expect("tests lie two levels below the profile's directory").to_owned()
    });
    directory.join(name)
}

/// Whether Cargo has set it for this test's package. Another Cargo is not to hear of that: the build of ring
/// goes by it, so that ring and all that connects to anything would be built anew for each package.
fn is_of_this_test(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}
