//! Collecting the values of very many children at a few bytes each.

use std::sync::{Arc, Mutex, PoisonError};

use protocol::Value;

use crate::error::Error;
use crate::handle::{Settlement, Sink};

/// The values of many children, in the order in which they were yielded. A handle for each would
/// cost a hundred bytes; here it is the encoded value and twelve bytes.
#[derive(Debug, Default)]
pub struct Collect {
    cells: Arc<Cells>,
}

#[derive(Debug, Default)]
pub(crate) struct Cells(Mutex<Values>);

/// Encoded values in the order of their arrival, and where each one is.
#[derive(Debug, Default)]
struct Values {
    bytes: Vec<u8>,
    spans: Vec<Span>,
    told: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Span {
    /// Offset of the value plus one; 0 while it is not known. In two halves, which saves padding.
    start: [u32; 2],
    length: u32,
}

impl Span {
    fn new(start: usize, length: usize) -> Self {
        let start = start as u64 + 1;
        // Values are far below 4 GiB each: larger ones go by reference.
        Self { start: [(start >> 32) as u32, start as u32], length: length as u32 }
    }

    fn range(self) -> Option<std::ops::Range<usize>> {
        let start = (u64::from(self.start[0]) << 32 | u64::from(self.start[1])).checked_sub(1)? as usize;
        Some(start..start + self.length as usize)
    }
}

impl Cells {
    pub(crate) fn set(&self, index: usize, settlement: &Settlement) {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Ok(value)) = settlement.value()
            && values.spans[index].range().is_none()
        {
            let start = values.bytes.len();
            values.bytes.extend_from_slice(value.as_bytes());
            values.spans[index] = Span::new(start, value.as_bytes().len());
            values.told += 1;
        }
    }
}

impl Collect {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    pub(crate) fn next_sink(&mut self) -> Sink {
        let mut values = self.cells.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.spans.push(Span::default());
        Sink::cell(&self.cells, values.spans.len() - 1)
    }

    /// How many children it collects from.
    pub fn len(&self) -> usize {
        self.cells.0.lock().unwrap_or_else(PoisonError::into_inner).spans.len()
    }

    /// Whether it collects from none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of the only child.
    ///
    /// # Errors
    /// If it has none, as in a plan, or there is not exactly one child.
    pub fn into_single(self) -> Result<Value, Error> {
        let values = std::mem::take(&mut *self.cells.0.lock().unwrap_or_else(PoisonError::into_inner));
        let range = values.spans.first().and_then(|span| span.range()).filter(|_| values.spans.len() == 1);
        let range = range.ok_or_else(|| Error::unknown_value(&"the only child"))?;
        Value::from_bytes(&values.bytes[range]).map_err(Error::from)
    }

    /// The values as one array, in the order in which the children were yielded. Those of caught
    /// failures are `null`.
    ///
    /// # Errors
    /// If no child has a value although there are some, as in a plan; wait for them first.
    pub fn into_value(self) -> Result<Value, Error> {
        let values = std::mem::take(&mut *self.cells.0.lock().unwrap_or_else(PoisonError::into_inner));
        if values.told == 0 && !values.spans.is_empty() {
            return Err(Error::unknown_value(&"collected children"));
        }
        const NULL: &[u8] = &[0xc0];
        let slices = values.spans.iter().map(|span| span.range().map_or(NULL, |range| &values.bytes[range]));
        Ok(Value::array(slices))
    }
}
