//! A first look at the text of a spec, byte by byte: what no parser should have to survive, and
//! the slips whose parse errors would point far away from the slip.

use crate::spec::findings::Finding;
use crate::spec::path::Focus;

/// Longest text of a spec.
pub(crate) const MAX_BYTES: usize = 64 << 20;
/// Deepest nesting of objects and lists.
pub(crate) const MAX_DEPTH: usize = 64;

/// Why bytes are not the text of a spec.
pub(crate) struct Refused<'t> {
    /// As much of the text as there is, for lines and columns.
    pub(crate) text: &'t str,
    pub(crate) finding: Finding,
}

/// The text without a byte order mark.
pub(crate) fn decode(bytes: &[u8]) -> Result<&str, Box<Refused<'_>>> {
    let refused = |text, byte, message: String| {
        Box::new(Refused { text, finding: Finding::new(&[], Focus::Byte(byte), message) })
    };
    if bytes.len() > MAX_BYTES {
        let message = format!("the spec has {} bytes, at most {MAX_BYTES} are allowed", bytes.len());
        return Err(refused("", 0, message + "; move data into files and let a flow read them"));
    }
    if bytes.starts_with(&[0xfe, 0xff]) || bytes.starts_with(&[0xff, 0xfe]) {
        return Err(refused("", 0, "the spec is UTF-16; save it as UTF-8".into()));
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let good = std::str::from_utf8(good).expect("that much is valid");
        let byte = bytes[good.len()];
        refused(good, good.len(), format!("byte 0x{byte:02x} is not UTF-8; save the spec as UTF-8"))
    })?;
    if text.trim().is_empty() {
        return Err(refused(text, 0, "the spec is empty; it must be an object with \"@type\"".into()));
    }
    scan(text).map_err(|(byte, message)| refused(text, byte, message))?;
    Ok(text)
}

/// Looks for nesting beyond the limit, unclosed strings and characters that only look like JSON.
fn scan(text: &str) -> Result<(), (usize, String)> {
    let mut depth = 0usize;
    let mut string_start = None;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        if let Some(start) = string_start {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => string_start = None,
                b'\n' | b'\r' => {
                    return Err((
                        start,
                        "this string does not end on its line; close it with \", and write line \
                                        breaks as \\n"
                            .into(),
                    ));
                }
                0..0x20 => {
                    let message =
                        format!("control character 0x{byte:02x} inside a string; write it as \\u{byte:04x}");
                    return Err((at, message));
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => string_start = Some(at),
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err((at, format!("objects and lists nest deeper than {MAX_DEPTH} here")));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'/' => return Err((at, "comments are not JSON; remove this one".into())),
            b'\t' | b'\n' | b'\r' | 0x20..0x7f => {}
            _ => return Err((at, stray(text[at..].chars().next().unwrap_or('\u{fffd}')))),
        }
    }
    match string_start {
        Some(start) => Err((start, "this string is never closed; close it with \"".into())),
        None => Ok(()),
    }
}

/// What to say about a character that JSON knows only inside strings.
fn stray(character: char) -> String {
    match character {
        '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => {
            format!("{character} is a typographic quote; JSON strings stand between plain \"")
        }
        _ if character.is_whitespace() => {
            format!("{} is not a JSON space; replace it by a plain one", character.escape_unicode())
        }
        _ => format!("unexpected character {:?} outside of a string", character),
    }
}
