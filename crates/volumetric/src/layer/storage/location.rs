//! Paths and URLs of layers, and what of them may be shown.

use std::path::{Component, Path, PathBuf};

use crate::layer::storage::error::Error;

/// Where a layer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Location {
    /// In a directory.
    Local(PathBuf),
    /// Below a path of an object store or web server.
    Remote {
        /// `s3`, `gs`, `az`, `http`, `https` or `memory`.
        scheme: Scheme,
        /// The URL up to the path, with what may be secret: what a client is made of.
        base: String,
        /// The path, percent-encoded, without slashes at its ends.
        path: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Scheme {
    S3,
    Google,
    Azure,
    Http,
    Memory,
}

impl Location {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |reason: String| Err(Error::Place { place: shown(text), reason });
        if text.is_empty() {
            return refuse("it is empty; write a path or a URL".into());
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Ok(Self::Local(home(text)?));
        };
        let scheme = match scheme {
            "file" => {
                let path = rest.strip_prefix("localhost").unwrap_or(rest);
                return Ok(Self::Local(home(path)?));
            }
            "s3" | "s3a" => Scheme::S3,
            "gs" => Scheme::Google,
            "az" | "azure" | "abfs" | "abfss" => Scheme::Azure,
            "http" | "https" => Scheme::Http,
            "memory" => Scheme::Memory,
            other => {
                return refuse(format!(
                    "there is no {other}://; write a path or a file://, s3://, gs://, az://, http:// or https:// URL"
                ));
            }
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.is_empty() {
            return refuse("a host or bucket must follow \"://\"".into());
        }
        if path.contains(['?', '#']) || authority.contains(['?', '#']) {
            return refuse("parameters after \"?\" or \"#\" cannot be kept for each of its files".into());
        }
        let base = format!("{}://{authority}", &text[..text.len() - rest.len() - "://".len()]);
        Ok(Self::Remote { scheme, base, path: path.trim_matches('/').to_owned() })
    }

    /// For messages: without user name and password.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Local(path) => path.display().to_string(),
            Self::Remote { base, path, .. } if path.is_empty() => shown(base),
            Self::Remote { base, path, .. } => format!("{}/{path}", shown(base)),
        }
    }
}

/// A local path; `~` is the home directory.
fn home(path: &str) -> Result<PathBuf, Error> {
    match path.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let home = std::env::home_dir().ok_or_else(|| Error::Place {
                place: path.to_owned(),
                reason: "the home directory is not known; write a whole path".into(),
            })?;
            Ok(home.join(rest.trim_start_matches('/')))
        }
        _ => Ok(Path::new(path).to_owned()),
    }
}

/// A local path made absolute; a URL as it is. What stands before a path, such as `precomputed://`, stays.
pub(crate) fn absolute(text: &str) -> Result<String, Error> {
    let (before, place) = match text.split_once("://") {
        Some((scheme @ ("precomputed" | "zarr" | "zarr2" | "zarr3"), place)) => {
            (&text[..scheme.len() + "://".len()], place)
        }
        _ => ("", text),
    };
    match Location::parse(place)? {
        Location::Remote { .. } => Ok(text.to_owned()),
        Location::Local(path) => {
            let absolute = std::path::absolute(&path).map_err(|error| Error::Place {
                place: place.to_owned(),
                reason: format!("the current directory is not known: {error}"),
            })?;
            let absolute = absolute.to_str().ok_or_else(|| Error::Place {
                place: place.to_owned(),
                reason: "it lies below a directory whose name is not UTF-8".into(),
            })?;
            Ok(format!("{before}{absolute}"))
        }
    }
}

/// Whether two texts name one place, however they are written: with `..`, a slash at the end, through symbolic links.
pub(crate) fn is_same_place(one: &str, other: &str) -> bool {
    canonical(one) == canonical(other)
}

