//! A small language for arithmetic on arrays: one Python lambda, evaluated safely and fast.
//!
//! `lambda src: src * 0 + 42`, `lambda src, mask=None: src if mask is None else where(mask > 0, src, 0)`,
//! `lambda data, k=2: np.clip(data * k, 0, 255).astype("uint8")`. Nothing can be reached from it but its inputs:
//! no imports, attributes, loops or indices. Inputs are arrays, numbers, booleans, texts (names of types) and `None`.
//!
//! # What there is
//! - `+ - * / // % **`, `< <= == != >= >`, `& | ^ ~ << >>` with Python's precedence; on plain values `and`, `or`, `not`,
//!   `… if … else …`, chained comparisons and `is None`, too. For arrays use `&`, `|`, `~` and `where`.
//! - `where`, `min`, `max`, `minimum`, `maximum`, `abs`, `clip`/`clamp`, `round`, `floor`, `ceil`, `sqrt`, `exp`, `log`, `isnan`,
//!   `logical_and`, `logical_or`, `logical_not`, `astype`; all may be written `np.…` or `torch.…`, and those that
//!   make sense as methods, `src.clip(0, 10)`. `src.astype("float32")`, `src.float()`, `np.float32(src)`, `src.to(torch.int64)`.
//! - `sum`, `mean`, `min`, `max`, `any`, `all` of one array give a plain number: **of the piece at hand**, chunk and
//!   context, so that results depend on how a volume is cut.
//!
//! # Types: those of NumPy 2
//! - Plain numbers take the type of the array beside them: `uint8` plus 1 is `uint8`. A whole number that the type cannot hold is
//!   an error (in comparisons it is just larger or smaller). Beside a fraction, arrays of whole numbers become
//!   `float64`; `float32` stays. Beside a whole number, comparisons' results (`bool`) become `int64`.
//! - Two arrays become the smallest type that holds both: `uint8` and `int8` `int16`; `float32` and whole numbers of up
//!   to 16 bits `float32`, larger ones `float64`. `uint64` and signed numbers have no such type and are refused, where
//!   NumPy would round labels to `float64`.
//! - Whole numbers wrap around. `/` gives `float64`, `float32` of `float32`. `//` rounds down, `%` has the sign of the
//!   divisor; of whole numbers both are 0 for the divisor 0. Whole numbers to the power of arrays of signed ones are refused.
//! - `astype` cuts fractions off (`round` first), wraps whole numbers, cuts floats at the ends of the range and makes
//!   NaN 0. A result of `bool` is given as `uint8`, 0 and 1.
//! - Arrays are equally large; one of a single channel meets one of many channels as if it were repeated.

mod block;
mod builtin;
mod cast;
mod combine;
mod elementwise;
mod error;
mod evaluate;
mod kind;
mod lexer;
mod lower;
mod names;
mod number;
mod operator;
mod parser;
mod reduce;
mod scalar;
mod signature;
mod syntax;
mod typed;

pub use error::{Error, Problem};
pub use evaluate::{Argument, Expression, Outcome};

/// All functions that expressions may call, each as it is called.
pub fn functions() -> impl Iterator<Item = String> {
    builtin::Signature::all().iter().map(builtin::Signature::usage)
}
