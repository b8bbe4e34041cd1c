//! Functions that expressions can call, by name.

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Builtin {
    Where,
    /// Of several values voxel by voxel; of one array its smallest value.
    Min,
    /// Of several values voxel by voxel; of one array its largest value.
    Max,
    Absolute,
    Clip,
    AsType,
    Round,
    Floor,
    Ceil,
    SquareRoot,
    Exponential,
    Logarithm,
    IsNan,
    LogicalAnd,
    LogicalOr,
    LogicalNot,
    Sum,
    Mean,
    Any,
    All,
}

/// How a function is called.
#[derive(Debug)]
pub(super) struct Signature {
    /// Its name and other names of it.
    pub(super) names: &'static [&'static str],
    pub(super) builtin: Builtin,
    /// Names of its parameters, each with other names of it.
    pub(super) parameters: &'static [&'static [&'static str]],
    /// How many arguments it needs.
    pub(super) least: usize,
    /// Whether it takes any number of arguments.
    pub(super) is_variadic: bool,
    /// Whether `a.name(…)` is understood, too.
    pub(super) is_method: bool,
}

const INPUT: &[&str] = &["x", "a", "input"];
const FIRST: &[&str] = &["x1", "input"];
const SECOND: &[&str] = &["x2", "other"];

const fn one(names: &'static [&'static str], builtin: Builtin) -> Signature {
    Signature { names, builtin, parameters: &[INPUT], least: 1, is_variadic: false, is_method: true }
}

const fn two(names: &'static [&'static str], builtin: Builtin) -> Signature {
    Signature { names, builtin, parameters: &[FIRST, SECOND], least: 2, is_variadic: false, is_method: false }
}

const fn several(names: &'static [&'static str], builtin: Builtin) -> Signature {
    Signature { names, builtin, parameters: &[INPUT], least: 1, is_variadic: true, is_method: true }
}

/// All functions.
static SIGNATURES: [Signature; 22] = [
    Signature {
        names: &["where"],
        builtin: Builtin::Where,
        parameters: &[&["condition"], &["x", "input"], &["y", "other"]],
        least: 3,
        is_variadic: false,
        is_method: false,
    },
    Signature {
        names: &["clip", "clamp"],
        builtin: Builtin::Clip,
        parameters: &[INPUT, &["min", "a_min"], &["max", "a_max"]],
        least: 1,
        is_variadic: false,
        is_method: true,
    },
    Signature {
        names: &["astype", "to", "type"],
        builtin: Builtin::AsType,
        parameters: &[INPUT, &["dtype"]],
        least: 2,
        is_variadic: false,
        is_method: true,
    },
    several(&["min", "amin"], Builtin::Min),
    several(&["max", "amax"], Builtin::Max),
    two(&["minimum"], Builtin::Min),
    two(&["maximum"], Builtin::Max),
    two(&["logical_and"], Builtin::LogicalAnd),
    two(&["logical_or"], Builtin::LogicalOr),
    one(&["logical_not"], Builtin::LogicalNot),
    one(&["abs", "absolute"], Builtin::Absolute),
    one(&["round", "rint"], Builtin::Round),
    one(&["floor"], Builtin::Floor),
    one(&["ceil"], Builtin::Ceil),
    one(&["sqrt"], Builtin::SquareRoot),
    one(&["exp"], Builtin::Exponential),
    one(&["log"], Builtin::Logarithm),
    one(&["isnan"], Builtin::IsNan),
    one(&["sum"], Builtin::Sum),
    one(&["mean"], Builtin::Mean),
    one(&["any"], Builtin::Any),
    one(&["all"], Builtin::All),
];

impl Signature {
    /// By name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        SIGNATURES.iter().find(|signature| signature.names.contains(&name))
    }

    /// All names of functions, or only those of methods.
    pub(super) fn all_names(methods: bool) -> impl Iterator<Item = &'static str> {
        let fitting = SIGNATURES.iter().filter(move |signature| signature.is_method || !methods);
        fitting.flat_map(|signature| signature.names.iter().copied())
    }

    /// How it is called, for people: `clip(x, min, max)`, `min(x, …)`.
    pub(super) fn usage(&self) -> String {
        let parameters: Vec<&str> = self.parameters.iter().map(|names| names[0]).collect();
        let more = if self.is_variadic { ", …" } else { "" };
        format!("{}({}{more})", self.names[0], parameters.join(", "))
    }

    /// All of them.
    pub(super) fn all() -> &'static [Self] {
        &SIGNATURES
    }

    /// How many arguments it takes, in words.
    pub(super) fn wanted(&self) -> String {
        match (self.least, self.parameters.len()) {
            (least, _) if self.is_variadic => format!("{least} or more arguments"),
            (1, 1) => "1 argument".into(),
            (least, most) if least == most => format!("{least} arguments"),
            (least, most) => format!("{least} to {most} arguments"),
        }
    }
}
