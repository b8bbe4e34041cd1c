//! Conversions between types of voxels, as Rust's `as` does them: whole numbers wrap, floats are cut at the ends.

/// Can be converted to another type.
pub(super) trait CastTo<U> {
    fn cast(self) -> U;
}

/// Can be converted to every type.
pub(super) trait Cast:
    CastTo<u8>
    + CastTo<u16>
    + CastTo<u32>
    + CastTo<u64>
    + CastTo<i8>
    + CastTo<i16>
    + CastTo<i32>
    + CastTo<i64>
    + CastTo<f32>
    + CastTo<f64>
{
}

macro_rules! casts {
    ($($from:ty),*) => {$(
        casts!(@to $from; u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);
        impl Cast for $from {}
    )*};
    (@to $from:ty; $($to:ty),*) => {$(
        impl CastTo<$to> for $from {
            #[inline(always)]
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                clippy::cast_possible_wrap,
                clippy::cast_lossless,
                clippy::unnecessary_cast,
                reason = "what NumPy's astype does, said in the module's documentation"
            )]
            fn cast(self) -> $to {
                self as $to
            }
        }
    )*};
}

casts!(u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);
