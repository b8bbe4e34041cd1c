//! Layers in a bucket: what is asked of a server that speaks as S3 does.

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

/// Tells the child that it is one.
const CHILD: &str = "OTAMAN_TEST_S3_CHILD";

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
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
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
        ("PUT", _) if exists && headers.get("if-none-match").is_some_and(|tag| tag == "*") => {
            ("412 Precondition Failed", None, Vec::new())
        }
        ("PUT", _) => {
            objects.insert(path, (body, headers.get("content-encoding").cloned()));
            ("200 OK", None, Vec::new())
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
        "HTTP/1.1 {status}\r\nlast-modified: Wed, 01 Jan 2020 00:00:00 GMT\r\netag: \"1\"\r\n{encoding}\
         content-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    if method != "HEAD" {
        stream.write_all(&body).ok()?;
    }
    Some(())
}

#[test]
fn layers_in_a_bucket_are_written_and_read() {
    let objects = Objects::default();
    let address = serve(objects.clone());
    // The environment says where S3 is, and it is the whole process's.
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "s3::writes_to_a_bucket", "--ignored", "--test-threads=1"])
        .env(CHILD, "1")
        .env("AWS_ENDPOINT", format!("http://{address}"))
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .output()
        .unwrap();
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
    if env::var_os(CHILD).is_none() {
        return;
    }
    let layer = json!({
        "@type": "build_cv_layer", "path": "s3://bucket/some/layer", "info_scales": [[8, 8, 8]], "info_type": "image",
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
    let read = open(json!({"@type": "build_cv_layer", "path": "s3://bucket/some/layer"}));
    assert_eq!(read.read(nanometres, near).unwrap(), values(DataType::Int16, 1, near));
    assert!(read.read(nanometres, far).unwrap().elements().bytes().iter().all(|byte| *byte == 0));
    let bucket = Storage::open("s3://bucket").unwrap();
    assert!(bucket.put_if_absent("once", b"1").unwrap());
    assert!(!bucket.put_if_absent("once", b"2").unwrap());
    assert_eq!(bucket.get("once").unwrap().unwrap(), "1");
    assert_eq!(bucket.get("never").unwrap(), None);
}
