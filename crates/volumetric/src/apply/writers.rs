//! Which flows write which volumes now. Where two would write into one storage chunk at once, it would depend on chance
//! what stays of either; the second is refused. All flows of an execution are expanded in one process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::apply::error::Error;
use crate::geometry::{Bounds, Resolution, Vec3};
use crate::layer::Scale;
use crate::layer::storage::canonical;

/// A std mutex: held to look and to note something, never across an await.
static WRITERS: Mutex<Vec<Writer>> = Mutex::new(Vec::new());

/// What a flow writes of one scale of a layer.
#[derive(Debug, Clone, PartialEq)]
struct Writer {
    place: String,
    resolution: Resolution,
    scale: Scale,
    written: Bounds,
    /// What it computes. Equal flows have the same tasks.
    content: String,
}

/// As long as it lives, the flow writes.
#[derive(Debug)]
pub(crate) struct Guard(Writer);

/// A flow begins to write a box of a scale of the layer at `path`; what it computes is `content`.
///
/// # Errors
/// If another one writes into one of its storage chunks.
pub(crate) fn begin(path: &str, scale: &Scale, written: Bounds, content: &str) -> Result<Guard, Error> {
    let writer = Writer {
        place: canonical(path),
        resolution: scale.resolution,
        scale: scale.clone(),
        written,
        content: content.to_owned(),
    };
    writer.begin().map_err(|(chunk, other)| Error::Writers {
        path: path.to_owned(),
        chunk: Box::new(chunk),
        written: Box::new(written),
        other: Box::new(other),
    })
}

impl Writer {
    /// Notes it, or says into which storage chunk another flow writes, and what that writes in all.
    fn begin(self) -> Result<Guard, (Bounds, Bounds)> {
        let mut writers = writers();
        if let Some((chunk, other)) =
            writers.iter().find_map(|other| Some((self.shared(other)?, other.written)))
        {
            return Err((chunk, other));
        }
        writers.push(self.clone());
        Ok(Guard(self))
    }

    /// A storage chunk into which both write.
    fn shared(&self, other: &Self) -> Option<Bounds> {
        let is_same = (&self.place, self.resolution) == (&other.place, other.resolution);
        if !is_same || self.content == other.content || self.scale != other.scale {
            return None;
        }
        let shared = self.scale.chunks(self.written).intersection(&self.scale.chunks(other.written));
        (!shared.is_empty()).then(|| self.scale.chunks(Bounds::at(shared.start, Vec3::ONE)))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut writers = writers();
        if let Some(at) = writers.iter().position(|other| *other == self.0) {
            writers.swap_remove(at);
        }
    }
}

fn writers() -> MutexGuard<'static, Vec<Writer>> {
    WRITERS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes of a row of 24 voxels, whose storage chunks are 8 long, those from `start` to `stop`.
    fn writer(place: &str, start: i64, stop: i64, content: &str) -> Writer {
        let resolution = Resolution::from_nanometres([1.0; 3]).unwrap();
        let row = |start, stop| Bounds::new(Vec3::new(start, 0, 0), Vec3::new(stop, 1, 1));
        let chunk = Vec3::new(8, 1, 1);
        let scale = Scale { resolution, bounds: row(2, 26), chunk, offset: Vec3::new(2, 0, 0) };
        Writer { place: place.into(), resolution, scale, written: row(start, stop), content: content.into() }
    }

    #[test]
    fn two_flows_never_write_into_one_storage_chunk_at_once() {
        // First, second, whether they may write at once.
        let table = [
            ((2, 14, "a"), (14, 26, "b"), false),
            ((2, 26, "a"), (11, 12, "b"), false),
            ((11, 12, "b"), (2, 26, "a"), false),
            ((12, 14, "a"), (14, 16, "b"), false),
            // They end where storage chunks end.
            ((2, 10, "a"), (10, 26, "b"), true),
            ((3, 10, "a"), (10, 25, "b"), true),
            // Whole chunks are written as a whole, but by whom last?
            ((2, 18, "a"), (10, 26, "b"), false),
            ((2, 26, "a"), (2, 26, "b"), false),
            // Equal tasks are one.
            ((2, 14, "a"), (2, 14, "a"), true),
        ];
        for (number, ((start, stop, first), (next, end, second), may)) in table.into_iter().enumerate() {
            let place = format!("row-{number}");
            let one = writer(&place, start, stop, first).begin().unwrap();
            drop(writer("elsewhere", next, end, second).begin().unwrap());
            let other = writer(&place, next, end, second);
            let begun = other.clone().begin();
            assert_eq!(begun.is_ok(), may, "{start}-{stop} and {next}-{end}: {begun:?}");
            drop((one, begun));
            // One after the other they may.
            other.begin().unwrap();
        }
    }
}
