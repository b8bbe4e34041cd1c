//! What can be wrong with an expression, and where.

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("column {column}: {problem}")]
pub struct Error {
    /// The character it begins with, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with an expression.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Too many characters.
    #[error("the expression has more than {0} characters")]
    TooLong(usize),
    /// Too many parentheses, or too long a chain.
    #[error("it is nested more than {0} deep")]
    TooDeep(usize),
    /// Too many operators and operands.
    #[error("it has more than {0} parts")]
    TooLarge(usize),
    /// A character that nothing begins with.
    #[error("{0:?} has no meaning here")]
    Character(char),
    /// A malformed number.
    #[error("{0:?} is no number")]
    Number(String),
    /// A text without end.
    #[error("the text has no end")]
    UnclosedText,
    /// It is no lambda.
    #[error("an expression begins with `lambda`, as in `lambda src: src + 1`")]
    NotLambda,
    /// Something else was expected.
    #[error("expected {wanted}, found {found}")]
    Expected {
        /// What should be here.
        wanted: &'static str,
        /// What is.
        found: String,
    },
    /// Python that is not understood here.
    #[error("{what} cannot be used here; {instead}")]
    Unsupported {
        /// What it is.
        what: &'static str,
        /// What may help.
        instead: &'static str,
    },
    /// Two parameters of one name.
    #[error("two parameters are called {0:?}")]
    Twice(String),
    /// A default that has to be computed from other things.
    #[error("the default of {0:?} must be a plain value")]
    Default(String),
    /// A parameter without default after one with.
    #[error("{0:?} needs a default, since one before it has one")]
    DefaultOrder(String),
    /// Nothing has this name.
    #[error("nothing is called {name:?}{}", meant(.nearest))]
    Unknown {
        /// The name.
        name: String,
        /// What was perhaps meant.
        nearest: Option<String>,
    },
    /// A function's name without a call.
    #[error("{0} is a function; call it as in `{0}(…)`")]
    NotCalled(String),
    /// Something that is no function is called.
    #[error("{0} is no function")]
    NotFunction(String),
    /// A function does not have this parameter.
    #[error("{function} has no parameter {name:?}{}", meant(.nearest))]
    Keyword {
        /// The function.
        function: String,
        /// The parameter.
        name: String,
        /// What was perhaps meant.
        nearest: Option<String>,
    },
    /// A parameter is given twice.
    #[error("{name:?} of {function} is given twice")]
    KeywordTwice {
        /// The function.
        function: String,
        /// The parameter.
        name: String,
    },
    /// Too few or too many arguments.
    #[error("{function} takes {wanted}, not {found}")]
    Arity {
        /// The function.
        function: String,
        /// How many it takes, in words.
        wanted: String,
        /// How many it is given.
        found: usize,
    },
    /// No name of a type.
    #[error("{found} is no type of voxels{}", meant(.nearest))]
    NoType {
        /// What it is.
        found: String,
        /// What was perhaps meant.
        nearest: Option<String>,
    },
    /// An operator or function for other things.
    #[error("{operation} does not work on {operands}{}", rather(.instead))]
    Operands {
        /// The operator or function.
        operation: String,
        /// What it is given, in words.
        operands: String,
        /// What may help, or nothing.
        instead: &'static str,
    },
    /// A whole number that does not fit the type of the array beside it.
    #[error("{number} is no value of {data_type}; convert the array first, as in `src.astype(\"int64\")`")]
    OutOfRange {
        /// The number.
        number: i128,
        /// The array's type.
        data_type: &'static str,
    },
    /// Two types that nothing holds both of.
    #[error("no type holds all of {left} and {right}; convert one with astype")]
    NoCommonType {
        /// The type on the left.
        left: &'static str,
        /// The type on the right.
        right: &'static str,
    },
    /// A number beyond all bounds.
    #[error("the result is too large a number")]
    Overflow,
    /// A plain division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// Arrays that are not equally large.
    #[error("arrays of {first} and of {second} do not go together")]
    Sizes {
        /// The size of one.
        first: String,
        /// The size of the other.
        second: String,
    },
    /// The largest of no values.
    #[error("{0} of no voxels")]
    Empty(&'static str),
    /// The result is no number and no array.
    #[error("the result is {0}, neither an array nor a number")]
    Result(String),
}

fn meant(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|nearest| format!("; did you mean {nearest:?}?")).unwrap_or_default()
}

fn rather(instead: &str) -> String {
    if instead.is_empty() { String::new() } else { format!("; {instead}") }
}

impl Problem {
    pub(super) fn at(self, column: usize) -> Error {
        Error { column, problem: self }
    }
}