/// A text that all that name a place have in common.
pub(crate) fn canonical(text: &str) -> String {
    let place = match text.split_once("://") {
        Some(("precomputed" | "zarr" | "zarr2" | "zarr3", place)) => place,
        _ => text,
    };
    match Location::parse(place) {
        Ok(Location::Remote { base, path, .. }) => format!("{base}/{path}"),
        Ok(Location::Local(path)) => followed(&path).to_string_lossy().into_owned(),
        Err(_) => place.to_owned(),
    }
}

/// A path with all links followed, as far as it exists.
fn followed(path: &Path) -> PathBuf {
    let mut followed = PathBuf::new();
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for component in absolute.components() {
        match component {
            Component::ParentDir => {
                followed.pop();
            }
            Component::CurDir => {}
            other => followed.push(other),
        }
        // Links are followed one by one, so that `..` leads to where they lead.
        if let Ok(there) = followed.canonicalize() {
            followed = there;
        }
    }
    followed
}

/// A URL, or text with URLs in it, without user names, passwords and signatures.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        shown.push_str(before);
        let end = after.find([' ', '"', '\'', ')', '>', '\n']).unwrap_or(after.len());
        let (url, others) = after.split_at(end);
        let authority = url.find(['/', '?', '#']).unwrap_or(url.len());
        let host = match url[..authority].rfind('@') {
            // A container of Azure is written before the host, as a user would be.
            Some(at)
                if url[..at].contains(':') || before.ends_with("http://") || before.ends_with("https://") =>
            {
                &url[at + 1..]
            }
            _ => url,
        };
        shown.push_str(host.split(['?', '#']).next().unwrap_or_default());
        rest = others;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_same_however_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir_all(path("there/deep")).unwrap();
        std::os::unix::fs::symlink(path("there"), path("link")).unwrap();
        let file = format!("file://{}", path("there"));
        let precomputed = format!("precomputed://{file}");
        for other in
            [&path("there/"), &path("./there"), &path("there/deep/.."), &path("link"), &file, &precomputed]
        {
            assert!(is_same_place(&path("there"), other), "{other}");
        }
        // What is not there yet, below what is.
        assert!(is_same_place(&path("there/new/"), &path("link/other/../new")));
        assert!(!is_same_place(&path("there"), &path("there/deep")));
        assert!(is_same_place("s3://bucket/key/", "precomputed://s3://bucket/key"));
        assert!(!is_same_place("s3://bucket/key", "s3://other/key"));
    }

    #[test]
    fn paths_and_urls_are_told_apart() {
        let remote = |scheme, base: &str, path: &str| Location::Remote {
            scheme,
            base: base.to_owned(),
            path: path.to_owned(),
        };
        for (text, location) in [
            ("/a/b", Location::Local("/a/b".into())),
            ("a/b", Location::Local("a/b".into())),
            ("file:///a/b", Location::Local("/a/b".into())),
            ("file://a/b", Location::Local("a/b".into())),
            ("s3://bucket/a/b/", remote(Scheme::S3, "s3://bucket", "a/b")),
            ("gs://bucket", remote(Scheme::Google, "gs://bucket", "")),
            ("https://host:81/a", remote(Scheme::Http, "https://host:81", "a")),
            ("memory://test/a", remote(Scheme::Memory, "memory://test", "a")),
        ] {
            assert_eq!(Location::parse(text).unwrap(), location);
        }
    }

    #[test]
    fn places_that_cannot_be_are_refused_with_the_reason() {
        for (text, reason) in [
            ("", "it is empty"),
            ("ftp://host/a", "there is no ftp://"),
            ("s3:///a", "a host or bucket"),
            ("https://host/a?sig=1", "parameters after"),
        ] {
            let error = Location::parse(text).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
            assert!(!error.is_transient());
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        for (text, safe) in [
            ("https://user:word@host/a?sig=secret", "https://host/a"),
            (
                "got https://token@host/a?sig=secret (404) of s3://k:v@b/c",
                "got https://host/a (404) of s3://b/c",
            ),
            (
                "abfs://container@account.dfs.core.windows.net/a",
                "abfs://container@account.dfs.core.windows.net/a",
            ),
            ("/a@b/c?d", "/a@b/c?d"),
        ] {
            assert_eq!(shown(text), safe);
        }
    }
}
