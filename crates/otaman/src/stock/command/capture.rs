//! One output stream of a process: its beginning and its end in memory, all of it in a file when it
//! is large, so that a gigabyte of output costs no more memory than a line.

use std::io;

use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::context::Context;
use crate::error::Error;
use crate::lines::Lines;
use crate::stock::command::operation::KeptFile;

/// How much of a stream is part of the value; a longer stream goes to a file as well.
const MAX_INLINE: usize = 64 * 1024;

/// How much of a stream's end is kept as evidence of a failure.
const MAX_TAIL: usize = 16 * 1024;

/// As much as a pipe holds by default on Linux.
const CHUNK: usize = 64 * 1024;

/// What a process has written to one stream.
#[derive(Default)]
pub(super) struct Capture {
    /// The first [`MAX_INLINE`] bytes.
    head: Vec<u8>,
    /// At least the last [`MAX_TAIL`] bytes, at most twice as many and a chunk.
    tail: Vec<u8>,
    bytes: u64,
    spool: Option<Spool>,
}

/// The whole stream; the file vanishes with it unless it was kept.
struct Spool {
    file: File,
    path: TempPath,
}

impl Capture {
    /// Reads the stream to its end.
    pub(super) async fn read(
        &mut self,
        mut stream: impl AsyncRead + Unpin,
        context: &Context,
    ) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        let mut lines = Lines::default();
        loop {
            let length = stream.read(&mut chunk).await?;
            if length == 0 {
                lines.end(|line| context.log(line));
                return Ok(());
            }
            self.take(&chunk[..length]).await?;
            lines.take(&chunk[..length], |line| context.log(line));
        }
    }

    async fn take(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.tail.extend_from_slice(chunk);
        if self.tail.len() > 2 * MAX_TAIL {
            self.tail.drain(..self.tail.len() - MAX_TAIL);
        }
        let inline = chunk.len().min(MAX_INLINE - self.head.len());
        let is_first_beyond = self.spool.is_none() && inline < chunk.len();
        if is_first_beyond {
            let (file, path) = tempfile::Builder::new().prefix("otaman-output-").tempfile()?.into_parts();
            let mut file = File::from_std(file);
            file.write_all(&self.head).await?;
            self.spool = Some(Spool { file, path });
        }
        self.head.extend_from_slice(&chunk[..inline]);
        if let Some(spool) = &mut self.spool {
            spool.file.write_all(chunk).await?;
        }
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    /// The beginning of the stream; all of it unless there is a file.
    pub(super) fn text(&self) -> String {
        let end = if self.spool.is_some() { whole_characters(&self.head) } else { self.head.len() };
        String::from_utf8_lossy(&self.head[..end]).into_owned()
    }

    /// The end of the stream.
    pub(super) fn tail(&self) -> String {
        String::from_utf8_lossy(&self.tail).into_owned()
    }

    /// Whether nothing but white space was written.
    pub(super) fn is_blank(&self) -> bool {
        self.tail.trim_ascii().is_empty()
    }

    /// Puts the whole stream aside, if it is too large to be part of the value.
    pub(super) async fn keep(&mut self, context: &Context) -> Result<Option<KeptFile>, Error> {
        let Some(mut spool) = self.spool.take() else { return Ok(None) };
        spool.file.flush().await?;
        let url = context.keep(&spool.path).await?;
        Ok(Some(KeptFile { url, bytes: self.bytes }))
    }
}

/// How many bytes are left when a character that the end cuts apart is left out.
fn whole_characters(bytes: &[u8]) -> usize {
    let length = bytes.len();
    for back in 1..=length.min(3) {
        let needed = match bytes[length - back] {
            0x80..=0xbf => continue,
            0xc0..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf7 => 4,
            _ => 1,
        };
        return if needed > back { length - back } else { length };
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stock::testing::Recorder;

    #[test]
    fn a_cut_character_is_left_out_and_a_whole_one_stays() {
        for (text, cut) in [("aж", 1), ("a€", 1), ("a€", 2), ("a😀", 1), ("a😀", 3)] {
            let bytes = &text.as_bytes()[..text.len() - cut];
            assert_eq!(whole_characters(bytes), 1, "{text} without {cut}");
            assert_eq!(whole_characters(text.as_bytes()), text.len());
        }
        assert_eq!(whole_characters(b""), 0);
        assert_eq!(whole_characters(&[0xff; 9]), 9);
    }

    #[tokio::test]
    async fn exactly_the_limit_needs_no_file_and_one_byte_more_does() {
        for (length, is_kept) in [(MAX_INLINE, false), (MAX_INLINE + 1, true)] {
            let recorder = Recorder::default();
            let mut capture = Capture::default();
            capture.read(&*vec![b'x'; length], &recorder.context()).await.unwrap();
            assert_eq!(capture.text().len(), MAX_INLINE);
            let kept = capture.keep(&recorder.context()).await.unwrap();
            assert_eq!(kept.map(|file| file.bytes), is_kept.then_some(length as u64));
        }
    }

    #[tokio::test]
    async fn the_tail_is_the_end_of_the_stream() {
        let recorder = Recorder::default();
        let mut capture = Capture::default();
        let text: String = (0..100_000).map(|number| format!("{number}\n")).collect();
        capture.read(text.as_bytes(), &recorder.context()).await.unwrap();
        assert!(capture.tail().len() >= MAX_TAIL && capture.tail().len() <= 2 * MAX_TAIL);
        assert!(text.ends_with(&capture.tail()));
    }
}
