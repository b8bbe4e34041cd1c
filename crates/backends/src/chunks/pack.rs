//! Numbers and byte strings one after the other: how chunks are packed and read again.

/// Why packed bytes cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// They end within something.
    #[error("ends early at byte {at}")]
    Early { at: usize },
    /// They cannot have been written by us.
    #[error("has {what} at byte {at}")]
    Damaged { what: &'static str, at: usize },
}

/// Appends a number in as few bytes as it needs, seven bits each, the lowest first.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends a difference that may be negative: its sign goes to the lowest bit.
pub(crate) fn put_difference(out: &mut Vec<u8>, difference: i64) {
    put_number(out, ((difference << 1) ^ (difference >> 63)) as u64);
}

/// Appends bytes after their number.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads what was put.
#[derive(Debug, Clone)]
pub(crate) struct Unpack<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Unpack<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    pub(crate) fn damaged(&self, what: &'static str) -> Error {
        Error::Damaged { what, at: self.at }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Error> {
        let byte = *self.bytes.get(self.at).ok_or(Error::Early { at: self.at })?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Error> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(self.damaged("an endless number"))
    }

    pub(crate) fn small_number(&mut self) -> Result<u32, Error> {
        u32::try_from(self.number()?).map_err(|_| self.damaged("too large a number"))
    }

    pub(crate) fn difference(&mut self) -> Result<i64, Error> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let length = usize::try_from(self.number()?).map_err(|_| self.damaged("too large a number"))?;
        self.take(length)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        Ok(self.take(N)?.try_into().expect("take returns as many bytes as asked"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(Error::Early { at: self.at })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_is_read(
            numbers in prop::collection::vec(any::<u64>(), 0..20), difference in any::<i64>(),
            bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut out = Vec::new();
            numbers.iter().for_each(|number| put_number(&mut out, *number));
            put_difference(&mut out, difference);
            put_bytes(&mut out, &bytes);
            let mut unpack = Unpack::new(&out, 0);
            for number in numbers {
                prop_assert_eq!(unpack.number().unwrap(), number);
            }
            prop_assert_eq!(unpack.difference().unwrap(), difference);
            prop_assert_eq!(unpack.bytes().unwrap(), &bytes);
            prop_assert!(unpack.is_at_end());
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut unpack = Unpack::new(&bytes, 0);
            while !unpack.is_at_end() {
                let before = unpack.at();
                let _ = unpack.clone().bytes();
                let _ = unpack.number();
                prop_assert!(unpack.at() > before);
            }
        }
    }
}
