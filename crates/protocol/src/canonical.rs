//! Canonical MessagePack: one byte form for each value.
//!
//! Rules: shortest form of integers, strings, byte strings, arrays and maps; unsigned forms for
//! numbers from zero up; floats as 64 bits, with one NaN and no negative zero folding; map keys in
//! ascending order of their canonical bytes, no key twice; no extension types. The format is that
//! of <https://github.com/msgpack/msgpack/blob/master/spec.md>.

use std::borrow::Cow;

use rmp::Marker;

use crate::envelope::EnvelopeError;
use crate::value::ValueError;

/// Deepest nesting of arrays and maps.
const MAX_DEPTH: usize = 128;
const TRAILING: &str = "trailing bytes after the value";
const TOO_DEEP: &str = "the value nests too deep";

/// Brings one MessagePack value to canonical form; borrows when it already is.
///
/// # Errors
/// If `bytes` is not exactly one value, nests deeper than 128, has a key twice or an extension.
pub(crate) fn canonical(bytes: &[u8]) -> Result<Cow<'_, [u8]>, ValueError> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut reader = Reader::new(bytes);
    rewrite(&mut reader, &mut out, 0)?;
    if reader.at != bytes.len() {
        return Err(reader.malformed(TRAILING));
    }
    Ok(if out == bytes { Cow::Borrowed(bytes) } else { Cow::Owned(out) })
}

/// Walks one value without allocating, so that a hostile message is refused before any decoder
/// recurses or reserves memory for it.
///
/// # Errors
/// If `bytes` is not exactly one value nested at most `max_depth` deep.
pub(crate) fn check_shape(bytes: &[u8], max_depth: usize) -> Result<(), EnvelopeError> {
    fn walk(reader: &mut Reader<'_>, depth_left: usize) -> Result<(), ValueError> {
        let elements = match reader.token()? {
            Token::Array(length) => length,
            Token::Map(length) => length * 2,
            _ => return Ok(()),
        };
        let depth_left = depth_left.checked_sub(1).ok_or_else(|| reader.malformed(TOO_DEEP))?;
        (0..elements).try_for_each(|_| walk(reader, depth_left))
    }
    let mut reader = Reader::new(bytes);
    let result = walk(&mut reader, max_depth).and_then(|()| match reader.at == bytes.len() {
        true => Ok(()),
        false => Err(reader.malformed(TRAILING)),
    });
    result.map_err(|error| match error {
        ValueError::Malformed { at, problem } => EnvelopeError::Malformed { at, problem },
        ValueError::Encode(_) | ValueError::Decode(_) => unreachable!("walking only reports malformed bytes"),
    })
}

/// One token of MessagePack; containers announce how many elements follow.
pub(crate) enum Token<'a> {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Array(usize),
    Map(usize),
}

pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn malformed(&self, problem: &'static str) -> ValueError {
        ValueError::Malformed { at: self.at, problem }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ValueError> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| self.malformed("the value ends too early"))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], ValueError> {
        Ok(self.take(N)?.try_into().expect("take returns as many bytes as asked"))
    }

    fn text(&mut self, length: usize) -> Result<Token<'a>, ValueError> {
        let start = self.at;
        std::str::from_utf8(self.take(length)?)
            .map(Token::Text)
            .map_err(|_| ValueError::Malformed { at: start, problem: "text is not UTF-8" })
    }

    /// A container's length, refused when the bytes left could not hold as many elements: an
    /// announced length must never decide how much we allocate or how long we loop.
    fn container(&self, length: usize, per_element: usize) -> Result<usize, ValueError> {
        if length.saturating_mul(per_element) > self.bytes.len() - self.at {
            return Err(self.malformed("a container announces more elements than there are bytes"));
        }
        Ok(length)
    }

    pub(crate) fn token(&mut self) -> Result<Token<'a>, ValueError> {
        let marker = Marker::from_u8(self.number::<1>()?[0]);
        Ok(match marker {
            Marker::Null => Token::Nil,
            Marker::True => Token::Bool(true),
            Marker::False => Token::Bool(false),
            Marker::FixPos(number) => Token::Unsigned(number.into()),
            Marker::FixNeg(number) => Token::Signed(number.into()),
            Marker::U8 => Token::Unsigned(self.number::<1>()?[0].into()),
            Marker::U16 => Token::Unsigned(u16::from_be_bytes(self.number()?).into()),
            Marker::U32 => Token::Unsigned(u32::from_be_bytes(self.number()?).into()),
            Marker::U64 => Token::Unsigned(u64::from_be_bytes(self.number()?)),
            Marker::I8 => Token::Signed(i8::from_be_bytes(self.number()?).into()),
            Marker::I16 => Token::Signed(i16::from_be_bytes(self.number()?).into()),
            Marker::I32 => Token::Signed(i32::from_be_bytes(self.number()?).into()),
            Marker::I64 => Token::Signed(i64::from_be_bytes(self.number()?)),
            Marker::F32 => Token::Float(f32::from_be_bytes(self.number()?).into()),
            Marker::F64 => Token::Float(f64::from_be_bytes(self.number()?)),
            Marker::FixStr(length) => self.text(length.into())?,
            Marker::Str8 => {
                let length = self.number::<1>()?[0].into();
                self.text(length)?
            }
            Marker::Str16 => {
                let length = u16::from_be_bytes(self.number()?).into();
                self.text(length)?
            }
            Marker::Str32 => {
                let length = u32::from_be_bytes(self.number()?) as usize;
                self.text(length)?
            }
            Marker::Bin8 => {
                let length = self.number::<1>()?[0].into();
                Token::Bytes(self.take(length)?)
            }
            Marker::Bin16 => {
                let length = u16::from_be_bytes(self.number()?).into();
                Token::Bytes(self.take(length)?)
            }
            Marker::Bin32 => {
                let length = u32::from_be_bytes(self.number()?) as usize;
                Token::Bytes(self.take(length)?)
            }
            Marker::FixArray(length) => Token::Array(self.container(length.into(), 1)?),
            Marker::Array16 => {
                let length = u16::from_be_bytes(self.number()?).into();
                Token::Array(self.container(length, 1)?)
            }
            Marker::Array32 => {
                let length = u32::from_be_bytes(self.number()?) as usize;
                Token::Array(self.container(length, 1)?)
            }
            Marker::FixMap(length) => Token::Map(self.container(length.into(), 2)?),
            Marker::Map16 => {
                let length = u16::from_be_bytes(self.number()?).into();
                Token::Map(self.container(length, 2)?)
            }
            Marker::Map32 => {
                let length = u32::from_be_bytes(self.number()?) as usize;
                Token::Map(self.container(length, 2)?)
            }
            Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32 => return Err(self.malformed("extension types are not allowed")),
            Marker::Reserved => return Err(self.malformed("0xc1 is not MessagePack")),
        })
    }
}

