//! Random expressions give for each voxel what a naive evaluator gives that walks the tree with one voxel at a time.

use proptest::prelude::*;
use volumetric::array::{Array, Elements, Shape};
use volumetric::expression::{Argument, Expression, Outcome};
use volumetric::geometry::Vec3;

/// An expression over inputs a (uint8), b (int16), c (uint64) and d (float32).
#[derive(Debug, Clone)]
enum Tree {
    Input(usize),
    Number(i64),
    Operator(&'static str, Box<Tree>, Box<Tree>),
    Negative(Box<Tree>),
    Inverted(Box<Tree>),
    Absolute(Box<Tree>),
    Extreme(&'static str, Box<Tree>, Box<Tree>),
    Where(Box<Tree>, Box<Tree>, Box<Tree>),
    Convert(Box<Tree>, Kind),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Boolean,
    /// Bits, and whether it has a sign.
    Whole(u32, bool),
    Float(u32),
}

/// One voxel, or a plain number.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Plain(i128, bool),
    Boolean(bool),
    Whole(i128, u32, bool),
    Float(f64, u32),
}

/// The expression is refused.
#[derive(Debug)]
struct Refused;

impl Tree {
    fn text(&self) -> String {
        match self {
            Self::Input(index) => ["a", "b", "c", "d"][*index].into(),
            Self::Number(number) => format!("({number})"),
            Self::Operator(sign, left, right) => format!("({} {sign} {})", left.text(), right.text()),
            Self::Negative(one) => format!("(-{})", one.text()),
            Self::Inverted(one) => format!("(~{})", one.text()),
            Self::Absolute(one) => format!("abs({})", one.text()),
            Self::Extreme(name, left, right) => format!("{name}({}, {})", left.text(), right.text()),
            Self::Where(condition, yes, no) => {
                format!("where({}, {}, {})", condition.text(), yes.text(), no.text())
            }
            Self::Convert(one, kind) => format!("np.{}({})", kind.name(), one.text()),
        }
    }

    fn value(&self, inputs: &[Value; 4]) -> Result<Value, Refused> {
        match self {
            Self::Input(index) => Ok(inputs[*index]),
            Self::Number(number) => Ok(Value::Plain(i128::from(*number), false)),
            Self::Operator(sign, left, right) => operator(sign, left.value(inputs)?, right.value(inputs)?),
            Self::Negative(one) => match one.value(inputs)? {
                Value::Plain(number, _) => Ok(Value::Plain(-number, false)),
                Value::Boolean(_) => Err(Refused),
                Value::Whole(number, bits, signed) => Ok(wrapped(-number, bits, signed)),
                Value::Float(number, bits) => Ok(Value::Float(-number, bits)),
            },
            Self::Inverted(one) => match one.value(inputs)? {
                Value::Plain(number, _) => Ok(Value::Plain(!number, false)),
                Value::Boolean(truth) => Ok(Value::Boolean(!truth)),
                Value::Whole(number, bits, signed) => Ok(wrapped(!number, bits, signed)),
                Value::Float(..) => Err(Refused),
            },
            Self::Absolute(one) => match one.value(inputs)? {
                Value::Plain(number, _) => Ok(Value::Plain(number.abs(), false)),
                Value::Boolean(truth) => Ok(Value::Boolean(truth)),
                Value::Whole(number, bits, signed) => Ok(wrapped(number.abs(), bits, signed)),
                Value::Float(number, bits) => Ok(Value::Float(number.abs(), bits)),
            },
            Self::Extreme(name, left, right) => {
                let (left, right) = common(left.value(inputs)?, right.value(inputs)?)?;
                let is_better = if *name == "min" { less(right, left) } else { less(left, right) };
                let takes_right = !is_nan(left) && (is_nan(right) || is_better);
                Ok(if takes_right { right } else { left })
            }
            Self::Where(condition, yes, no) => {
                let condition = condition.value(inputs)?;
                let (yes, no) = (yes.value(inputs)?, no.value(inputs)?);
                if let Value::Plain(number, _) = condition {
                    return Ok(if number != 0 { yes } else { no });
                }
                let (yes, no) = match (yes, no) {
                    (Value::Plain(yes, true), Value::Plain(no, true)) => {
                        (Value::Boolean(yes != 0), Value::Boolean(no != 0))
                    }
                    (Value::Plain(yes, _), Value::Plain(no, _)) => {
                        (whole(yes, 64, true)?, whole(no, 64, true)?)
                    }
                    (yes, no) => common(yes, no)?,
                };
                Ok(if is_true(condition) { yes } else { no })
            }
            Self::Convert(one, kind) => Ok(match (one.value(inputs)?, kind) {
                (Value::Plain(number, _), Kind::Boolean) => Value::Plain(i128::from(number != 0), true),
                // A plain number stays plain; only Float of Plain would become a float, and is not made.
                (Value::Plain(number, _), _) => Value::Plain(number, false),
                (value, kind) => convert(value, *kind),
            }),
        }
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Boolean => "bool",
            Self::Whole(8, false) => "uint8",
            Self::Whole(32, false) => "uint32",
            Self::Whole(16, true) => "int16",
            Self::Whole(_, _) => "int64",
            Self::Float(32) => "float32",
            Self::Float(_) => "float64",
        }
    }
}

