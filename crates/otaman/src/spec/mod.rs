//! The spec builder: from the text of a spec to a checked task or flow, or to all its problems.

mod alternatives;
mod catalog;
mod checker;
mod checking;
mod describe;
mod document;
mod entry_points;
mod fill;
mod findings;
mod guide;
mod header;
mod lexical;
mod mold;
mod nearest;
mod options;
mod parse;
mod path;
mod placeholder;
mod prepare;
mod problem;
mod schema;
mod settings;
mod syntax;
mod variables;
mod walk;
mod wording;

pub use catalog::Catalog;
pub use nearest::{listed, nearest};
pub use parse::{Spec, parse};
pub use problem::{Note, Problem, Problems};
pub use schema::schema;
pub use settings::{FailurePolicy, Settings};
pub use variables::{VariableError, parse_variable};
