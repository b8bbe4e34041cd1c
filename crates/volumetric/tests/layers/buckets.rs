//! Layers in a bucket: what is asked of a server that speaks as S3 does, or Google's storage.

use std::collections::HashMap;
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;
use volumetric::array::DataType;
use volumetric::geometry::Vec3;
use volumetric::layer::storage::Storage;

use crate::support::{bounds, create, open, resolution, values};

/// Tells the child that it is one, and where the bucket is: `s3` or `gs`.
const CHILD: &str = "OTAMAN_TEST_BUCKET_CHILD";

/// What the bucket holds: bytes and how they say they are compressed.
type Objects = Arc<Mutex<HashMap<String, (Vec<u8>, Option<String>)>>>;

fn serve(objects: Objects) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let objects = objects.clone();
            thread::spawn(move || while answer(stream.as_ref().unwrap(), &objects).is_some() {});
        }
    });
    address
}

fn answer(mut stream: &TcpStream, objects: &Objects) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split(' ');
    // Google's clients write `/` as `%2F`, too.
    let (method, path) = (words.next()?.to_owned(), decoded(words.next()?));
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    let mut objects = objects.lock().unwrap();
    let exists = objects.contains_key(&path);
    let (status, encoding, body) = match (&*method, objects.get(&path)) {
        ("PUT", _) if exists && is_only_if_absent(&headers) => ("412 Precondition Failed", None, Vec::new()),
        ("PUT", _) => {
            objects.insert(path, (body, headers.get("content-encoding").cloned()));
            ("200 OK", None, Vec::new())
        }
        ("DELETE", _) => {
            objects.remove(&path);
            ("204 No Content", None, Vec::new())
        }
        // Deletes all that the body names.
        ("POST", _) => {
            let body = String::from_utf8(body).unwrap();
            let mut deleted = String::new();
            for key in body.split("<Key>").skip(1) {
                let key = key.split_once("</Key>")?.0;
                objects.remove(&format!("/bucket/{key}"));
                deleted += &format!("<Deleted><Key>{key}</Key></Deleted>");
            }
            ("200 OK", None, format!("<DeleteResult>{deleted}</DeleteResult>").into_bytes())
        }
        (_, Some((bytes, encoding))) => ("200 OK", encoding.clone(), bytes.clone()),
        (_, None) => ("404 Not Found", None, b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
    };
    let encoding = encoding.map_or_else(String::new, |encoding| format!("content-encoding: {encoding}\r\n"));
    let head = format!(
        "HTTP/1.1 {status}\r\nx-goog-generation: 1\r\nlast-modified: Wed, 01 Jan 2020 00:00:00 GMT\r\netag: \"1\"\r\n{encoding}\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    if method != "HEAD" {
        stream.write_all(&body).ok()?;
    }
    Some(())
}

fn is_only_if_absent(headers: &HashMap<String, String>) -> bool {
    let says = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
    says("if-none-match", "*") || says("x-goog-if-generation-match", "0")
}

fn decoded(path: &str) -> String {
    let mut parts = path.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(2);
        text.push(char::from(u8::from_str_radix(code, 16).unwrap()));
        text.push_str(rest);
    }
    text
}

#[test]
fn layers_in_a_bucket_of_s3_are_written_and_read() {
    expect_written_and_read("s3", |child, address| {
        child
            .env("AWS_ENDPOINT", format!("http://{address}"))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test");
    });
}

#[test]
fn layers_in_a_bucket_of_google_are_written_and_read() {
    let account = tempfile::NamedTempFile::new().unwrap();
    expect_written_and_read("gs", |child, address| {
        let text = json!({
            "gcs_base_url": format!("http://{address}"), "disable_oauth": true, "client_email": "", "private_key": "",
            "private_key_id": ""
        });
        std::fs::write(account.path(), text.to_string()).unwrap();
        child.env("GOOGLE_SERVICE_ACCOUNT", account.path()).env("GOOGLE_SKIP_SIGNATURE", "true");
    });
}

#[track_caller]
fn expect_written_and_read(scheme: &str, environment: impl Fn(&mut Command, &str)) {
    let objects = Objects::default();
    let address = serve(objects.clone());
    // The environment says where the server is, and it is the whole process's.
    let mut child = Command::new(env::current_exe().unwrap());
    child
        .args(["--exact", "buckets::writes_to_a_bucket", "--ignored", "--test-threads=1"])
        .env(CHILD, scheme);
    environment(&mut child, &address);
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let objects = objects.lock().unwrap();
    let mut names: Vec<_> =
        objects.iter().map(|(name, (_, encoding))| (name.as_str(), encoding.as_deref())).collect();
    names.sort_unstable();
    let chunk = "/bucket/some/layer/8_8_8";
    // Zipped chunks say so and have no other name for it; a chunk of zeros is not there.
    assert_eq!(
        names,
        [
            ("/bucket/once", None),
            (&*format!("{chunk}/0-8_0-8_0-8"), Some("gzip")),
            (&*format!("{chunk}/8-12_0-8_0-8"), Some("gzip")),
            ("/bucket/some/layer/info", None),
        ]
    );
}

/// Not a test by itself: runs where the environment names the server.
#[test]
#[ignore = "is started by another test"]
fn writes_to_a_bucket() {
    let Ok(scheme) = env::var(CHILD) else { return };
    let path = format!("{scheme}://bucket/some/layer");
    let layer = json!({
        "@type": "build_cv_layer", "path": path, "info_scales": [[8, 8, 8]], "info_type": "image",
        "info_data_type": "int16", "info_num_channels": 1, "info_encoding": "raw", "info_chunk_size": [8, 8, 8],
        "info_bbox": {
            "@type": "BBox3D.from_coords", "start_coord": [0, 0, 0], "end_coord": [12, 12, 8], "resolution": [8, 8, 8]
        },
        "cv_kwargs": {"compress": "gzip"}
    });
    let layer = create(layer);
    let (nanometres, place) = (resolution([8.0; 3]), bounds([0, 0, 0], [12, 12, 8]));
    layer.write(nanometres, Vec3::ZERO, values(DataType::Int16, 1, place)).unwrap();
    let far = bounds([0, 8, 0], [12, 12, 8]);
    let zeros = volumetric::array::Array::zeros(DataType::Int16, values(DataType::Int16, 1, far).shape());
    layer.write(nanometres, far.start, zeros).unwrap();
    let near = bounds([0, 0, 0], [12, 8, 8]);
    let read = open(json!({"@type": "build_cv_layer", "path": path}));
    assert_eq!(read.read(nanometres, near).unwrap(), values(DataType::Int16, 1, near));
    assert!(read.read(nanometres, far).unwrap().elements().bytes().iter().all(|byte| *byte == 0));
    let bucket = Storage::open(&format!("{scheme}://bucket")).unwrap();
    assert!(bucket.put_if_absent("once", b"1").unwrap());
    assert!(!bucket.put_if_absent("once", b"2").unwrap());
    assert_eq!(bucket.get("once").unwrap().unwrap(), "1");
    assert_eq!(bucket.get("never").unwrap(), None);
}