fn kind(value: Value) -> Option<Kind> {
    match value {
        Value::Plain(..) => None,
        Value::Boolean(_) => Some(Kind::Boolean),
        Value::Whole(_, bits, signed) => Some(Kind::Whole(bits, signed)),
        Value::Float(_, bits) => Some(Kind::Float(bits)),
    }
}

fn is_true(value: Value) -> bool {
    match value {
        Value::Plain(number, _) | Value::Whole(number, ..) => number != 0,
        Value::Boolean(truth) => truth,
        Value::Float(number, _) => number != 0.0,
    }
}

/// Modulo 2^bits.
fn wrapped(number: i128, bits: u32, signed: bool) -> Value {
    let modulus = 1_i128 << bits;
    let rest = number.rem_euclid(modulus);
    Value::Whole(if signed && rest >= modulus / 2 { rest - modulus } else { rest }, bits, signed)
}

/// The number, if it is of the type.
fn whole(number: i128, bits: u32, signed: bool) -> Result<Value, Refused> {
    let value = wrapped(number, bits, signed);
    if value == Value::Whole(number, bits, signed) { Ok(value) } else { Err(Refused) }
}

fn rounded(number: f64, bits: u32) -> Value {
    Value::Float(if bits == 32 { f64::from(number as f32) } else { number }, bits)
}

fn convert(value: Value, kind: Kind) -> Value {
    let number = match value {
        Value::Plain(number, _) | Value::Whole(number, ..) => number,
        Value::Boolean(truth) => i128::from(truth),
        Value::Float(number, _) => match kind {
            Kind::Boolean => return Value::Boolean(number != 0.0),
            Kind::Float(bits) => return rounded(number, bits),
            Kind::Whole(bits, signed) => {
                let least = if signed { -(1_i128 << (bits - 1)) } else { 0 };
                let most = if signed { (1_i128 << (bits - 1)) - 1 } else { (1_i128 << bits) - 1 };
                let cut = if number.is_nan() { 0 } else { (number as i128).clamp(least, most) };
                return Value::Whole(cut, bits, signed);
            }
        },
    };
    match kind {
        Kind::Boolean => Value::Boolean(number != 0),
        Kind::Whole(bits, signed) => wrapped(number, bits, signed),
        Kind::Float(32) => Value::Float(f64::from(number as f32), 32),
        Kind::Float(bits) => Value::Float(number as f64, bits),
    }
}

