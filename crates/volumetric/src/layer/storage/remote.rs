//! Object stores and web servers, behind a face that blocks.

use std::collections::HashMap;
use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{HttpError, HttpErrorKind};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, ClientConfigKey, ClientOptions, Error, GetOptions, GetRange, HeaderMap,
    HeaderValue, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, RetryConfig,
};

use crate::layer::storage::location::{Scheme, shown};
use crate::layer::storage::runtime;

/// A request that takes longer is given up and made again.
const REQUEST: Duration = Duration::from_secs(90);
const CONNECT: Duration = Duration::from_secs(10);
/// How long and how often requests that fail are made again. Whoever works on a task tries again later, so that one
/// does not wait here for a server that is down.
const PATIENCE: Duration = Duration::from_secs(60);
const RETRIES: usize = 6;
/// How often a body that breaks off is asked for.
const TRIES: usize = 3;

/// A path of an object store.
#[derive(Debug, Clone)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    scheme: Scheme,
    prefix: String,
}

/// An object and whether it says that it is compressed.
pub(super) struct Got {
    pub(super) bytes: Bytes,
    pub(super) encoding: Option<String>,
}

impl Objects {
    /// The path `prefix`, percent-encoded, of the store at `base`. Nothing is sent.
    pub(super) fn open(scheme: Scheme, base: &str, prefix: &str) -> io::Result<Self> {
        Path::from_url_path(prefix).map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))?;
        Ok(Self { store: client(scheme, base)?, scheme, prefix: prefix.to_owned() })
    }

    pub(super) fn child(&self, name: &str) -> Self {
        let prefix = if self.prefix.is_empty() { name.to_owned() } else { format!("{}/{name}", self.prefix) };
        Self { prefix, ..self.clone() }
    }

    /// Whether things can be written there and listed.
    pub(super) fn is_web(&self) -> bool {
        self.scheme == Scheme::Http
    }

    fn path(&self, key: &str) -> io::Result<Path> {
        let whole = match (self.prefix.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (false, true) => self.prefix.clone(),
            (false, false) => format!("{}/{key}", self.prefix),
        };
        Path::from_url_path(whole).map_err(|error| io::Error::new(ErrorKind::InvalidInput, error))
    }

    pub(super) fn get(&self, key: &str) -> io::Result<Option<Got>> {
        self.fetch(key, None)
    }

    pub(super) fn get_range(&self, key: &str, range: Range<u64>) -> io::Result<Option<Bytes>> {
        if range.is_empty() {
            return Ok(self.size(key)?.map(|_| Bytes::new()));
        }
        let wanted = match range.end {
            u64::MAX => GetRange::Offset(range.start),
            _ => GetRange::Bounded(range.clone()),
        };
        match self.fetch(key, Some(wanted)) {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                let cut = |got: Got| {
                    let length = got.bytes.len();
                    let place = |offset| usize::try_from(offset).unwrap_or(length).min(length);
                    got.bytes.slice(place(range.start)..place(range.end))
                };
                Ok(self.fetch(key, None)?.map(cut))
            }
            other => Ok(other?.map(|got| got.bytes)),
        }
    }

    pub(super) fn get_end(&self, key: &str, length: u64) -> io::Result<Option<Bytes>> {
        match self.fetch(key, Some(GetRange::Suffix(length))) {
            // Azure, and web servers that know nothing of ranges.
            Err(error) if error.kind() == ErrorKind::Unsupported => match self.size(key)? {
                Some(size) => self.get_range(key, size.saturating_sub(length)..size),
                None => Ok(None),
            },
            other => Ok(other?.map(|got| got.bytes)),
        }
    }

    fn fetch(&self, key: &str, range: Option<GetRange>) -> io::Result<Option<Got>> {
        let (store, path) = (self.store.clone(), self.path(key)?);
        runtime::wait(async move {
            let mut tries = 0;
            loop {
                tries += 1;
                let options = GetOptions { range: range.clone(), ..GetOptions::default() };
                match found(fetch(&*store, &path, options).await) {
                    // Requests are made again by the client, bodies that break off are not.
                    Err(error) if error.kind() == ErrorKind::ConnectionReset && tries < TRIES => {}
                    other => return other,
                }
            }
        })?
    }

    pub(super) fn size(&self, key: &str) -> io::Result<Option<u64>> {
        let (store, path) = (self.store.clone(), self.path(key)?);
        found(runtime::wait(async move { Ok(store.head(&path).await?.size) })?)
    }

    pub(super) fn put(&self, key: &str, bytes: Bytes, encoding: Option<&'static str>) -> io::Result<()> {
        let (store, path) = (self.store.clone(), self.path(key)?);
        let attributes = attributes(key, encoding);
        let options = PutOptions { attributes, ..PutOptions::default() };
        runtime::wait(async move { store.put_opts(&path, PutPayload::from(bytes), options).await })?
            .map(drop)
            .map_err(convert)
    }

    pub(super) fn put_if_absent(&self, key: &str, bytes: Bytes) -> io::Result<bool> {
        let (store, path) = (self.store.clone(), self.path(key)?);
        let options =
            PutOptions { mode: PutMode::Create, attributes: attributes(key, None), ..PutOptions::default() };
        match runtime::wait(async move { store.put_opts(&path, PutPayload::from(bytes), options).await })? {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
            Err(error) => Err(convert(error)),
        }
    }

    pub(super) fn delete(&self, key: &str) -> io::Result<()> {
        let (store, path) = (self.store.clone(), self.path(key)?);
        found(runtime::wait(async move { store.delete(&path).await })?).map(drop)
    }

    /// The object of that name, and all whose names go on with a slash.
    pub(super) fn delete_all(&self, key: &str) -> io::Result<()> {
        let (store, path) = (self.store.clone(), self.path(key)?);
        runtime::wait(async move {
            let paths = store.list(Some(&path)).map_ok(|object| object.location).boxed();
            let deleted = store.delete_stream(paths);
            let failed = deleted.filter(|result| {
                let fails = result.as_ref().is_err_and(|error| !matches!(error, Error::NotFound { .. }));
                std::future::ready(fails)
            });
            std::pin::pin!(failed).next().await.map_or(Ok(()), |result| result.map(drop))
        })?
        .map_err(convert)?;
        if key.is_empty() { Ok(()) } else { self.delete(key) }
    }

    pub(super) fn list(&self, key: &str) -> io::Result<Vec<String>> {
        let (store, path) = (self.store.clone(), self.path(key)?);
        let prefix = if path.as_ref().is_empty() { String::new() } else { format!("{path}/") };
        let all = runtime::wait(async move {
            store.list(Some(&path)).map_ok(|object| object.location).try_collect::<Vec<_>>().await
        })?
        .map_err(convert)?;
        let mut names: Vec<String> =
            all.iter().filter_map(|path| path.as_ref().strip_prefix(&prefix).map(str::to_owned)).collect();
        names.sort_unstable();
        Ok(names)
    }
}

