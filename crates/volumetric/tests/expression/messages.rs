//! What is refused, where, and with which advice.

use volumetric::array::{Array, DataType, Shape};
use volumetric::expression::{Argument, Expression};
use volumetric::geometry::Vec3;

#[test]
fn mistakes_are_refused_when_read() {
    for (text, message) in [
        ("src + 1", "column 1: an expression begins with `lambda`, as in `lambda src: src + 1`"),
        ("", "column 1: an expression begins with `lambda`, as in `lambda src: src + 1`"),
        ("lambda src: scr", r#"column 13: nothing is called "scr"; did you mean "src"?"#),
        (
            "lambda src: np.wher(src, 1, 2)",
            r#"column 16: nothing is called "np.wher"; did you mean "where"?"#,
        ),
        ("lambda src: src.foo()", r#"column 17: nothing is called ".foo""#),
        ("lambda src: src.shape", r#"column 17: nothing is called ".shape""#),
        ("lambda src: open('x')", r#"column 13: nothing is called "open""#),
        ("lambda src: src.__class__", r#"column 17: nothing is called ".__class__""#),
        ("lambda src: abs", "column 13: abs is a function; call it as in `abs(…)`"),
        ("lambda src: src(1)", "column 16: this is no function"),
        ("lambda src: abs(src, 1)", "column 13: abs takes 1 argument, not 2"),
        ("lambda src: where(src, 1)", "column 13: where takes 3 arguments, not 2"),
        ("lambda src: src.clip()", "column 17: .clip takes an array and at least one bound, not 1"),
        ("lambda src: src.clip(1, 2, 3)", "column 17: .clip takes 1 to 3 arguments, not 4"),
        ("lambda src: src.clip(1, min=2)", r#"column 25: "min" of .clip is given twice"#),
        ("lambda src: src.clip(maxx=2)", r#"column 22: .clip has no parameter "maxx"; did you mean "max"?"#),
        (
            "lambda src: src.astype('uint9')",
            r#"column 24: "uint9" is no type of voxels; did you mean "uint8"?"#,
        ),
        ("lambda src: src.astype(8)", "column 24: 8 is no type of voxels"),
        ("lambda src: src[0]", "column 16: an index cannot be used here; functions see whole chunks"),
        ("lambda **kwargs: 1", "column 8: **kwargs cannot be used here; name each input"),
        ("lambda *args: 1", "column 8: *args cannot be used here; name each input"),
        ("lambda a, a: 1", r#"column 11: two parameters are called "a""#),
        ("lambda a, b=a: 1", r#"column 11: the default of "b" must be a plain value"#),
        ("lambda a=1, b: 1", r#"column 13: "b" needs a default, since one before it has one"#),
        ("lambda if: 1", r#"column 8: expected the name of an input, found "if""#),
        ("lambda src", r#"column 11: expected "," or ":", found the end"#),
        ("lambda src: src +", "column 18: expected a value, found the end"),
        ("lambda src: (src", r#"column 17: expected ")", found the end"#),
        ("lambda src: src 1", "column 17: expected an operator or the end, found 1"),
        ("lambda src: 1, 2", "column 14: a list of results cannot be used here; a function gives one array"),
        (
            "lambda src: [x for x in src]",
            "column 13: a list cannot be used here; there are arrays and plain values only",
        ),
        ("lambda src: lambda b: b", "column 13: another lambda cannot be used here; write out what it does"),
        (
            "lambda src: src in (1, 2)",
            "column 17: `in` cannot be used here; compare with each value, as in (a == 1) | (a == 2)",
        ),
        ("lambda src: src @ src", "column 17: '@' has no meaning here"),
        ("lambda src: 1j", r#"column 13: "1j" is no number"#),
        ("lambda src: 1 / 0", "column 15: division by zero"),
        ("lambda src: 10 ** 100", "column 16: the result is too large a number"),
        ("lambda src: 'abc", "column 13: the text has no end"),
        ("lambda src: 1 if src", r#"column 21: expected "else", found the end"#),
        (
            "lambda src: src is src",
            r#"column 20: expected None: `is` compares with nothing else, found "src""#,
        ),
        ("lambda größe: größ + 1", r#"column 15: nothing is called "größ"; did you mean "größe"?"#),
    ] {
        match Expression::parse(text) {
            Ok(_) => panic!("{text} was accepted"),
            Err(error) => assert_eq!(error.to_string(), message, "{text}"),
        }
    }
}

#[test]
fn types_that_do_not_go_together_are_refused_when_known() {
    let shape = Shape::new(1, Vec3::ONE);
    for (text, data_type, message) in [
        (
            "lambda a: a + 300",
            DataType::Uint8,
            "column 13: 300 is no value of uint8; convert the array first, as in `src.astype(\"int64\")`",
        ),
        ("lambda a: a & 1.5", DataType::Uint8, "column 13: & does not work on an array of uint8 and 1.5"),
        ("lambda a: ~a", DataType::Float32, "column 11: ~ does not work on an array of float32"),
        (
            "lambda a: a and 1",
            DataType::Uint8,
            "column 11: and does not work on an array of uint8; use & between parentheses: (a > 1) & (b < 2)",
        ),
        (
            "lambda a: not a",
            DataType::Uint8,
            "column 15: not does not work on an array of uint8; use ~ before parentheses: ~(a > 1)",
        ),
        (
            "lambda a: 1 if a > 3 else 2",
            DataType::Uint8,
            "column 18: if does not work on an array of bool; use where(condition, then, otherwise)",
        ),
        (
            "lambda a: 0 < a < 3",
            DataType::Uint8,
            "column 15: a chain of comparisons does not work on an array of uint8; write (a < b) & (b < c); & binds tighter than <",
        ),
        (
            "lambda a: (a > 1) + (a > 2)",
            DataType::Uint8,
            "column 19: + does not work on an array of bool and an array of bool; use & | ^, or convert with .astype(\"uint8\")",
        ),
        (
            "lambda a: a + a.astype('int64')",
            DataType::Uint64,
            "column 13: no type holds all of uint64 and int64; convert one with astype",
        ),
        (
            "lambda a: a ** -1",
            DataType::Int32,
            "column 13: ** does not work on an array of int32 and -1; whole numbers have no negative powers; convert with .astype(\"float64\")",
        ),
        (
            "lambda a: a ** a",
            DataType::Int32,
            "column 13: ** does not work on an array of int32 and an array of int32; whole numbers have no negative powers; convert with .astype(\"float64\")",
        ),
        ("lambda a: a + None", DataType::Uint8, "column 13: + does not work on an array of uint8 and None"),
        (
            "lambda a: np.uint8",
            DataType::Uint8,
            "column 14: the result is the type uint8, neither an array nor a number",
        ),
    ] {
        let array = Array::filled(data_type, shape, 1.0);
        let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        match expression.evaluate(&[Some(Argument::Array(&array))]) {
            Ok(outcome) => panic!("{text} gave {outcome:?}"),
            Err(error) => assert_eq!(error.to_string(), message, "{text}"),
        }
    }
    let [small, large] =
        [1, 2].map(|size| Array::filled(DataType::Uint8, Shape::new(1, Vec3::splat(size)), 0.0));
    let error = Expression::parse("lambda a, b: a + b")
        .unwrap()
        .evaluate(&[Some(Argument::Array(&small)), Some(Argument::Array(&large))])
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "column 1: arrays of [1, 1, 1] voxels and of [2, 2, 2] voxels do not go together"
    );
}