/// Both in the type that they have in common.
fn common(left: Value, right: Value) -> Result<(Value, Value), Refused> {
    let fit = |number: i128, is_truth: bool, array: Value| {
        let kind = match kind(array) {
            Some(Kind::Boolean) if is_truth => Kind::Boolean,
            Some(Kind::Boolean) => Kind::Whole(64, true),
            Some(other) => other,
            None => unreachable!("is no plain number"),
        };
        let plain = match kind {
            Kind::Whole(bits, signed) => whole(number, bits, signed)?,
            other => convert(Value::Plain(number, is_truth), other),
        };
        Ok((plain, convert(array, kind)))
    };
    match (left, right) {
        (Value::Plain(..), Value::Plain(..)) => Ok((left, right)),
        (Value::Plain(number, truth), array) => fit(number, truth, array),
        (array, Value::Plain(number, truth)) => {
            fit(number, truth, array).map(|(plain, array)| (array, plain))
        }
        _ => {
            let both = match (kind(left).unwrap(), kind(right).unwrap()) {
                (one, other) if one == other => one,
                (Kind::Boolean, other) | (other, Kind::Boolean) => other,
                (Kind::Float(one), Kind::Float(other)) => Kind::Float(one.max(other)),
                (Kind::Float(bits), Kind::Whole(size, _)) | (Kind::Whole(size, _), Kind::Float(bits)) => {
                    Kind::Float(if size <= 16 { bits } else { 64 })
                }
                (Kind::Whole(one, true), Kind::Whole(other, true)) => Kind::Whole(one.max(other), true),
                (Kind::Whole(one, false), Kind::Whole(other, false)) => Kind::Whole(one.max(other), false),
                (Kind::Whole(one, signed), Kind::Whole(other, _)) => {
                    let (with, without) = if signed { (one, other) } else { (other, one) };
                    let bits = with.max(without * 2);
                    if bits > 64 {
                        return Err(Refused);
                    }
                    Kind::Whole(bits, true)
                }
            };
            Ok((convert(left, both), convert(right, both)))
        }
    }
}

fn less(left: Value, right: Value) -> bool {
    match (left, right) {
        (Value::Float(left, _), Value::Float(right, _)) => left < right,
        (left, right) => exact(left) < exact(right),
    }
}

fn is_nan(value: Value) -> bool {
    matches!(value, Value::Float(number, _) if number.is_nan())
}

fn exact(value: Value) -> i128 {
    match value {
        Value::Plain(number, _) | Value::Whole(number, ..) => number,
        Value::Boolean(truth) => i128::from(truth),
        Value::Float(..) => unreachable!("is whole"),
    }
}

fn compare<T: PartialOrd>(sign: &str, left: T, right: T) -> bool {
    match sign {
        "<" => left < right,
        "<=" => left <= right,
        "==" => left == right,
        "!=" => left != right,
        ">=" => left >= right,
        _ => left > right,
    }
}

