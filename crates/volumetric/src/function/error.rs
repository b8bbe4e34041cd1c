//! What can be wrong with a function or a call of one.

use crate::geometry::{Resolution, Vec3};

/// An error of whoever wrote a function.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What can be wrong with a function or a call of one. None of it gets better by trying again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No function has this name.
    #[error("no function is called {name:?}; {}", meant(nearest, known))]
    Unknown {
        /// The name.
        name: String,
        /// What was perhaps meant.
        nearest: Option<String>,
        /// All that there are, in words.
        known: String,
    },
    /// Two functions have the same name.
    #[error("two functions are called {0:?}; rename the one that is yours")]
    Ambiguous(String),
    /// An unknown `@mode`.
    #[error("@mode is {0:?}; a function is \"partial\", or has none")]
    Mode(String),
    /// A parameter that the function does not have.
    #[error("{function} has no parameter {name:?}; {}", meant(nearest, known))]
    UnknownParameter {
        /// The function.
        function: String,
        /// The parameter.
        name: String,
        /// What was perhaps meant.
        nearest: Option<String>,
        /// All that it has, in words.
        known: String,
    },
    /// Parameters that cannot be read.
    #[error("{function}: {reason}")]
    Malformed {
        /// The function.
        function: String,
        /// Where in them.
        place: String,
        /// What is wrong.
        reason: serde_json::Error,
    },
    /// A parameter with a value that makes no sense.
    #[error("{name} of {function} is {value}; it must be {wanted}")]
    Parameter {
        /// The function.
        function: String,
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
        /// What would do.
        wanted: &'static str,
    },
    /// An input that the function does not take.
    #[error("{function} takes no {name:?}; {}", meant(nearest, known))]
    UnknownInput {
        /// The function.
        function: String,
        /// The input.
        name: String,
        /// What was perhaps meant.
        nearest: Option<String>,
        /// All that it takes, in words.
        known: String,
    },
    /// An input given twice.
    #[error("{function} is given {name:?} twice")]
    Twice {
        /// The function.
        function: String,
        /// The input.
        name: String,
    },
    /// An input that the function needs.
    #[error("{function} needs {name:?}, which is not given")]
    MissingInput {
        /// The function.
        function: String,
        /// The input.
        name: String,
    },
    /// An input of the wrong kind.
    #[error("{name:?} of {function} is {found}; it must be {wanted}")]
    Kind {
        /// The function.
        function: String,
        /// The input.
        name: String,
        /// What it is.
        found: String,
        /// What would do.
        wanted: &'static str,
    },
    /// A value that is no input.
    #[error("{0} is no input of a function: layers, numbers, booleans, texts and null are")]
    NoInput(String),
    /// Inputs whose sizes do not go together.
    #[error("{function} is given arrays of {first} and of {second}, which do not go together")]
    Sizes {
        /// The function.
        function: String,
        /// One size.
        first: String,
        /// The other.
        second: String,
    },
    /// The result is no array.
    #[error("{function} gives {found}, not an array")]
    NoArray {
        /// The function.
        function: String,
        /// What it gives.
        found: String,
    },
    /// The result does not fit.
    #[error("{value} is no value of {data_type}")]
    OutOfRange {
        /// The result.
        value: String,
        /// The type that is wanted.
        data_type: crate::array::DataType,
    },
    /// The function gives no values that can be merged.
    #[error("{function} gives no values to be merged")]
    NoMerge {
        /// The function.
        function: String,
    },
    /// Values that this function did not give.
    #[error("value {index} is none that {function} gives")]
    Foreign {
        /// The function.
        function: String,
        /// Which of them.
        index: usize,
        /// What is wrong with it.
        #[source]
        reason: BoxError,
    },
    /// The resolution of what an operation reads is no whole number of femtometres.
    #[error(
        "res_change_mult {multiplier:?} makes no resolution of {resolution}; \
         inputs are read at the resolution of the result divided by it"
    )]
    Multiplier {
        /// The multiplier.
        multiplier: [f64; 3],
        /// The resolution of the result.
        resolution: Resolution,
    },
    /// What an operation would read is not made of whole voxels.
    #[error(
        "{what} {size} at {resolution} is no whole number of voxels at {input}, where inputs are read \
         (res_change_mult {multiplier:?})"
    )]
    NotWhole {
        /// What is not.
        what: &'static str,
        /// Its size in voxels of the result.
        size: Vec3,
        /// The resolution of the result.
        resolution: Resolution,
        /// The resolution of the inputs.
        input: Resolution,
        /// The multiplier.
        multiplier: [f64; 3],
    },
    /// A result of another size than the chunk.
    #[error("{function} gives {found} voxels for a chunk of {wanted}")]
    ResultSize {
        /// The function.
        function: String,
        /// The size of its result.
        found: Vec3,
        /// The size of the chunk with its context.
        wanted: Vec3,
    },
    /// A lambda without text, or with other parameters.
    #[error("a lambda has the one parameter \"lambda_str\", a text such as \"lambda src: src + 1\"; {0}")]
    LambdaParameters(String),
    /// A malformed expression, or one for other inputs.
    #[error(transparent)]
    Expression(#[from] crate::expression::Error),
    /// What a function of the user says.
    #[error("{function} failed")]
    Failed {
        /// The function.
        function: String,
        /// What it says.
        #[source]
        reason: BoxError,
    },
}

/// "did you mean …?", or what there is.
fn meant(nearest: &Option<String>, known: &str) -> String {
    match nearest {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None => format!("there is {}", if known.is_empty() { "none" } else { known }),
    }
}

impl Error {
    /// Where in the function's spec the mistake is, as a JSON pointer; empty for the whole.
    pub fn place(&self) -> String {
        let below = |name: &str| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        match self {
            Self::Unknown { .. } | Self::Ambiguous(_) => "/@type".into(),
            Self::Mode(_) => "/@mode".into(),
            Self::UnknownParameter { name, .. } => below(name),
            Self::Parameter { name, .. } => below(name),
            Self::Malformed { place, .. } => place.clone(),
            Self::Expression(_) => "/lambda_str".into(),
            Self::LambdaParameters(_)
            | Self::UnknownInput { .. }
            | Self::Twice { .. }
            | Self::MissingInput { .. }
            | Self::Kind { .. }
            | Self::NoInput(_)
            | Self::Sizes { .. }
            | Self::NoArray { .. }
            | Self::OutOfRange { .. }
            | Self::NoMerge { .. }
            | Self::Foreign { .. }
            | Self::Multiplier { .. }
            | Self::NotWhole { .. }
            | Self::ResultSize { .. }
            | Self::Failed { .. } => String::new(),
        }
    }
}