async fn fetch(store: &dyn ObjectStore, path: &Path, options: GetOptions) -> Result<Got, Error> {
    let got = store.get_opts(path, options).await?;
    let encoding = got.attributes.get(&Attribute::ContentEncoding).map(|value| value.to_string());
    Ok(Got { encoding, bytes: got.bytes().await? })
}

type Clients = HashMap<(Scheme, String), Arc<dyn ObjectStore>>;

/// Clients hold connections and credentials, so each store has one for the whole process.
fn client(scheme: Scheme, base: &str) -> io::Result<Arc<dyn ObjectStore>> {
    // Held for as long as it takes to read the environment.
    static CLIENTS: LazyLock<Mutex<Clients>> = LazyLock::new(Mutex::default);
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(client) = clients.get(&(scheme, base.to_owned())) {
        return Ok(client.clone());
    }
    // Which cryptography TLS goes by, unless the program has chosen: an error means that it has.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let retry = RetryConfig { max_retries: RETRIES, retry_timeout: PATIENCE, ..RetryConfig::default() };
    let client: Arc<dyn ObjectStore> = match scheme {
        // `from_env` reads the usual variables of each provider; options would replace what it read of them.
        Scheme::S3 => {
            let builder = AmazonS3Builder::from_env().with_url(base).with_retry(retry);
            Arc::new(builder.build().map_err(convert)?)
        }
        Scheme::Google => {
            let options = as_stored(google_options());
            let builder = GoogleCloudStorageBuilder::from_env().with_url(base).with_client_options(options);
            Arc::new(builder.with_retry(retry).build().map_err(convert)?)
        }
        Scheme::Azure => {
            let builder = MicrosoftAzureBuilder::from_env().with_url(base).with_retry(retry);
            Arc::new(builder.build().map_err(convert)?)
        }
        Scheme::Http => {
            let options = ClientOptions::new().with_timeout(REQUEST).with_connect_timeout(CONNECT);
            let builder =
                HttpBuilder::new().with_url(base).with_client_options(options.with_allow_http(true));
            Arc::new(builder.with_retry(retry).build().map_err(convert)?)
        }
        Scheme::Memory => Arc::new(InMemory::new()),
    };
    clients.insert((scheme, base.to_owned()), client.clone());
    Ok(client)
}

