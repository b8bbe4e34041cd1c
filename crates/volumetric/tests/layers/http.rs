//! Layers on a web server: read in parts or as a whole, never written.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use flate2::Compression;
use flate2::write::GzEncoder;
use otaman::Cause;
use serde_json::json;
use volumetric::array::DataType;
use volumetric::layer::storage::Storage;

use crate::support::{assert_says, bounds, create, open, resolution, spec, values};

/// Serves a directory on loopback until the test process ends.
struct Server {
    address: String,
    requests: Arc<AtomicUsize>,
}

/// How it serves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Ranges,
    WholeFiles,
    Forbidden,
    /// Breaks off the first answer in the middle.
    CutOffOnce,
    /// Zips everything, and says so.
    Zipped,
}

fn serve(directory: &Path, manner: Manner) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let requests = Arc::new(AtomicUsize::new(0));
    let (directory, counter) = (directory.to_owned(), requests.clone());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (directory, counter) = (directory.clone(), counter.clone());
            thread::spawn(move || answer(stream.unwrap(), &directory, manner, &counter));
        }
    });
    Server { address, requests }
}

fn answer(mut stream: TcpStream, directory: &Path, manner: Manner, counter: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let mut words = line.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut range = None;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            if header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_lowercase().strip_prefix("range: bytes=") {
                range = Some(value.trim().to_owned());
            }
        }
        let number = counter.fetch_add(1, Ordering::Relaxed);
        let content = fs::read(directory.join(path.trim_start_matches('/'))).ok();
        let Some(content) = content.filter(|_| manner != Manner::Forbidden) else {
            let status = if manner == Manner::Forbidden { "403 Forbidden" } else { "404 Not Found" };
            stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).ok()?;
            continue;
        };
        let (content, zipped) = match manner {
            Manner::Zipped => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&content).ok()?;
                (encoder.finish().ok()?, "content-encoding: gzip\r\n")
            }
            _ => (content, ""),
        };
        let modified = "last-modified: Wed, 01 Jan 2020 00:00:00 GMT";
        let (status, extra, body) = match range.filter(|_| manner == Manner::Ranges) {
            None => ("200 OK", String::new(), &content[..]),
            Some(range) => {
                let (start, stop) = range.split_once('-')?;
                let (start, stop) = if start.is_empty() {
                    (content.len() - stop.parse::<usize>().ok()?, content.len())
                } else {
                    (start.parse().ok()?, (stop.parse::<usize>().ok()? + 1).min(content.len()))
                };
                let extra = format!("content-range: bytes {start}-{}/{}\r\n", stop - 1, content.len());
                ("206 Partial Content", extra, &content[start..stop])
            }
        };
        let head = format!(
            "HTTP/1.1 {status}\r\n{modified}\r\n{extra}{zipped}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        if method != "HEAD" {
            if manner == Manner::CutOffOnce && number == 0 {
                stream.write_all(&body[..body.len() / 2]).ok()?;
                return None;
            }
            stream.write_all(body).ok()?;
        }
    }
}

fn make(directory: &Path) {
    let bbox = json!({
        "@type": "BBox3D.from_coords", "start_coord": [0, 0, 0], "end_coord": [20, 20, 8], "resolution": [8, 8, 8]
    });
    let precomputed = |name: &str, compress: bool| {
        json!({
            "@type": "build_cv_layer", "path": directory.join(name), "info_scales": [[8, 8, 8]], "info_type": "image",
            "info_data_type": "uint32", "info_num_channels": 1, "info_encoding": "raw", "info_chunk_size": [8, 8, 8],
            "info_bbox": bbox, "cv_kwargs": {"compress": compress}
        })
    };
    let place = bounds([0, 0, 0], [20, 12, 8]);
    for layer in [
        precomputed("raw", false),
        precomputed("gzip", true),
        json!({
            "@type": "build_zarr_layer", "path": directory.join("zarr"), "resolution": [8, 8, 8], "bbox": bbox,
            "data_type": "uint32", "chunk_size": [4, 4, 4], "shard_size": [8, 8, 8]
        }),
    ] {
        let layer = create(layer);
        layer.write(resolution([8.0; 3]), place.start, values(DataType::Uint32, 1, place)).unwrap();
    }
}

