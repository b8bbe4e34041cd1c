//! What expressions give.

use volumetric::array::{Array, DataType, Element, Elements, Shape};
use volumetric::expression::{Argument, Expression, Outcome};
use volumetric::geometry::Vec3;

fn row<T: Element>(values: &[T]) -> Array {
    let size = Vec3::new(i64::try_from(values.len()).unwrap(), 1, 1);
    Array::new(Shape::new(1, size), T::wrap(values.to_vec()))
}

#[track_caller]
fn evaluate(text: &str, arguments: &[Argument<'_>]) -> Outcome {
    let expression = Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let arguments: Vec<_> = arguments.iter().copied().map(Some).collect();
    expression.evaluate(&arguments).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn of<T: Element, U: Element>(text: &str, source: &[T], expected: &[U]) {
    let source = row(source);
    let Outcome::Array(result) = evaluate(text, &[Argument::Array(&source)]) else {
        panic!("{text}: no array")
    };
    assert_eq!(result.elements(), &U::wrap(expected.to_vec()), "{text}");
}

#[track_caller]
fn number(text: &str, expected: Outcome) {
    assert_eq!(evaluate(text, &[]), expected, "{text}");
}

#[test]
fn the_forms_in_specs_of_mazepa_work() {
    of("lambda src: src", &[1_u8, 2], &[1_u8, 2]);
    of("lambda data: data + 1", &[1_u8, 255], &[2_u8, 0]);
    of("lambda src: src * 0 + 42", &[1_u8, 2], &[42_u8, 42]);
    of("lambda data: data + 1", &[0.5_f32], &[1.5_f32]);
    of("lambda src: (src > 127) & (src < 200)", &[100_u8, 150, 250], &[0_u8, 1, 0]);
    of("lambda src: src.astype(np.float32) / 255.0", &[51_u8], &[51.0_f32 / 255.0]);
    of(
        "lambda src: torch.where(src > 5, src, torch.tensor)".replace("torch.tensor", "0").as_str(),
        &[3_i16, 9],
        &[0_i16, 9],
    );
    number("lambda: 42", Outcome::Integer(42));
}

#[test]
fn precedence_is_pythons() {
    for (text, expected) in [
        ("lambda: 2 + 3 * 4", 14),
        ("lambda: (2 + 3) * 4", 20),
        ("lambda: 2 ** 3 ** 2", 512),
        ("lambda: -2 ** 2", -4),
        ("lambda: 7 // -2", -4),
        ("lambda: -7 % 3", 2),
        ("lambda: 10 - 4 - 3", 3),
        ("lambda: 100 // 7 // 2", 7),
        ("lambda: 1 | 2 ^ 3 & 5", 3),
        ("lambda: 1 << 2 + 1", 8),
        ("lambda: ~5 & 0xff", 250),
        ("lambda: 1 if 0 else 2 if 0 else 3", 3),
        ("lambda: (1 or 2) + (0 and 5)", 1),
        ("lambda: not 1 == 2", 1),
        ("lambda: not (1 and 0) and 3", 3),
        ("lambda: 1 < 2 < 3", 1),
        ("lambda: 1 < 3 < 2", 0),
        ("lambda: 1_000 + 0b11 + 0o17", 1018),
        ("lambda: max(1, 7, 3) - min(4, 2)", 5),
        ("lambda: 2 if None is None else 3", 2),
        ("lambda: int(2.9) + int(-2.9)", 0),
        ("lambda: True + True", 2),
    ] {
        number(text, Outcome::Integer(expected));
    }
    number("lambda: 2 ** -1", Outcome::Number(0.5));
    number("lambda: 7 / 2", Outcome::Number(3.5));
    number("lambda: -7.5 // 2", Outcome::Number(-4.0));
    number("lambda: -7.5 % 2", Outcome::Number(0.5));
    number("lambda: 1e3 + .5 + 2.", Outcome::Number(1002.5));
    number("lambda: np.pi", Outcome::Number(std::f64::consts::PI));
}

#[test]
fn types_are_those_of_numpy() {
    of("lambda a: a + 1", &[255_u8], &[0_u8]);
    of("lambda a: 1 - a", &[2_u8], &[255_u8]);
    of("lambda a: -a", &[1_u16], &[65535_u16]);
    of("lambda a: a + 1.5", &[1_u8], &[2.5_f64]);
    of("lambda a: a + 1.5", &[1_f32], &[2.5_f32]);
    of("lambda a: a / 2", &[3_u8], &[1.5_f64]);
    of("lambda a: a / 2", &[3_f32], &[1.5_f32]);
    of("lambda a: a // -2", &[7_i8, -7], &[-4_i8, 3]);
    of("lambda a: a % -3", &[7_i8, -7, 6], &[-2_i8, -1, 0]);
    of("lambda a: a // 0 + a % 0", &[7_i8, -7], &[0_i8, 0]);
    of("lambda a: a % 3.0", &[-1.0_f32, 4.0], &[2.0_f32, 1.0]);
    of("lambda a: a ** 2", &[16_u8, 3], &[0_u8, 9]);
    of("lambda a: 2 ** a", &[3_u8, 8], &[8_u8, 0]);
    of("lambda a: a ** 0.5", &[16_u8], &[4.0_f64]);
    of("lambda a: (a > 1) * 255", &[1_u8, 2], &[0_i64, 255]);
    of("lambda a: (a > 1) * a", &[1_u8, 2], &[0_u8, 2]);
    of("lambda a: ~(a > 1) ^ True", &[1_u8, 2], &[0_u8, 1]);
    of("lambda a: ~a", &[1_u8], &[254_u8]);
    of("lambda a: a << 4 | a >> 4", &[0x12_u8], &[0x21_u8]);
    of("lambda a: a << 9", &[1_u8], &[0_u8]);
    of("lambda a: a >> 20", &[-5_i16], &[-1_i16]);
    of("lambda a: where(a > 1, 255, 0)", &[1_u8, 2], &[0_i64, 255]);
    of("lambda a: where(a > 1, a, 0)", &[1_u8, 2], &[0_u8, 2]);
    of("lambda a: where(a, 1.0, 0)", &[0_u8, 2], &[0.0_f64, 1.0]);
    of("lambda a: abs(a)", &[-128_i8, -3, 3], &[-128_i8, 3, 3]);
    of("lambda a: np.sqrt(a)", &[16_u8], &[4.0_f64]);
    of("lambda a: round(a)", &[0.5_f32, 1.5, -0.5], &[0.0_f32, 2.0, -0.0]);
    of("lambda a: isnan(a)", &[f32::NAN, 1.0], &[1_u8, 0]);
    of("lambda a: isnan(maximum(a, 1)) | isnan(minimum(1, a))", &[f32::NAN, 0.0], &[1_u8, 0]);
}

#[test]
fn numbers_beyond_a_type_are_just_larger_or_smaller() {
    of("lambda a: a < 300", &[255_u8], &[1_u8]);
    of("lambda a: -1 > a", &[255_u8], &[0_u8]);
    of("lambda a: a == 256", &[0_u8], &[0_u8]);
    of("lambda a: a > 0.5", &[0_u8, 1], &[0_u8, 1]);
    of("lambda a: a == 18446744073709551615", &[u64::MAX, u64::MAX - 1], &[1_u8, 0]);
    of("lambda a: a > 9007199254740992.0", &[9007199254740993_u64], &[1_u8]);
    of("lambda a: np.clip(a, -5, 300)", &[0_u8, 255], &[0_u8, 255]);
    of("lambda a: a.clip(max=10)", &[5_u8, 20], &[5_u8, 10]);
    of("lambda a: a.clamp(min=10)", &[5_u8, 20], &[10_u8, 20]);
}

#[test]
fn conversions_cut_and_wrap() {
    of("lambda a: a.astype('uint8')", &[1.9_f32, -1.0, 300.0, f32::NAN], &[1_u8, 0, 255, 0]);
    of("lambda a: a.astype(\"uint8\")", &[257_i32, -1], &[1_u8, 255]);
    of("lambda a: np.int16(a)", &[u16::MAX], &[-1_i16]);
    of("lambda a: a.float()", &[3_u8], &[3_f32]);
    of("lambda a: a.to(torch.float)", &[3_u8], &[3_f32]);
    of("lambda a: a.astype(float)", &[3_u8], &[3_f64]);
    of("lambda a: a.int()", &[3_u8], &[3_i32]);
    of("lambda a: a.astype(int)", &[3_u8], &[3_i64]);
    of("lambda a: a.bool()", &[3_u8, 0], &[1_u8, 0]);
    of("lambda a: round(a * 1.5).astype(np.uint8)", &[3_u8, 4], &[4_u8, 6]);
    of("lambda a: a + 0", &[u64::MAX], &[u64::MAX]);
}

#[test]
fn one_array_becomes_a_number() {
    let source = row(&[1_u8, 2, 250]);
    let given = |text| evaluate(text, &[Argument::Array(&source)]);
    assert_eq!(given("lambda a: a.sum()"), Outcome::Integer(253));
    assert_eq!(given("lambda a: mean(a)"), Outcome::Number(253.0 / 3.0));
    assert_eq!(given("lambda a: a.max() - min(a)"), Outcome::Integer(249));
    assert_eq!(given("lambda a: (a > 2).any()"), Outcome::Integer(1));
    assert_eq!(given("lambda a: all(a > 2)"), Outcome::Integer(0));
    assert_eq!(given("lambda a: (a > 1).sum()"), Outcome::Integer(2));
    of("lambda a: a if a.any() else 5", &[0_u8, 1], &[0_u8, 1]);
    of("lambda a: a - a.min()", &[7_u8, 9], &[0_u8, 2]);
}

#[test]
fn inputs_may_have_defaults_and_be_none() {
    let (source, mask) = (row(&[1_u8, 2]), row(&[0_u8, 1]));
    let expression = Expression::parse(
        "lambda src, mask=None, k=-2: where(mask > 0, src, 0) if mask is not None else src - k",
    )
    .unwrap();
    assert_eq!(expression.inputs().collect::<Vec<_>>(), ["src"]);
    assert_eq!(expression.optional_inputs().collect::<Vec<_>>(), ["mask", "k"]);
    let (source, mask) = (Some(Argument::Array(&source)), Some(Argument::Array(&mask)));
    for (arguments, expected) in [
        ([source, mask, None], [0_u8, 2]),
        ([source, Some(Argument::None), Some(Argument::Integer(1))], [0, 1]),
    ] {
        let result = expression.evaluate(&arguments).unwrap();
        assert_eq!(result, Outcome::Array(row(&expected)));
    }
    // -2 is no uint8.
    assert!(expression.evaluate(&[source, None, None]).is_err());
}

#[test]
fn one_channel_meets_many() {
    let size = Vec3::new(3, 2, 2);
    let many = Array::generate(DataType::Uint8, Shape::new(3, size), |channel, voxel| {
        (channel * 50) as f64 + voxel[0] as f64
    });
    let one = Array::generate(DataType::Uint8, Shape::new(1, size), |_, voxel| voxel[0] as f64);
    let expected = Array::generate(DataType::Uint8, Shape::new(3, size), |channel, _| (channel * 50) as f64);
    for text in ["lambda many, one: many - one", "lambda many, one: where(one >= 0, many - one, 7)"] {
        let result = evaluate(text, &[Argument::Array(&many), Argument::Array(&one)]);
        assert_eq!(result, Outcome::Array(expected.clone()), "{text}");
    }
    let two = Array::filled(DataType::Uint8, Shape::new(2, size), 0.0);
    let error = Expression::parse("lambda a, b: a + b")
        .unwrap()
        .evaluate(&[Some(Argument::Array(&many)), Some(Argument::Array(&two))])
        .unwrap_err();
    assert_eq!(error.to_string(), "column 16: arrays of 3 channels and of 2 channels do not go together");
}

#[test]
fn arrays_larger_than_a_block_are_computed_whole() {
    let shape = Shape::new(2, Vec3::new(100, 71, 3));
    let source = Array::generate(DataType::Uint16, shape, |channel, voxel| {
        (channel as i64 * 7 + voxel[0] + 3 * voxel[1] + 11 * voxel[2]) as f64
    });
    let Outcome::Array(result) =
        evaluate("lambda a: where(a % 2 == 0, a // 2, 3 * a + 1)", &[Argument::Array(&source)])
    else {
        panic!("no array")
    };
    let Elements::Uint16(values) = source.elements() else { panic!("other type") };
    let expected =
        values.iter().map(|value| if value % 2 == 0 { value / 2 } else { 3 * value + 1 }).collect();
    assert_eq!(result, Array::new(shape, Elements::Uint16(expected)));
}
