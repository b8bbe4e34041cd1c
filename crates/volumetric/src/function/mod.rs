//! Functions on arrays, as specs name them: expressions, ready-made ones and the user's own.

mod arguments;
mod blur;
mod callable;
mod copy;
mod downsample;
mod error;
mod formula;
mod input;
mod lambda;
mod operation;
mod registration;
mod spec;
mod statistics;

pub use arguments::Arguments;
pub use callable::Function;
pub use error::{BoxError, Error};
pub use input::{Input, Output};
pub use operation::{Operation, OperationSpec};
pub use registration::{ArrayFunction, Registration, registered};
pub use spec::FunctionSpec;

#[doc(no_inline)]
pub use inventory;
