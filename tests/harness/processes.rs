//! Which processes have to do with a directory.

use std::fs;
use std::path::Path;

/// The command lines of all processes that work in the directory or name it, also in their environment.
pub fn processes_of(directory: &Path) -> Vec<String> {
    let name = directory.to_str().unwrap().as_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let process = entry.unwrap().path();
        if process.file_name().and_then(|name| name.to_str()?.parse().ok()) == Some(std::process::id()) {
            continue;
        }
        // It may end while we look; what is not a process has no such files.
        let read = |file: &str| fs::read(process.join(file)).unwrap_or_default();
        let command = read("cmdline");
        let mentions = |text: &[u8]| text.windows(name.len()).any(|part| part == name);
        // Redis overwrites the first two.
        let works_there = fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(directory));
        if works_there || mentions(&command) || mentions(&read("environ")) {
            found.push(String::from_utf8_lossy(&command).replace('\0', " "));
        }
    }
    found
}
