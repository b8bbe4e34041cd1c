//! Arguments of a task as canonical MessagePack with holes.
//!
//! Placeholders stand for whole values or inside strings, never for keys, so that the order of a
//! map's keys, and with it the place of every byte around the holes, is known beforehand.

use protocol::Value;
use serde_json::{Map, Value as Json};

use crate::error::Error;
use crate::spec::fill::Filling;
use crate::spec::guide::Guide;
use crate::spec::path::Segment;
use crate::spec::placeholder::{Piece, Placeholder, pieces};

/// Encoded arguments with holes.
pub(crate) enum Mold {
    /// Without holes.
    Done(Value),
    /// With holes; `bytes` is how much there is around them.
    Open { parts: Vec<Part>, bytes: usize },
}

pub(crate) enum Part {
    Bytes(Vec<u8>),
    /// The value of a variable, or its text.
    Hole {
        hole: Placeholder,
        as_text: bool,
    },
    /// A string with values of variables in it.
    Text(TextMold),
}

/// A string with holes.
pub(crate) struct TextMold(Vec<Piece>);

impl TextMold {
    pub(crate) fn new(text: &str, filling: Filling) -> Self {
        Self(match filling {
            Filling::Verbatim => vec![Piece::Text(text.to_owned())],
            Filling::Placeholders => pieces(text),
        })
    }

    /// The string with these variables.
    pub(crate) fn cast(&self, variables: &[(&str, &Json)]) -> Result<String, Error> {
        let mut text = String::with_capacity(64);
        for piece in &self.0 {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Hole(hole) => match hole.find(variables).transpose().map_err(Error::permanent)? {
                    Some(Json::String(value)) => text.push_str(value),
                    Some(value) => text.push_str(&value.to_string()),
                    None => text.push_str(&hole.as_text()),
                },
            }
        }
        Ok(text)
    }

    /// The value of a string that is one placeholder.
    fn whole(&self) -> Option<&Placeholder> {
        match self.0.as_slice() {
            [Piece::Hole(hole)] => Some(hole),
            _ => None,
        }
    }

    /// The string, if it has no holes.
    fn plain(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }
}

impl Mold {
    /// `guide` says where only strings may stand.
    pub(crate) fn new(
        arguments: &Map<String, Json>,
        guide: &Guide<'_>,
        filling: Filling,
    ) -> Result<Self, Error> {
        let mut builder = Builder { parts: Vec::new(), current: Vec::new(), filling };
        builder.object(arguments, guide)?;
        let Builder { mut parts, current, .. } = builder;
        if parts.is_empty() {
            return Ok(Self::Done(Value::from_bytes(&current)?));
        }
        parts.push(Part::Bytes(current));
        let lengths = parts.iter().map(|part| if let Part::Bytes(bytes) = part { bytes.len() } else { 0 });
        let bytes = lengths.sum();
        Ok(Self::Open { parts, bytes })
    }

    /// The arguments with these variables.
    pub(crate) fn cast(&self, variables: &[(&str, &Json)]) -> Result<Value, Error> {
        let (parts, bytes) = match self {
            Self::Done(value) => return Ok(value.clone()),
            Self::Open { parts, bytes } => (parts, *bytes),
        };
        let mut out = Vec::with_capacity(bytes + 64);
        for part in parts {
            match part {
                Part::Bytes(bytes) => out.extend_from_slice(bytes),
                Part::Text(text) => write_text(&mut out, &text.cast(variables)?),
                Part::Hole { hole, as_text } => {
                    match hole.find(variables).transpose().map_err(Error::permanent)? {
                        Some(value) if *as_text => write(&mut out, &text_of(value))?,
                        Some(value) => write(&mut out, value)?,
                        None => write_text(&mut out, &hole.as_text()),
                    }
                }
            }
        }
        // Brings maps inside the values of variables into their order, too.
        Ok(Value::from_bytes(&out)?)
    }
}

struct Builder {
    parts: Vec<Part>,
    current: Vec<u8>,
    filling: Filling,
}

impl Builder {
    fn part(&mut self, part: Part) {
        self.parts.push(Part::Bytes(std::mem::take(&mut self.current)));
        self.parts.push(part);
    }

    fn value(&mut self, value: &Json, guide: &Guide<'_>) -> Result<(), Error> {
        match value {
            Json::String(text) => {
                let mold = TextMold::new(text, self.filling);
                if let Some(hole) = mold.whole() {
                    self.part(Part::Hole { hole: hole.clone(), as_text: guide.wants_text() });
                } else if let Some(text) = mold.plain() {
                    write_text(&mut self.current, text);
                } else {
                    self.part(Part::Text(mold));
                }
            }
            Json::Array(items) => {
                rmp::encode::write_array_len(&mut self.current, length(items.len())?).expect(VEC);
                for (index, item) in items.iter().enumerate() {
                    self.value(item, &guide.child(&Segment::Index(index)))?;
                }
            }
            Json::Object(fields) => self.object(fields, guide)?,
            Json::Null | Json::Bool(_) | Json::Number(_) => write(&mut self.current, value)?,
        }
        Ok(())
    }

    fn object(&mut self, fields: &Map<String, Json>, guide: &Guide<'_>) -> Result<(), Error> {
        let encoded = fields.iter().map(|(key, value)| {
            let mut encoded = Vec::with_capacity(key.len() + 5);
            write_text(&mut encoded, key);
            (encoded, key, value)
        });
        let mut fields: Vec<(Vec<u8>, &String, &Json)> = encoded.collect();
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        rmp::encode::write_map_len(&mut self.current, length(fields.len())?).expect(VEC);
        for (encoded, key, value) in fields {
            self.current.extend_from_slice(&encoded);
            self.value(value, &guide.child(&key.as_str().into()))?;
        }
        Ok(())
    }
}

/// Any value but null as text, where only text may stand: lists and objects as JSON.
pub(crate) fn text_of(value: &Json) -> Json {
    match value {
        Json::Number(_) | Json::Bool(_) | Json::Array(_) | Json::Object(_) => value.to_string().into(),
        Json::Null | Json::String(_) => value.clone(),
    }
}

const VEC: &str = "a Vec accepts all bytes";

fn length(length: usize) -> Result<u32, Error> {
    u32::try_from(length).map_err(|_| Error::permanent("a list or an object has more than 2^32 parts"))
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    rmp::encode::write_str(out, text).expect(VEC);
}

/// Writes JSON as MessagePack; maps keep their order.
fn write(out: &mut Vec<u8>, value: &Json) -> Result<(), Error> {
    match value {
        Json::Null => rmp::encode::write_nil(out).expect(VEC),
        Json::Bool(value) => rmp::encode::write_bool(out, *value).expect(VEC),
        Json::Number(number) => {
            if let Some(number) = number.as_u64() {
                rmp::encode::write_uint(out, number).expect(VEC);
            } else if let Some(number) = number.as_i64() {
                rmp::encode::write_sint(out, number).expect(VEC);
            } else {
                rmp::encode::write_f64(out, number.as_f64().unwrap_or(f64::NAN)).expect(VEC);
            }
        }
        Json::String(text) => write_text(out, text),
        Json::Array(items) => {
            rmp::encode::write_array_len(out, length(items.len())?).expect(VEC);
            items.iter().try_for_each(|item| write(out, item))?;
        }
        Json::Object(fields) => {
            rmp::encode::write_map_len(out, length(fields.len())?).expect(VEC);
            for (key, value) in fields {
                write_text(out, key);
                write(out, value)?;
            }
        }
    }
    Ok(())
}