#[test]
fn layers_are_read_from_servers_that_know_ranges_or_not() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path());
    for manner in [Manner::Ranges, Manner::WholeFiles, Manner::CutOffOnce] {
        let server = serve(directory.path(), manner);
        for (kind, name) in
            [("build_cv_layer", "raw"), ("build_cv_layer", "gzip"), ("build_zarr_layer", "zarr")]
        {
            let local = open(json!({"@type": kind, "path": directory.path().join(name)}));
            let far = open(json!({"@type": kind, "path": format!("http://{}/{name}", server.address)}));
            // The last rows were never written.
            for place in [bounds([0, 0, 0], [20, 20, 8]), bounds([3, 9, 1], [5, 17, 7])] {
                let expected = local.read(resolution([8.0; 3]), place).unwrap();
                assert_eq!(far.read(resolution([8.0; 3]), place).unwrap(), expected, "{name}");
            }
        }
        assert!(server.requests.load(Ordering::Relaxed) > 20);
    }
}

#[test]
fn what_servers_say_is_zipped_is_unzipped() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path());
    let server = serve(directory.path(), Manner::Zipped);
    let local = open(json!({"@type": "build_cv_layer", "path": directory.path().join("raw")}));
    let far = open(json!({"@type": "build_cv_layer", "path": format!("http://{}/raw", server.address)}));
    let place = bounds([0, 0, 0], [20, 20, 8]);
    assert_eq!(
        far.read(resolution([8.0; 3]), place).unwrap(),
        local.read(resolution([8.0; 3]), place).unwrap()
    );
}

#[test]
fn a_cache_spares_the_server() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path());
    let server = serve(directory.path(), Manner::Ranges);
    let layer = open(json!({"@type": "build_zarr_layer", "path": format!("http://{}/zarr", server.address)}));
    let place = bounds([1, 1, 1], [19, 19, 7]);
    let read = |layer: &volumetric::layer::Layer| {
        let before = server.requests.load(Ordering::Relaxed);
        layer.read(resolution([8.0; 3]), place).unwrap();
        server.requests.load(Ordering::Relaxed) - before
    };
    let cached = layer.cached();
    assert!(read(&cached) > 0);
    assert_eq!(read(&cached.clone()), 0);
    assert!(read(&layer) > 0);
    assert!(read(&layer.cached()) > 0, "a cache of its own");
}

#[test]
fn servers_are_never_written_to() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path());
    let server = serve(directory.path(), Manner::Ranges);
    let layer = open(json!({"@type": "build_cv_layer", "path": format!("http://{}/raw", server.address)}));
    let place = bounds([0, 0, 0], [8, 8, 8]);
    let error =
        layer.write(resolution([8.0; 3]), place.start, values(DataType::Uint32, 1, place)).unwrap_err();
    assert_says(&error, "are only read; write to a path");
    assert!(!error.is_transient());
}

#[test]
fn refusals_are_permanent_and_servers_that_are_not_there_are_not() {
    let directory = tempfile::tempdir().unwrap();
    make(directory.path());
    let server = serve(directory.path(), Manner::Forbidden);
    let secret = format!("http://user:password@{}/raw", server.address);
    let error = spec(json!({"@type": "build_cv_layer", "path": secret})).open().unwrap_err();
    assert_says(&error, &format!("cannot read http://{}/raw/info", server.address));
    assert!(!error.is_transient());
    let error = otaman::Error::from(error);
    assert_eq!(error.cause(), Cause::Permanent, "{error}");
    assert!(!error.to_string().contains("password"), "{error}");

    // A port that was just free.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let storage = Storage::open(&format!("http://{free}/raw")).unwrap();
    let error = storage.get("info").unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    let error = otaman::Error::from(volumetric::layer::Error::from(error));
    assert_eq!(error.cause(), Cause::Transient, "{error}");
}
