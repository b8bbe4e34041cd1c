//! Between MessagePack and serde, without going through JSON: byte strings stay byte strings, and
//! keys need not be text.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use crate::canonical::{Reader, Token};

/// Serialises MessagePack bytes as the value they hold.
pub(crate) fn write<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let mut reader = Reader::new(bytes);
    Element(RefCell::new(&mut reader)).serialize(serializer)
}

/// The next value of a reader; serialising it consumes it.
struct Element<'r, 'a>(RefCell<&'r mut Reader<'a>>);

impl Serialize for Element<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut guard = self.0.borrow_mut();
        let reader: &mut Reader<'_> = &mut guard;
        match reader.token().map_err(S::Error::custom)? {
            Token::Nil => serializer.serialize_unit(),
            Token::Bool(value) => serializer.serialize_bool(value),
            Token::Unsigned(value) => serializer.serialize_u64(value),
            Token::Signed(value) => serializer.serialize_i64(value),
            Token::Float(value) => serializer.serialize_f64(value),
            Token::Text(text) => serializer.serialize_str(text),
            Token::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Token::Array(length) => {
                let mut sequence = serializer.serialize_seq(Some(length))?;
                for _ in 0..length {
                    sequence.serialize_element(&Element(RefCell::new(&mut *reader)))?;
                }
                sequence.end()
            }
            Token::Map(length) => {
                let mut map = serializer.serialize_map(Some(length))?;
                for _ in 0..length {
                    map.serialize_key(&Element(RefCell::new(&mut *reader)))?;
                    map.serialize_value(&Element(RefCell::new(&mut *reader)))?;
                }
                map.end()
            }
        }
    }
}

/// Reads whatever value comes and writes it as MessagePack, not yet canonical.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let mut bytes = Vec::new();
    Writer(&mut bytes).deserialize(deserializer)?;
    Ok(bytes)
}

const VEC: &str = "a Vec accepts all bytes";

struct Writer<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Writer<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Writer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        rmp::encode::write_bool(self.0, value).expect(VEC);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        rmp::encode::write_sint(self.0, value).expect(VEC);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        rmp::encode::write_uint(self.0, value).expect(VEC);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        rmp::encode::write_f64(self.0, value).expect(VEC);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        rmp::encode::write_str(self.0, value).expect(VEC);
        Ok(())
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<(), E> {
        rmp::encode::write_bin(self.0, value).expect(VEC);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        rmp::encode::write_nil(self.0).expect(VEC);
        Ok(())
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut body = Vec::new();
        let mut count = 0;
        while items.next_element_seed(Writer(&mut body))?.is_some() {
            count += 1;
        }
        rmp::encode::write_array_len(self.0, count).expect(VEC);
        self.0.append(&mut body);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut body = Vec::new();
        let mut count = 0;
        while entries.next_key_seed(Writer(&mut body))?.is_some() {
            entries.next_value_seed(Writer(&mut body))?;
            count += 1;
        }
        rmp::encode::write_map_len(self.0, count).expect(VEC);
        self.0.append(&mut body);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::Value;

    #[test]
    fn bytes_and_odd_keys_survive_what_json_cannot_hold() {
        let odd: BTreeMap<i64, serde_bytes::ByteBuf> = [(-3, serde_bytes::ByteBuf::from([0, 255]))].into();
        let value = Value::encode(&odd).unwrap();
        let nested = rmp_serde::to_vec_named(&Some(vec![&value])).unwrap();
        let back: Option<Vec<Value>> = rmp_serde::from_slice(&nested).unwrap();
        assert_eq!(back, Some(vec![value.clone()]));
        assert_eq!(value.decode::<BTreeMap<i64, serde_bytes::ByteBuf>>().unwrap(), odd);
    }

    #[test]
    fn json_is_read_as_the_value_it_says() {
        let json = serde_json::json!({"b": [1, -1, 1.5, null, true, "x", {}], "a": 18446744073709551615u64});
        let read: Value = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(read, Value::encode(&json).unwrap());
    }
}
