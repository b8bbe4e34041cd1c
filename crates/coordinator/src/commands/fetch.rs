//! `coordinator fetch`: gets a file that was kept for a task's result.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::backend::{Backend, Needs};
use super::{Stop, print};
use crate::args::FetchArgs;
use crate::cli::Common;

const FILE: &str = "file://";
const STORE: &str = "otaman://";

pub(crate) fn run(common: &Common, args: &FetchArgs) -> Result<ExitCode, Stop> {
    if let Some(path) = args.url.strip_prefix(FILE) {
        from_file(&decoded(path), args.output.as_deref())?;
    } else if args.url.starts_with(STORE) {
        let bytes = from_store(common, &args.url)?;
        write(&mut bytes.as_slice(), args.output.as_deref())?;
    } else {
        let problem =
            format!("error: {:?} is no URL of a kept file; those begin with {FILE} or {STORE}", args.url);
        return Err(Stop::Usage(problem));
    }
    Ok(ExitCode::SUCCESS)
}

/// The path that a URL's `%` escapes stand for (RFC 3986). A `%` without two hexadecimal digits after
/// it stands for itself, as in a path that somebody has put after `file://` by hand.
fn decoded(path: &str) -> PathBuf {
    let escaped = |rest: &[u8]| -> Option<u8> {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let (high, low) = (digit(rest.get(1)?)?, digit(rest.get(2)?)?);
        u8::try_from(high * 16 + low).ok().filter(|_| rest[0] == b'%')
    };
    let (mut rest, mut bytes) = (path.as_bytes(), Vec::with_capacity(path.len()));
    while let Some(first) = rest.first() {
        let (byte, length) = escaped(rest).map_or((*first, 1), |byte| (byte, 3));
        bytes.push(byte);
        rest = &rest[length..];
    }
    OsString::from_vec(bytes).into()
}

fn from_file(path: &Path, output: Option<&Path>) -> Result<(), Stop> {
    let mut file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Stop::Usage(format!(
            "error: {} is not on this machine; fetch it where it was kept, or let all machines share a directory \
             with --shared-dir",
            path.display()
        )),
        _ => Stop::from(anyhow::Error::from(error).context(format!("reading {}", path.display()))),
    })?;
    write(&mut file, output)
}

fn from_store(common: &Common, url: &str) -> Result<Vec<u8>, Stop> {
    let backend = Backend::need_servers(common, Needs::Store, "")?;
    let control = backend.control().expect("servers were asked for");
    backend.block_on(control.fetch(url)).context("reading the store")?.ok_or_else(|| {
        Stop::Usage(format!("error: nothing is kept under {url}; files are kept in the store for 30 days"))
    })
}

/// To the file, which appears whole or not at all; without one to standard output.
fn write(from: &mut dyn io::Read, output: Option<&Path>) -> Result<(), Stop> {
    let Some(path) = output else { return print(|out| io::copy(from, out).map(drop)) };
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.map_or_else(|| PathBuf::from("."), Path::to_owned);
    let context = || format!("writing {}", path.display());
    let mut partial = tempfile::Builder::new()
        // As any new file: what the user's mask leaves.
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)
        .with_context(context)?;
    io::copy(from, &mut partial).with_context(context)?;
    partial.persist(path).with_context(context)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use backends::broker::TaskConsumer as _;
    use backends::distributed::Options;
    use backends::embedded::EmbeddedBroker;
    use protocol::{Session, SessionId};

    use super::*;

    fn fetch(url: &str, output: &Path) -> Result<ExitCode, Stop> {
        let common =
            Common { state_dir: None, embedded: false, verbose: 0, quiet: true, servers: Options::default() };
        run(&common, &FetchArgs { url: url.to_owned(), output: Some(output.to_owned()) })
    }

    #[test]
    fn a_file_of_this_machine_needs_no_servers() {
        let directory = tempfile::tempdir().unwrap();
        let (kept, copy) = (directory.path().join("kept"), directory.path().join("copy"));
        std::fs::write(&kept, "evidence").unwrap();
        fetch(&format!("file://{}", kept.display()), &copy).unwrap();
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), "evidence");
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 2);
    }

    #[tokio::test]
    async fn a_file_is_found_by_the_url_under_which_it_was_kept() {
        let directory = tempfile::tempdir().unwrap();
        let (file, copy) = (directory.path().join("out.json"), directory.path().join("copy"));
        std::fs::write(&file, "evidence").unwrap();
        let session = Session {
            id: SessionId::from_uuid(uuid::Uuid::nil()),
            node: "here".to_owned(),
            pid: 1,
            worker_types: Vec::new(),
            concurrency: 1,
            lease: Duration::from_secs(60),
        };
        let kept = directory.path().join("kept für me@here 100%41");
        let consumer = EmbeddedBroker::new().consumer(session, kept);
        let url = consumer.keep(&"nightly".parse().unwrap(), &file).await.unwrap();
        assert!(url.contains("/kept%20f%C3%BCr%20me%40here%20100%2541/"), "{url}");
        fetch(&url, &copy).unwrap();
        assert_eq!(std::fs::read_to_string(&copy).unwrap(), "evidence");
    }

    #[test]
    fn escapes_stand_for_bytes_and_other_percent_signs_for_themselves() {
        for (escaped, path) in
            [("/a%20b", "/a b"), ("/100%", "/100%"), ("/%4", "/%4"), ("/%zz%C3%bc", "/%zzü")]
        {
            assert_eq!(decoded(escaped), Path::new(path), "{escaped}");
        }
    }

    #[test]
    fn what_cannot_be_fetched_is_refused_with_the_cure() {
        let directory = tempfile::tempdir().unwrap();
        for (url, cure) in [
            ("file:///not/there", "--shared-dir"),
            ("otaman://nightly/00", "AMQP_URL"),
            ("https://example.org", "file://"),
        ] {
            let Err(Stop::Usage(text)) = fetch(url, &directory.path().join("copy")) else { panic!("{url}") };
            assert!(text.contains(cure), "{text}");
        }
    }
}
