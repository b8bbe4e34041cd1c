//! No secret is in anything that a process has said.

use std::fs;
use std::path::Path;

/// Holds that none of the secrets is in any file of these folders.
///
/// # Panics
/// If one is, or there is nothing to look at; the message names the file and the line, not the secret.
#[track_caller]
pub fn assert_hidden(secrets: &[&str], folders: &[&Path]) {
    assert!(!secrets.is_empty() && secrets.iter().all(|secret| !secret.is_empty()), "there are no secrets");
    let mut seen = 0;
    let mut open: Vec<_> = folders.iter().map(|folder| folder.to_path_buf()).collect();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("the folder can be read");
            open.extend(entries.map(|entry| entry.expect("the folder can be read").path()));
            continue;
        }
        let content = fs::read(&path).expect("files there can be read");
        let text = String::from_utf8_lossy(&content);
        for (number, line) in text.lines().enumerate() {
            if let Some(secret) = secrets.iter().find(|secret| line.contains(**secret)) {
                let line = line.replace(secret, "<the secret>");
                panic!("{}:{}: a secret is shown: {line}", path.display(), number + 1);
            }
        }
        seen += 1;
    }
    assert!(seen > 0, "no process has said anything");
}
