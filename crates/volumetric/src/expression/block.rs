//! Computing with blocks of voxels: each step of an expression is a node that fills a block at a time, small enough
//! for the cache, in one loop over values of one type. Nothing as large as a whole array is made in between.

/// Voxels in a block.
pub(super) const BLOCK: usize = 4096;

/// Which voxels a block has: some in a row, of one channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) channel: usize,
    pub(super) start: usize,
    pub(super) length: usize,
}

/// A step that gives values of one type.
pub(super) trait Node<T> {
    /// The values, if they exist already.
    fn view(&self, place: Place) -> Option<&[T]> {
        let _ = place;
        None
    }

    /// Computes the values; there is room for just as many.
    fn fill(&mut self, place: Place, out: &mut [T]);
}

/// A step whose kind is not known.
pub(super) type Boxed<'a, T> = Box<dyn Node<T> + 'a>;

/// What can be in a block.
pub(super) trait Voxel: Copy + Default + 'static {}
impl<T: Copy + Default + 'static> Voxel for T {}

/// An array; a single channel stands for all.
struct Source<'a, T> {
    values: &'a [T],
    voxels: usize,
    channels: usize,
}

impl<T: Voxel> Node<T> for Source<'_, T> {
    fn view(&self, place: Place) -> Option<&[T]> {
        let channel = if self.channels == 1 { 0 } else { place.channel };
        let start = channel * self.voxels + place.start;
        Some(&self.values[start..start + place.length])
    }

    fn fill(&mut self, place: Place, out: &mut [T]) {
        if let Some(values) = self.view(place) {
            out.copy_from_slice(values);
        }
    }
}

pub(super) fn source<'a, T: Voxel>(values: &'a [T], voxels: usize, channels: usize) -> Boxed<'a, T> {
    Box::new(Source { values, voxels, channels })
}

/// One value all over.
struct Constant<T>(Vec<T>);

impl<T: Voxel> Node<T> for Constant<T> {
    fn view(&self, place: Place) -> Option<&[T]> {
        Some(&self.0[..place.length])
    }

    fn fill(&mut self, _: Place, out: &mut [T]) {
        out.fill(self.0[0]);
    }
}

pub(super) fn constant<'a, T: Voxel>(value: T) -> Boxed<'a, T> {
    Box::new(Constant(vec![value; BLOCK]))
}

/// An operand with room for its values.
struct Operand<'a, T> {
    node: Boxed<'a, T>,
    room: Vec<T>,
}

impl<'a, T: Voxel> Operand<'a, T> {
    fn new(node: Boxed<'a, T>) -> Self {
        Self { node, room: Vec::new() }
    }

    #[inline]
    fn values(&mut self, place: Place) -> &[T] {
        // Asked twice: a view that is given away in one branch would stay borrowed in the other.
        if self.node.view(place).is_none() {
            self.room.resize(BLOCK, T::default());
            self.node.fill(place, &mut self.room[..place.length]);
            return &self.room[..place.length];
        }
        self.node.view(place).unwrap_or_default()
    }
}

/// A function of one value.
struct Map<'a, T, F> {
    operand: Operand<'a, T>,
    function: F,
}

impl<T: Voxel, U: Voxel, F: Fn(T) -> U> Node<U> for Map<'_, T, F> {
    fn fill(&mut self, place: Place, out: &mut [U]) {
        for (out, value) in out.iter_mut().zip(self.operand.values(place)) {
            *out = (self.function)(*value);
        }
    }
}

pub(super) fn map<'a, T: Voxel, U: Voxel>(
    node: Boxed<'a, T>,
    function: impl Fn(T) -> U + 'a,
) -> Boxed<'a, U> {
    Box::new(Map { operand: Operand::new(node), function })
}

/// A function of two values.
struct Zip<'a, T, F> {
    left: Operand<'a, T>,
    right: Operand<'a, T>,
    function: F,
}

impl<T: Voxel, U: Voxel, F: Fn(T, T) -> U> Node<U> for Zip<'_, T, F> {
    fn fill(&mut self, place: Place, out: &mut [U]) {
        let operands = self.left.values(place).iter().zip(self.right.values(place));
        for (out, (left, right)) in out.iter_mut().zip(operands) {
            *out = (self.function)(*left, *right);
        }
    }
}

pub(super) fn zip<'a, T: Voxel, U: Voxel>(
    left: Boxed<'a, T>,
    right: Boxed<'a, T>,
    function: impl Fn(T, T) -> U + 'a,
) -> Boxed<'a, U> {
    Box::new(Zip { left: Operand::new(left), right: Operand::new(right), function })
}

/// One value or the other.
struct Choose<'a, T> {
    condition: Operand<'a, bool>,
    yes: Operand<'a, T>,
    no: Operand<'a, T>,
}

impl<T: Voxel> Node<T> for Choose<'_, T> {
    fn fill(&mut self, place: Place, out: &mut [T]) {
        let choices = self.yes.values(place).iter().zip(self.no.values(place));
        for ((out, (yes, no)), condition) in out.iter_mut().zip(choices).zip(self.condition.values(place)) {
            *out = if *condition { *yes } else { *no };
        }
    }
}

pub(super) fn choose<'a, T: Voxel>(
    condition: Boxed<'a, bool>,
    yes: Boxed<'a, T>,
    no: Boxed<'a, T>,
) -> Boxed<'a, T> {
    Box::new(Choose { condition: Operand::new(condition), yes: Operand::new(yes), no: Operand::new(no) })
}

/// All blocks of so many channels and voxels.
pub(super) fn places(channels: usize, voxels: usize) -> impl Iterator<Item = Place> {
    let of_channel = move |channel| {
        (0..voxels).step_by(BLOCK).map(move |start| Place {
            channel,
            start,
            length: BLOCK.min(voxels - start),
        })
    };
    (0..channels).flat_map(of_channel)
}
