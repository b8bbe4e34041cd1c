//! The lines of a file, one at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use crate::error::Error;
use crate::target::Resolve;

/// Longest line. A longer one could not be part of a message.
const MAX_LINE: u64 = 1 << 20;

/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

/// The lines of a file without their ends, read as they are asked for.
pub(super) struct Lines {
    reader: BufReader<File>,
    name: String,
    /// The number of the last line read, from 1.
    number: u64,
}

impl Lines {
    pub(super) fn open(path: &str, resolver: &dyn Resolve) -> Result<Self, Error> {
        let is_spooled = path == STANDARD_INPUT;
        let (file, name) = if is_spooled {
            let spooled = resolver.standard_input().ok_or_else(|| {
                Error::permanent("\"-\" means standard input, which there is none of here; name a file")
            })?;
            (File::open(&spooled), "standard input".to_owned())
        } else {
            (File::open(path), format!("{path:?}"))
        };
        let file = file.map_err(|error| Error::from(error).context(format!("cannot open {name}")))?;
        if file.metadata().is_ok_and(|found| found.is_dir()) {
            return Err(Error::permanent(format!(
                "{name} is a directory; name a file, or go over it with glob"
            )));
        }
        if !is_spooled && !file.metadata().is_ok_and(|found| found.is_file()) {
            // It is read when the spec is checked, when it runs and when it is resumed.
            return Err(Error::permanent(format!(
                "{name} is a pipe or a device, which can be read only once; name a file, or give it as standard input by \"-\""
            )));
        }
        Ok(Self { reader: BufReader::new(file), name, number: 0 })
    }

    fn read(&mut self) -> Result<Option<String>, Error> {
        self.number += 1;
        let mut line = Vec::new();
        // One more than allowed tells a line that is too long from one that just fits.
        let length = (&mut self.reader).take(MAX_LINE + 1).read_until(b'\n', &mut line);
        let place = || format!("line {} of {}", self.number, self.name);
        let length =
            length.map_err(|error| Error::from(error).context(format!("cannot read {}", place())))?;
        if length == 0 {
            return Ok(None);
        }
        if line.ends_with(b"\n") {
            line.pop();
            if line.ends_with(b"\r") {
                line.pop();
            }
        } else if length as u64 > MAX_LINE {
            return Err(Error::permanent(format!("{} is longer than {MAX_LINE} bytes", place())));
        }
        // A byte order mark is the file's, not the first line's.
        if self.number == 1 && line.starts_with(b"\xef\xbb\xbf") {
            line.drain(..3);
        }
        match String::from_utf8(line) {
            Ok(line) => Ok(Some(line)),
            Err(error) => Err(Error::permanent(format!(
                "{} is not UTF-8: byte {} is wrong; convert the file",
                place(),
                error.utf8_error().valid_up_to() + 1
            ))),
        }
    }
}

impl Iterator for Lines {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