/// Google unzips what is stored zipped for whoever does not say that he can, and then does not say how long it is,
/// which `object_store` insists on.
fn as_stored(options: ClientOptions) -> ClientOptions {
    let mut headers = HeaderMap::new();
    headers.insert("accept-encoding", HeaderValue::from_static("gzip"));
    options.with_default_headers(headers)
}

/// What the environment says of the client, as the builder would read it.
fn google_options() -> ClientOptions {
    let options = ClientOptions::new().with_allow_http(true);
    std::env::vars_os().fold(options, |options, (name, value)| {
        let name = name.to_str().map(str::to_ascii_lowercase);
        let key =
            name.as_deref().and_then(|name| name.strip_prefix("google_")?.parse::<ClientConfigKey>().ok());
        match (key, value.to_str()) {
            (Some(key), Some(value)) => options.with_config(key, value),
            _ => options,
        }
    })
}

fn attributes(key: &str, encoding: Option<&'static str>) -> Attributes {
    let is_json = key.rsplit('/').next().is_some_and(|name| {
        name == "info"
            || name.starts_with(".z")
            || std::path::Path::new(name).extension().is_some_and(|end| end == "json")
    });
    let content = if is_json { "application/json" } else { "application/octet-stream" };
    let mut attributes = Attributes::new();
    attributes.insert(Attribute::ContentType, content.into());
    if let Some(encoding) = encoding {
        attributes.insert(Attribute::ContentEncoding, encoding.into());
    }
    attributes
}

fn found<T>(result: Result<T, Error>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(convert(error)),
    }
}

/// As an I/O error, whose kind says whether trying again may help, and whose text shows no secrets.
fn convert(error: Error) -> io::Error {
    let kind = match &error {
        Error::NotFound { .. } => ErrorKind::NotFound,
        Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. } => {
            ErrorKind::AlreadyExists
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => ErrorKind::PermissionDenied,
        Error::NotSupported { .. } | Error::NotImplemented { .. } => ErrorKind::Unsupported,
        Error::InvalidPath { .. } | Error::UnknownConfigurationKey { .. } => ErrorKind::InvalidInput,
        error => generic_kind(error),
    };
    io::Error::new(kind, shown(&error.to_string()))
}

/// What is behind an error of which only its text is said.
fn generic_kind(error: &Error) -> ErrorKind {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(http) = error.downcast_ref::<HttpError>() {
            return match http.kind() {
                HttpErrorKind::Connect => ErrorKind::NotConnected,
                HttpErrorKind::Timeout => ErrorKind::TimedOut,
                // A connection that was cut off in the middle of a body shows as a body that cannot be decoded.
                HttpErrorKind::Request | HttpErrorKind::Interrupted | HttpErrorKind::Decode => {
                    ErrorKind::ConnectionReset
                }
                _ => ErrorKind::Other,
            };
        }
        source = error.source();
    }
    match status(&error.to_string()) {
        Some(408 | 425 | 429 | 500..) => ErrorKind::ResourceBusy,
        Some(416) => ErrorKind::InvalidInput,
        _ => ErrorKind::Other,
    }
}

/// The type that knows the status of a response is private.
fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("status code: ")?;
    rest.get(..3)?.parse().ok()
}