fn operator(sign: &str, left: Value, right: Value) -> Result<Value, Refused> {
    let is_comparison = ["<", "<=", "==", "!=", ">=", ">"].contains(&sign);
    let has_float = matches!(left, Value::Float(..)) || matches!(right, Value::Float(..));
    let is_plain = |value| matches!(value, Value::Plain(..));
    if is_comparison {
        if is_plain(left) && is_plain(right) {
            return Ok(Value::Plain(i128::from(compare(sign, exact(left), exact(right))), true));
        }
        if !has_float && (is_plain(left) || is_plain(right)) {
            return Ok(Value::Boolean(compare(sign, exact(left), exact(right))));
        }
        return Ok(Value::Boolean(match common(left, right)? {
            (Value::Float(left, _), Value::Float(right, _)) => compare(sign, left, right),
            (left, right) => compare(sign, exact(left), exact(right)),
        }));
    }
    let is_bitwise = ["&", "|", "^"].contains(&sign);
    if let (Value::Plain(one, true), Value::Plain(other, true), true) = (left, right, is_bitwise) {
        return Ok(Value::Plain(bits(sign, one, other), true));
    }
    match common(left, right)? {
        (Value::Plain(left, _), Value::Plain(right, _)) => {
            if ["//", "%"].contains(&sign) && right == 0 {
                return Err(Refused);
            }
            Ok(Value::Plain(arithmetic(sign, left, right), false))
        }
        (Value::Boolean(left), Value::Boolean(right)) if is_bitwise => {
            Ok(Value::Boolean(bits(sign, i128::from(left), i128::from(right)) != 0))
        }
        (Value::Boolean(_), _) => Err(Refused),
        (Value::Whole(left, size, signed), Value::Whole(right, ..)) => {
            Ok(wrapped(arithmetic(sign, left, right), size, signed))
        }
        (Value::Float(left, size), Value::Float(right, _)) if !is_bitwise => {
            let round = |number: f64| if size == 32 { f64::from(number as f32) } else { number };
            let rest = left % right;
            let rest = if rest != 0.0 && (rest < 0.0) != (right < 0.0) { round(rest + right) } else { rest };
            Ok(rounded(
                match sign {
                    "+" => left + right,
                    "-" => left - right,
                    "*" => left * right,
                    "%" => rest,
                    _ if right == 0.0 => left / right,
                    _ => {
                        let quotient = round(round(left - rest) / right);
                        if quotient - quotient.floor() > 0.5 {
                            quotient.floor() + 1.0
                        } else {
                            quotient.floor()
                        }
                    }
                },
                size,
            ))
        }
        _ => Err(Refused),
    }
}

fn bits(sign: &str, left: i128, right: i128) -> i128 {
    match sign {
        "&" => left & right,
        "|" => left | right,
        _ => left ^ right,
    }
}

fn arithmetic(sign: &str, left: i128, right: i128) -> i128 {
    let down = |left: i128, right: i128| {
        left.div_euclid(right) - i128::from(right < 0 && left.rem_euclid(right) != 0)
    };
    match sign {
        "+" => left + right,
        "-" => left - right,
        "*" => left.wrapping_mul(right),
        "//" if right == 0 => 0,
        "%" if right == 0 => 0,
        "//" => down(left, right),
        "%" => left - right * down(left, right),
        _ => bits(sign, left, right),
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        4 => (0..4_usize).prop_map(Tree::Input),
        2 => (-3..8_i64).prop_map(Tree::Number),
        1 => prop::sample::select(vec![127, 255, 256, 70000]).prop_map(Tree::Number),
    ];
    let signs = ["+", "-", "*", "//", "%", "&", "|", "^", "<", "<=", "==", "!=", ">=", ">"];
    let kinds = [
        Kind::Boolean,
        Kind::Whole(8, false),
        Kind::Whole(16, true),
        Kind::Whole(32, false),
        Kind::Whole(64, true),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let one = || inner.clone().prop_map(Box::new);
        prop_oneof![
            6 => (prop::sample::select(signs.to_vec()), one(), one())
                .prop_map(|(sign, left, right)| Tree::Operator(sign, left, right)),
            1 => one().prop_map(Tree::Negative),
            1 => one().prop_map(Tree::Inverted),
            1 => one().prop_map(Tree::Absolute),
            1 => (prop::sample::select(vec!["min", "max"]), one(), one())
                .prop_map(|(name, left, right)| Tree::Extreme(name, left, right)),
            1 => (one(), one(), one()).prop_map(|(condition, yes, no)| Tree::Where(condition, yes, no)),
            2 => (one(), prop::sample::select(kinds.to_vec())).prop_map(|(one, kind)| Tree::Convert(one, kind)),
        ]
    })
}

/// More voxels than a block has.
const COUNT: usize = 4099;

