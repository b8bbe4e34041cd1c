//! Lines of a stream that comes in chunks, for the log: long ones cut, bursts thinned.

/// Longest line that is logged whole.
const MAX_LINE: usize = 4 * 1024;

/// Most lines logged of one chunk; of more, the last ones. The value has them all.
const MAX_BURST: usize = 100;

/// Puts the lines of a stream together, for the log of a task.
#[derive(Debug, Default)]
pub struct Lines {
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
}

impl Lines {
    /// Takes a chunk and logs the lines that it completes.
    pub fn take(&mut self, chunk: &[u8], mut log: impl FnMut(&str)) {
        let Some(last_end) = chunk.iter().rposition(|byte| *byte == b'\n') else {
            return self.grow(chunk);
        };
        // The last lines first; splitting stops early, so that a flood of short lines costs little.
        let mut lines: Vec<&[u8]> = chunk[..last_end].rsplitn(MAX_BURST + 1, |byte| *byte == b'\n').collect();
        if lines.len() > MAX_BURST {
            lines.pop();
            self.partial.clear();
        } else if let Some(first) = lines.pop() {
            self.grow(first);
            log(&text(&self.partial));
            self.partial.clear();
        }
        for line in lines.into_iter().rev() {
            log(&text(line));
        }
        self.grow(&chunk[last_end + 1..]);
    }

    /// Logs what is left when the stream has ended.
    pub fn end(&mut self, mut log: impl FnMut(&str)) {
        if !self.partial.is_empty() {
            log(&text(&self.partial));
            self.partial.clear();
        }
    }

    fn grow(&mut self, bytes: &[u8]) {
        let room = (MAX_LINE + 1).saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

fn text(line: &[u8]) -> std::borrow::Cow<'_, str> {
    if line.len() > MAX_LINE {
        return format!("{} …", String::from_utf8_lossy(&line[..MAX_LINE])).into();
    }
    String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(chunks: &[&[u8]]) -> Vec<String> {
        let mut logged = Vec::new();
        let mut lines = Lines::default();
        for chunk in chunks {
            lines.take(chunk, |line| logged.push(line.to_owned()));
        }
        lines.end(|line| logged.push(line.to_owned()));
        logged
    }

    #[test]
    fn lines_are_put_together_across_chunks() {
        assert_eq!(logged(&[b"on", b"e\r\ntwo\nth", b"ree\n", b"four"]), ["one", "two", "three", "four"]);
        assert_eq!(logged(&[b"a\n\nb\n"]), ["a", "", "b"]);
        assert_eq!(logged(&[b"\n", b"\n"]), ["", ""]);
        assert_eq!(logged(&[b""]), [""; 0]);
    }

    #[test]
    fn of_a_burst_the_last_lines_are_logged() {
        let burst: String = (0..1000).map(|number| format!("{number}\n")).collect();
        let logged = logged(&[burst.as_bytes(), b"end\n"]);
        assert_eq!(logged.len(), MAX_BURST + 1);
        assert_eq!((&*logged[0], &*logged[MAX_BURST]), ("900", "end"));
    }

    #[test]
    fn an_endless_line_is_cut() {
        let chunk = vec![b'x'; 10_000];
        let logged = logged(&[&chunk, &chunk, b"y\nz\n"]);
        assert_eq!(logged.len(), 2);
        assert!(logged[0].len() < MAX_LINE + 10 && logged[0].ends_with('…'));
        assert_eq!(logged[1], "z");
    }
}
