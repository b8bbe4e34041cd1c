//! Nothing that anybody writes makes it panic, recurse without end or take memory without bound.

use proptest::prelude::*;
use volumetric::array::{Array, DataType, Shape};
use volumetric::expression::{Argument, Expression, Problem};
use volumetric::geometry::Vec3;

/// Pieces of expressions, and of what is none.
const WORDS: [&str; 64] = [
    "lambda",
    "src",
    "mask",
    "np.",
    "torch.",
    "where",
    "min",
    "max",
    "clip",
    "abs",
    "astype",
    ".astype",
    ".float()",
    ".sum()",
    ".clip",
    "float32",
    "'uint8'",
    "\"x\"",
    "if",
    "else",
    "and",
    "or",
    "not",
    "is",
    "in",
    "None",
    "True",
    "False",
    "0",
    "1",
    "255",
    "300",
    "-1",
    "1.5",
    "1e400",
    "99999999999999999999999999999999999999999",
    "0x",
    "0xff",
    "1_",
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "<<",
    ">>",
    "&",
    "|",
    "^",
    "~",
    "<",
    "==",
    "!=",
    "=",
    "(",
    ")",
    "[",
    ",",
    ":",
    ".",
    "é",
    "\\",
];

fn try_out(text: &str) {
    let Ok(expression) = Expression::parse(text) else { return };
    let shape = Shape::new(2, Vec3::new(3, 1, 2));
    for data_type in [DataType::Uint8, DataType::Int64, DataType::Float32] {
        let array =
            Array::generate(data_type, shape, |channel, voxel| channel as f64 * 3.0 - voxel[0] as f64);
        let count = expression.inputs().count();
        let optional = expression.optional_inputs().count();
        let arguments: Vec<_> =
            (0..count).map(|_| Some(Argument::Array(&array))).chain((0..optional).map(|_| None)).collect();
        // Whatever it says, it says something.
        let _ = expression.evaluate(&arguments).map_err(|error| error.to_string());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn soups_of_words_never_panic(
        words in prop::collection::vec(0..WORDS.len(), 0..30),
        spaced in any::<bool>(),
    ) {
        let words: Vec<&str> = words.into_iter().map(|word| WORDS[word]).collect();
        let soup = words.join(if spaced { " " } else { "" });
        try_out(&soup);
        try_out(&format!("lambda src, mask=1: {soup}"));
        try_out(&format!("lambda src: (src) {soup}"));
    }

    #[test]
    fn any_text_never_panics(text in "\\PC{0,60}") {
        try_out(&text);
        try_out(&format!("lambda src: {text}"));
    }
}

#[test]
fn deep_nesting_is_refused_on_a_small_stack() {
    let deep = |before: &str, middle: &str, after: &str| {
        format!("lambda a: {}{middle}{}", before.repeat(700), after.repeat(700))
    };
    let long = |separator: &str| format!("lambda a: {}", vec!["a"; 700].join(separator));
    let texts = vec![
        deep("(", "a", ")"),
        deep("-", "a", ""),
        deep("~", "a", ""),
        deep("not ", "a", ""),
        deep("abs(", "a", ")"),
        deep("a if a else ", "a", ""),
        deep("a**", "a", ""),
        deep("a+(", "a", ")"),
        deep("(", "", ""),
        deep("a", ".abs()", ""),
        format!("lambda a: a{}", ".abs()".repeat(700)),
        long("+"),
        long(" and "),
        long(" or "),
        long("**"),
        format!("lambda a={}1{}: a", "(".repeat(700), ")".repeat(700)),
    ];
    // Less than a thread of a pool has.
    let small = std::thread::Builder::new().stack_size(1024 * 1024);
    let check = move || {
        for text in texts {
            let error = Expression::parse(&text).map(|_| ()).unwrap_err();
            let shown: String = text.chars().take(40).collect();
            match error.problem {
                Problem::TooDeep(_) => {}
                // `aaaa…` is one long name.
                Problem::Unknown { .. } if text.contains("aaaa") => {}
                other => panic!("{shown}: {other}"),
            }
        }
        // What is just allowed can be evaluated there, too.
        let array = Array::filled(DataType::Float64, Shape::new(1, Vec3::splat(20)), 1.0);
        for text in [
            format!("lambda a: {}a{}", "1+(".repeat(20), ")".repeat(20)),
            format!("lambda a: {}a{}", "(".repeat(30), ")".repeat(30)),
            format!("lambda a: {}", vec!["a"; 63].join("+")),
            format!("lambda a: {}a", "-".repeat(60)),
            format!("lambda a: a{}", ".abs()".repeat(62)),
        ] {
            let expression = Expression::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            expression.evaluate(&[Some(Argument::Array(&array))]).unwrap();
        }
    };
    small.spawn(check).unwrap().join().unwrap();
    let wide = format!("lambda a: max({})", vec!["a"; 3000].join(","));
    assert_eq!(Expression::parse(&wide).unwrap_err().problem, Problem::TooLarge(2000));
    let long = format!("lambda a: {}", " ".repeat(20_000));
    assert_eq!(Expression::parse(&long).unwrap_err().problem, Problem::TooLong(10_000));
}