fn rewrite(reader: &mut Reader<'_>, out: &mut Vec<u8>, depth: usize) -> Result<(), ValueError> {
    const VEC: &str = "a Vec accepts all bytes";
    if depth > MAX_DEPTH {
        return Err(reader.malformed(TOO_DEEP));
    }
    match reader.token()? {
        Token::Nil => rmp::encode::write_nil(out).expect(VEC),
        Token::Bool(value) => rmp::encode::write_bool(out, value).expect(VEC),
        Token::Unsigned(value) => drop(rmp::encode::write_uint(out, value).expect(VEC)),
        Token::Signed(value) => drop(rmp::encode::write_sint(out, value).expect(VEC)),
        Token::Float(value) => {
            let value = if value.is_nan() { f64::NAN } else { value };
            rmp::encode::write_f64(out, value).expect(VEC);
        }
        Token::Text(text) => rmp::encode::write_str(out, text).expect(VEC),
        Token::Bytes(bytes) => rmp::encode::write_bin(out, bytes).expect(VEC),
        Token::Array(length) => {
            rmp::encode::write_array_len(out, length as u32).expect(VEC);
            for _ in 0..length {
                rewrite(reader, out, depth + 1)?;
            }
        }
        Token::Map(length) => {
            rmp::encode::write_map_len(out, length as u32).expect(VEC);
            rewrite_map(reader, out, length, depth)?;
        }
    }
    Ok(())
}

/// Writes the entries in the order they come and moves them only when that order is wrong, which
/// it hardly ever is twice: `spans` holds the start, end of key and end of each entry.
fn rewrite_map(
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
    length: usize,
    depth: usize,
) -> Result<(), ValueError> {
    let start = out.len();
    let mut spans: Vec<(usize, usize, usize)> = Vec::with_capacity(length);
    let mut sorted = true;
    for _ in 0..length {
        let from = out.len();
        rewrite(reader, out, depth + 1)?;
        let key_end = out.len();
        rewrite(reader, out, depth + 1)?;
        if let Some(&(before, before_end, _)) = spans.last() {
            sorted &= out[before..before_end] < out[from..key_end];
        }
        spans.push((from, key_end, out.len()));
    }
    if !sorted {
        spans.sort_by(|a, b| out[a.0..a.1].cmp(&out[b.0..b.1]));
        if spans.windows(2).any(|pair| out[pair[0].0..pair[0].1] == out[pair[1].0..pair[1].1]) {
            return Err(reader.malformed("a map has the same key twice"));
        }
        let entries: Vec<u8> =
            spans.iter().flat_map(|&(from, _, to)| out[from..to].iter().copied()).collect();
        out.truncate(start);
        out.extend_from_slice(&entries);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::Value;

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Into::into),
            "\\PC{0,40}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Into::into),
                prop::collection::vec(("[a-z]{0,6}", inner), 0..8)
                    .prop_map(|entries| entries.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    fn reversed(value: &serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Array(items) => items.iter().map(reversed).collect(),
            serde_json::Value::Object(entries) => {
                entries.iter().rev().map(|(key, value)| (key.clone(), reversed(value))).collect()
            }
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn the_order_of_keys_does_not_matter(value in json()) {
            prop_assert_eq!(Value::encode(&value).unwrap(), Value::encode(&reversed(&value)).unwrap());
        }

        #[test]
        fn values_survive_a_round_trip(value in json()) {
            let encoded = Value::encode(&value).unwrap();
            prop_assert_eq!(encoded.to_json().unwrap(), value);
            prop_assert_eq!(&Value::encode(&encoded).unwrap(), &encoded);
            prop_assert_eq!(&Value::from_bytes(encoded.as_bytes()).unwrap(), &encoded);
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Value::from_bytes(&bytes);
        }
    }

    #[test]
    fn hostile_bytes_are_refused_with_their_place() {
        let deep = [vec![0x91; 5000], vec![0xc0]].concat();
        for (bytes, problem) in [
            (&[0xdd, 0xff, 0xff, 0xff, 0xff][..], "more elements than there are bytes"),
            (&[0xc0, 0xc0], "trailing bytes"),
            (&[0xd4, 0x01, 0x01], "extension"),
            (&[0x82, 0xa1, b'a', 0xc0, 0xa1, b'a', 0xc0], "same key twice"),
            (&[0xa2, 0xff, 0xff], "not UTF-8"),
            (&[], "ends too early"),
            (&deep, "too deep"),
        ] {
            let error = Value::from_bytes(bytes).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }
}
