//! Puts files aside for results.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::broker::Error;

/// Moves or copies `file` into the directory `kept` under a name of its own; the URL of the result.
/// It is complete and durable once it has that name.
pub(crate) async fn keep(kept: PathBuf, file: PathBuf) -> Result<String, Error> {
    let path = format!("{} in {}", file.display(), kept.display());
    let result = tokio::task::spawn_blocking(move || place(&kept, &file)).await;
    let result = result.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    result.map_err(|source| Error::Keep { path, source })
}

fn place(kept: &Path, file: &Path) -> io::Result<String> {
    let kept = std::path::absolute(kept)?;
    fs::create_dir_all(&kept)?;
    // Only what follows the last dot is kept of the name, for people and programs that go by it.
    let name = match file.extension().and_then(|extension| extension.to_str()) {
        Some(extension) => format!("{}.{extension}", uuid::Uuid::new_v4().simple()),
        None => uuid::Uuid::new_v4().simple().to_string(),
    };
    let target = kept.join(&name);
    if !File::open(file)?.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let is_link = fs::symlink_metadata(file)?.is_symlink();
    if is_link || !moved(file, &target)? {
        let partial = kept.join(format!(".{name}.part"));
        let copied = fs::copy(file, &partial)
            .and_then(|_| File::open(&partial)?.sync_all())
            .and_then(|()| fs::rename(&partial, &target));
        if copied.is_err() {
            let _ = fs::remove_file(&partial);
        }
        copied?;
        // It was copied and is no longer needed; a leftover wastes space but harms nothing.
        let _ = fs::remove_file(file);
    }
    File::open(&kept)?.sync_all()?;
    Ok(file_url(&target))
}

/// Whether it could be moved; not so to another file system.
fn moved(file: &Path, target: &Path) -> io::Result<bool> {
    File::open(file)?.sync_all()?;
    match fs::rename(file, target) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => Ok(false),
        // A directory that we may read but not write lets nothing be moved out of it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(false),
        Err(error) => Err(error),
    }
}

/// A path as a URL (RFC 8089): all bytes but the unreserved ones of RFC 3986 and `/` are escaped.
fn file_url(path: &Path) -> String {
    let mut url = "file://".to_owned();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                url.push(*byte as char)
            }
            _ => write!(url, "%{byte:02X}").expect("a String accepts all text"),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_files_have_their_own_names_and_their_content() {
        let directory = tempfile::tempdir().unwrap();
        let kept = directory.path().join("kept für später");
        let mut urls = Vec::new();
        for content in ["one", "two"] {
            let file = directory.path().join("out put.json");
            fs::write(&file, content).unwrap();
            urls.push(place(&kept, &file).unwrap());
            assert!(!file.exists(), "moved, not left behind");
        }
        assert_ne!(urls[0], urls[1]);
        assert!(
            urls.iter().all(|url| url.contains("kept%20f%C3%BCr%20sp%C3%A4ter/") && url.ends_with(".json"))
        );
        let mut contents: Vec<_> = fs::read_dir(&kept)
            .unwrap()
            .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect();
        contents.sort();
        assert_eq!(contents, ["one", "two"]);
    }

    #[test]
    fn what_is_not_a_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let kept = directory.path().join("kept");
        assert!(place(&kept, &directory.path().join("missing")).is_err());
        assert!(place(&kept, directory.path()).is_err());
        assert_eq!(fs::read_dir(&kept).unwrap().count(), 0);
    }

    #[test]
    fn a_link_keeps_what_it_points_to() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "content").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let url = place(&directory.path().join("kept"), &link).unwrap();
        assert_eq!(fs::read_to_string(url.strip_prefix("file://").unwrap()).unwrap(), "content");
        assert!(file.exists() && !link.exists());
    }
}
