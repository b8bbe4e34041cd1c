//! The benchmark of volumes: a copy and a mean downsample of 1 GiB of bytes by the real coordinator, beside plain code
//! that does the same with the same files and codec, on as many threads, in one run.
//!
//! `cargo run --release -p tests --example volumes_bench -- [DIRECTORY [ROUNDS]]`

#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value as Json, json};
use tests::{Coordinator, measured};

/// Voxels along each side of the volume, and of its storage chunks.
const SIDE: usize = 1024;
const CHUNK: usize = 128;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let rounds: usize = arguments.next().map_or(3, |rounds| rounds.parse().expect("a number"));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let directory = tempfile::tempdir_in(parent).expect("the directory is writable");
    let at = |name: &str| directory.path().join(name);
    println!("1 GiB of uint8 in chunks of {CHUNK}³, {threads} threads; GB/s of the source\n");
    println!(
        "{:>12} {:>8} {:>8} {:>7} {:>12} {:>16}",
        "", "ours", "plain", "share", "ours, peak", "plain, no sync"
    );
    for (name, zips) in [("raw", false), ("gzip", true)] {
        let source = Plain { directory: at(&format!("{name}-source")), side: SIDE, zips };
        source.generate(threads);
        for _ in 0..rounds {
            for (job, factor) in [("copy", 1), ("mean", 2)] {
                let (ours, plain) = (at("ours"), at("plain"));
                let ours = Plain { directory: ours, side: SIDE / factor, zips };
                let plain = Plain { directory: plain, side: SIDE / factor, zips };
                settle(directory.path());
                let (seconds, peak) = by_coordinator(&source, &ours, factor);
                settle(directory.path());
                let started = Instant::now();
                source.copy_to(&plain, factor, threads);
                let unsynced = started.elapsed().as_secs_f64();
                // Outcomes are durable, and with them what tasks have written; so is this.
                settle(directory.path());
                let other = started.elapsed().as_secs_f64();
                ours.expect_equal(&plain);
                println!(
                    "{:>12} {:>8.2} {:>8.2} {:>7.2} {:>9.0} MB {:>16.2}",
                    format!("{job}, {name}"),
                    rate(seconds),
                    rate(other),
                    other / seconds,
                    peak,
                    rate(unsynced),
                );
                fs::remove_dir_all(&ours.directory).expect("it can be deleted");
                fs::remove_dir_all(&plain.directory).expect("it can be deleted");
            }
        }
    }
}

/// Nothing that was written before shall be written at the expense of what is measured.
fn settle(directory: &Path) {
    let directory = File::open(directory).expect("it is there");
    rustix::fs::syncfs(&directory).expect("it can be synced");
}

fn rate(seconds: f64) -> f64 {
    SIDE.pow(3) as f64 / 1e9 / seconds
}

/// Wall time of the whole process, start and planning included, and its peak memory in MB.
fn by_coordinator(source: &Plain, target: &Plain, factor: usize) -> (f64, f64) {
    let coordinator = Coordinator::new();
    let spec = coordinator.file("spec.json", &spec(source, target, factor).to_string());
    measured(&mut coordinator.command(&["execute", &spec, "--quiet"]))
}

fn spec(source: &Plain, target: &Plain, factor: usize) -> Json {
    let bbox = json!({
        "@type": "BBox3D.from_coords", "start_coord": [0, 0, 0], "end_coord": [SIDE, SIDE, SIDE], "resolution": [8, 8, 8]
    });
    let resolution = json!([8 * factor, 8 * factor, 8 * factor]);
    let dst = json!({
        "@type": "build_cv_layer", "path": target.directory, "info_scales": [resolution], "info_type": "image",
        "info_data_type": "uint8", "info_num_channels": 1, "info_encoding": "raw",
        "info_chunk_size": [CHUNK, CHUNK, CHUNK], "info_bbox": bbox, "cv_kwargs": {"compress": target.zips}
    });
    let src = json!({"@type": "build_cv_layer", "path": source.directory});
    let function = match factor {
        1 => json!({"@type": "lambda", "lambda_str": "lambda src: src"}),
        _ => json!({"@type": "downsample", "@mode": "partial", "factor": [factor, factor, factor]}),
    };
    json!({
        "@type": "build_subchunkable_apply_flow", "dst": dst, "dst_resolution": resolution, "bbox": bbox,
        "processing_chunk_sizes": [[CHUNK, CHUNK, CHUNK]], "skip_intermediaries": true,
        "op": {"@type": "VolumetricCallableOperation", "fn": function, "res_change_mult": [factor, factor, factor]},
        "op_kwargs": {"src": src}
    })
}

/// A precomputed volume by plain code.
struct Plain {
    directory: PathBuf,
    side: usize,
    zips: bool,
}