fn inputs() -> [Array; 4] {
    let shape = Shape::new(1, Vec3::new(i64::try_from(COUNT).unwrap(), 1, 1));
    let mixed = |index: usize| (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let small = |index: usize| mixed(index) >> 48;
    [
        Elements::Uint8((0..COUNT).map(|index| small(index) as u8).collect()),
        Elements::Int16((0..COUNT).map(|index| small(index) as i16 >> (index % 13)).collect()),
        Elements::Uint64((0..COUNT).map(|index| mixed(index) >> (index % 64)).collect()),
        Elements::Float32((0..COUNT).map(|index| (small(index) % 17) as f32 / 2.0 - 4.0).collect()),
    ]
    .map(|elements| Array::new(shape, elements))
}

fn voxel(array: &Array, index: usize) -> Value {
    match array.elements() {
        Elements::Uint8(values) => Value::Whole(i128::from(values[index]), 8, false),
        Elements::Uint16(values) => Value::Whole(i128::from(values[index]), 16, false),
        Elements::Uint32(values) => Value::Whole(i128::from(values[index]), 32, false),
        Elements::Uint64(values) => Value::Whole(i128::from(values[index]), 64, false),
        Elements::Int8(values) => Value::Whole(i128::from(values[index]), 8, true),
        Elements::Int16(values) => Value::Whole(i128::from(values[index]), 16, true),
        Elements::Int32(values) => Value::Whole(i128::from(values[index]), 32, true),
        Elements::Int64(values) => Value::Whole(i128::from(values[index]), 64, true),
        Elements::Float32(values) => Value::Float(f64::from(values[index]), 32),
        Elements::Float64(values) => Value::Float(values[index], 64),
    }
}

fn same(found: Value, expected: Value) -> bool {
    match (found, expected) {
        (Value::Float(found, bits), Value::Float(expected, others)) => {
            bits == others && (found == expected || found.is_nan() && expected.is_nan())
        }
        (found, Value::Boolean(truth)) => found == Value::Whole(i128::from(truth), 8, false),
        (found, expected) => found == expected,
    }
}

/// A number that i128 does not hold in between makes the naive evaluator panic; such trees are left out.
fn is_small(tree: &Tree) -> bool {
    fn products(tree: &Tree) -> usize {
        match tree {
            Tree::Input(_) | Tree::Number(_) => 0,
            Tree::Operator(sign, left, right) => usize::from(*sign == "*") + products(left) + products(right),
            Tree::Negative(one) | Tree::Inverted(one) | Tree::Absolute(one) | Tree::Convert(one, _) => {
                products(one)
            }
            Tree::Extreme(_, left, right) => products(left) + products(right),
            Tree::Where(condition, yes, no) => products(condition) + products(yes) + products(no),
        }
    }
    products(tree) <= 5
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn blocks_give_what_single_voxels_give(tree in trees().prop_filter("small", is_small)) {
        let text = format!("lambda a, b, c, d: {}", tree.text());
        let arrays = inputs();
        let values = |index: usize| arrays.each_ref().map(|array| voxel(array, index));
        let arguments: Vec<_> = arrays.iter().map(|array| Some(Argument::Array(array))).collect();
        let result = Expression::parse(&text).and_then(|expression| expression.evaluate(&arguments));
        match (result, tree.value(&values(0))) {
            (Err(_), Err(Refused)) => {}
            (Ok(Outcome::Integer(found)), Ok(Value::Plain(expected, _))) => prop_assert_eq!(found, expected, "{}", text),
            (Ok(Outcome::Array(found)), Ok(_)) => {
                // The ends of blocks, and some in between.
                for index in (0..COUNT).step_by(97).chain([4095, 4096, COUNT - 1]) {
                    let expected = tree.value(&values(index)).expect("types are the same everywhere");
                    let found = voxel(&found, index);
                    prop_assert!(same(found, expected), "{}: {:?}, not {:?}", text, found, expected);
                }
            }
            (found, expected) => prop_assert!(false, "{}: {:?}, not {:?}", text, found.map(|_| ()), expected),
        }
    }
}