impl Plain {
    /// Neither all the same nor all different, as images are.
    fn generate(&self, threads: usize) {
        let info = json!({
            "type": "image", "data_type": "uint8", "num_channels": 1,
            "scales": [{"key": "8_8_8", "size": [self.side, self.side, self.side], "resolution": [8, 8, 8],
                "voxel_offset": [0, 0, 0], "chunk_sizes": [[CHUNK, CHUNK, CHUNK]], "encoding": "raw"}]
        });
        fs::create_dir_all(&self.directory).expect("the directory is writable");
        fs::write(self.directory.join("info"), info.to_string()).expect("the directory is writable");
        self.each_chunk(threads, |chunk| {
            let mut bytes = Vec::with_capacity(CHUNK.pow(3));
            for z in (0..CHUNK).map(|z| z + chunk[2] * CHUNK) {
                for y in (0..CHUNK).map(|y| y + chunk[1] * CHUNK) {
                    bytes.extend((0..CHUNK).map(|x| x + chunk[0] * CHUNK).map(|x| {
                        u8::try_from((x / 3 + y / 5 + z * 7 + (x * y * 31 + z * 17) % 5) % 200 + 1)
                            .unwrap_or(1)
                    }));
                }
            }
            self.write(chunk, &bytes);
        });
    }

    fn copy_to(&self, target: &Self, factor: usize, threads: usize) {
        fs::create_dir_all(target.scale()).expect("the directory is writable");
        target.each_chunk(threads, |chunk| match factor {
            1 => target.write(chunk, &self.read(chunk)),
            _ => target.write(chunk, &self.mean(chunk)),
        });
    }

    /// Means of 2 × 2 × 2 voxels, rounded half to even.
    fn mean(&self, chunk: [usize; 3]) -> Vec<u8> {
        const HALF: usize = CHUNK / 2;
        let mut means = vec![0; CHUNK.pow(3)];
        for part in 0..8 {
            let offset = [part & 1, part >> 1 & 1, part >> 2];
            let bytes = self.read([0, 1, 2].map(|axis| chunk[axis] * 2 + offset[axis]));
            for z in 0..HALF {
                for y in 0..HALF {
                    let row =
                        |dy: usize, dz: usize| &bytes[((2 * z + dz) * CHUNK + 2 * y + dy) * CHUNK..][..CHUNK];
                    let rows = [row(0, 0), row(1, 0), row(0, 1), row(1, 1)];
                    let start =
                        ((offset[2] * HALF + z) * CHUNK + offset[1] * HALF + y) * CHUNK + offset[0] * HALF;
                    for (x, mean) in means[start..start + HALF].iter_mut().enumerate() {
                        let sum: u16 =
                            rows.iter().map(|row| u16::from(row[2 * x]) + u16::from(row[2 * x + 1])).sum();
                        *mean = ((sum + 3 + (sum >> 3 & 1)) >> 3) as u8;
                    }
                }
            }
        }
        means
    }

    fn each_chunk(&self, threads: usize, work: impl Fn([usize; 3]) + Sync) {
        let across = self.side / CHUNK;
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= across.pow(3) {
                            break;
                        }
                        work([number % across, number / across % across, number / across.pow(2)]);
                    }
                });
            }
        });
    }

    fn scale(&self) -> PathBuf {
        let key = 8 * SIDE / self.side;
        self.directory.join(format!("{key}_{key}_{key}"))
    }

    fn file(&self, chunk: [usize; 3]) -> PathBuf {
        let range = |axis: usize| format!("{}-{}", chunk[axis] * CHUNK, (chunk[axis] + 1) * CHUNK);
        let ending = if self.zips { ".gz" } else { "" };
        self.scale().join(format!("{}_{}_{}{ending}", range(0), range(1), range(2)))
    }

    fn read(&self, chunk: [usize; 3]) -> Vec<u8> {
        let bytes = fs::read(self.file(chunk)).expect("the chunk is there");
        if !self.zips {
            return bytes;
        }
        let mut values = Vec::with_capacity(CHUNK.pow(3));
        GzDecoder::new(&*bytes).read_to_end(&mut values).expect("it is zipped");
        values
    }

    fn write(&self, chunk: [usize; 3], values: &[u8]) {
        let file = self.file(chunk);
        fs::create_dir_all(file.parent().expect("is in a directory")).expect("the directory is writable");
        if !self.zips {
            return fs::write(file, values).expect("it can be written");
        }
        let mut encoder = GzEncoder::new(Vec::with_capacity(values.len() / 2), Compression::default());
        encoder.write_all(values).expect("memory is there");
        fs::write(file, encoder.finish().expect("memory is there")).expect("it can be written");
    }

    fn expect_equal(&self, other: &Self) {
        self.each_chunk(2, |chunk| assert!(self.read(chunk) == other.read(chunk), "{chunk:?} differs"));
    }
}
