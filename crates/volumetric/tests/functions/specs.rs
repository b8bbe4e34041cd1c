//! Functions as specs name them: what is accepted, what is refused and where.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use volumetric::array::{Array, DataType, Elements, Shape};
use volumetric::function::{
    Arguments, ArrayFunction, BoxError, Error, FunctionSpec, Input, Output, Registration, inventory,
    registered,
};
use volumetric::geometry::Vec3;

use crate::world::{function, row};

fn refused(spec: Json) -> (String, String) {
    let text = spec.to_string();
    let spec: FunctionSpec = serde_json::from_value(spec).unwrap();
    match spec.build() {
        Ok(function) => panic!("{text} gave {function:?}"),
        Err(error) => (error.place(), chain(&error)),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

#[test]
fn mistakes_are_refused_with_their_place() {
    for (spec, place, message) in [
        (json!({"@type": "lamda"}), "/@type", r#"no function is called "lamda"; did you mean "lambda"?"#),
        (json!({"@type": "blurr"}), "/@type", r#"no function is called "blurr"; did you mean "blur"?"#),
        (
            json!({"@type": "copy", "@mode": "lazy"}),
            "/@mode",
            r#"@mode is "lazy"; a function is "partial", or has none"#,
        ),
        (json!({"@type": "copy", "fast": true}), "/fast", r#"copy has no parameter "fast"; there is none"#),
        (
            json!({"@type": "downsample", "factr": [2, 2, 1]}),
            "/factr",
            r#"downsample has no parameter "factr"; did you mean "factor"?"#,
        ),
        (json!({"@type": "downsample"}), "", "downsample: missing field `factor`"),
        (
            json!({"@type": "downsample", "factor": [2, "2", 1]}),
            "/factor/1",
            "downsample: invalid type: string \"2\", expected i64",
        ),
        (
            json!({"@type": "downsample", "factor": [2, 0, 1]}),
            "/factor",
            "factor of downsample is [2, 0, 1]; it must be 1 or more along each axis, and blocks of 32768 voxels at most",
        ),
        (
            json!({"@type": "downsample", "factor": [1_i64 << 48, 2, 1]}),
            "/factor",
            "factor of downsample is [281474976710656, 2, 1]; it must be 1 or more along each axis, and blocks of 32768 voxels at most",
        ),
        (
            json!({"@type": "blur", "sigma": [1, -1, 0]}),
            "/sigma",
            "sigma of blur is [1.0, -1.0, 0.0]; it must be 0 or more along each axis, and at most 10000 voxels divided by `truncate`",
        ),
        (
            json!({"@type": "threshold"}),
            "/above",
            "above of threshold is missing; it must be given, or `below`",
        ),
        (
            json!({"@type": "normalise", "mean": 1}),
            "/from",
            "from of normalise is (None, None, Some(1.0), None); it must be given, perhaps with `to`; or `mean` and `standard_deviation` instead",
        ),
        (
            json!({"@type": "normalise", "from": [1, 1]}),
            "/from",
            "from of normalise is [1.0, 1.0]; it must be two rising numbers",
        ),
        (
            json!({"@type": "statistics", "bins": 0}),
            "/bins",
            "bins of statistics is 0; it must be from 1 to 4096",
        ),
        (
            json!({"@type": "lambda"}),
            "",
            r#"a lambda has the one parameter "lambda_str", a text such as "lambda src: src + 1"; it is missing"#,
        ),
        (
            json!({"@type": "lambda", "lambda_str": 7}),
            "",
            r#"a lambda has the one parameter "lambda_str", a text such as "lambda src: src + 1"; 7 is no text"#,
        ),
        (
            json!({"@type": "lambda", "lambda_str": "lambda a: b"}),
            "/lambda_str",
            r#"column 11: nothing is called "b""#,
        ),
        (
            json!({"@type": "lambda", "lambda_str": "lambda a: a", "k": 1}),
            "",
            r#"a lambda has the one parameter "lambda_str", a text such as "lambda src: src + 1"; "k" is none of a lambda"#,
        ),
    ] {
        let text = spec.to_string();
        assert_eq!(refused(spec), (place.to_owned(), message.to_owned()), "{text}");
    }
    for spec in [json!("lambda a: a"), json!({}), json!({"@type": 3}), json!([])] {
        assert!(serde_json::from_value::<FunctionSpec>(spec.clone()).is_err(), "{spec}");
    }
}

#[test]
fn specs_survive_being_written() {
    let text = r#"{"@type":"downsample","@version":"0.4","@mode":"partial","factor":[2,2,1]}"#;
    let spec: FunctionSpec = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&spec).unwrap(), text);
    assert_eq!(spec.build().unwrap().name(), "downsample");
    assert_eq!(FunctionSpec::named("cast").with("data_type", "uint8").build().unwrap().name(), "cast");
}

#[test]
fn inputs_are_checked_by_name_and_kind() {
    let lambda = FunctionSpec::lambda("lambda src, mask, k=2: src * k + mask").build().unwrap();
    assert_eq!(lambda.parameters(), ["src", "mask", "k"]);
    for (names, message) in [
        (vec!["src"], Some(r#"lambda needs "mask", which is not given"#)),
        (vec!["src", "mask", "msk"], Some(r#"lambda takes no "msk"; did you mean "mask"?"#)),
        (vec!["src", "mask", "src"], Some(r#"lambda is given "src" twice"#)),
        (vec!["mask", "k", "src"], None),
        (vec!["src", "mask"], None),
    ] {
        let result = lambda.check_inputs(names.iter().copied());
        assert_eq!(result.err().map(|error| error.to_string()).as_deref(), message, "{names:?}");
    }
    let mask = function(json!({"@type": "mask"}));
    let arguments = [("src".to_owned(), row(&[1_u8]).into()), ("mask".to_owned(), Input::Integer(1))];
    assert_eq!(
        mask.call(&arguments).unwrap_err().to_string(),
        r#""mask" of mask is the number 1; it must be an array"#
    );
    let sizes = [("src".to_owned(), row(&[1_u8]).into()), ("mask".to_owned(), row(&[1_u8, 2]).into())];
    assert_eq!(
        mask.call(&sizes).unwrap_err().to_string(),
        "column 1: arrays of [1, 1, 1] voxels and of [2, 1, 1] voxels do not go together"
    );
}

#[test]
fn samples_tell_the_type_of_a_result_before_anything_is_read() {
    let lambda = FunctionSpec::lambda("lambda src: (src > 3).float()").build().unwrap();
    let Output::Array(result) =
        lambda.evaluate(&[("src".into(), Input::sample(DataType::Uint64, 3))]).unwrap()
    else {
        panic!("no array")
    };
    assert_eq!((result.data_type(), result.shape().channels), (DataType::Float32, 3));
    let all: [Json; 8] = [
        json!({"@type": "copy"}),
        json!({"@type": "downsample", "factor": [2, 2, 2]}),
        json!({"@type": "blur", "sigma": [1, 1, 1]}),
        json!({"@type": "cast", "data_type": "int8"}),
        json!({"@type": "threshold", "above": 1}),
        json!({"@type": "normalise", "from": [0, 1]}),
        json!({"@type": "statistics"}),
        json!({"@type": "downsample", "factor": [2, 2, 2], "method": "mode"}),
    ];
    for spec in all {
        for data_type in crate::world::DATA_TYPES {
            let arguments = [("src".to_owned(), Input::sample(data_type, 2))];
            function(spec.clone())
                .evaluate(&arguments)
                .unwrap_or_else(|error| panic!("{spec} {data_type}: {error}"));
        }
    }
}

#[test]
fn one_number_fills_an_array_that_holds_it() {
    let shape = Shape::new(1, Vec3::new(2, 1, 1));
    let output = FunctionSpec::lambda("lambda: 42").build().unwrap().evaluate(&[]).unwrap();
    assert_eq!(output.clone().into_array("f", DataType::Uint8, shape).unwrap(), row(&[42_u8, 42]));
    assert_eq!(output.into_array("f", DataType::Float32, shape).unwrap(), row(&[42_f32, 42.0]));
    let label = FunctionSpec::lambda("lambda: 18446744073709551615").build().unwrap().evaluate(&[]).unwrap();
    assert_eq!(label.into_array("f", DataType::Uint64, shape).unwrap(), row(&[u64::MAX, u64::MAX]));
    let half = FunctionSpec::lambda("lambda: 1 / 2").build().unwrap().evaluate(&[]).unwrap();
    assert_eq!(half.clone().into_array("f", DataType::Float64, shape).unwrap(), row(&[0.5, 0.5]));
    assert_eq!(
        half.into_array("f", DataType::Uint8, shape).unwrap_err().to_string(),
        "0.5 is no value of uint8"
    );
    assert_eq!(Output::Number(7.0).into_array("f", DataType::Uint8, shape).unwrap(), row(&[7_u8, 7]));
    let error = Output::Integer(300).into_array("f", DataType::Uint8, shape).unwrap_err();
    assert_eq!(error.to_string(), "300 is no value of uint8");
    let error = FunctionSpec::lambda("lambda: 42").build().unwrap().call(&[]).unwrap_err();
    assert_eq!(error.to_string(), "lambda gives the number 42, not an array");
}

#[test]
fn values_of_specs_become_inputs() {
    assert_eq!(Input::try_from(&json!(null)).unwrap(), Input::None);
    assert_eq!(Input::try_from(&json!(3)).unwrap(), Input::Integer(3));
    assert_eq!(Input::try_from(&json!(3.0)).unwrap(), Input::Number(3.0));
    assert_eq!(Input::try_from(&json!("uint8")).unwrap(), Input::Text("uint8".into()));
    assert_eq!(Input::try_from(&json!(true)).unwrap(), Input::Boolean(true));
    for value in [json!([1]), json!({"a": 1}), json!(u64::MAX)] {
        assert!(Input::try_from(&value).is_err(), "{value}");
    }
    let lambda =
        FunctionSpec::lambda("lambda src, t=None: src if t is None else src.astype(t)").build().unwrap();
    let arguments = [("src".into(), row(&[3_u8]).into()), ("t".into(), Input::Text("float32".into()))];
    assert_eq!(lambda.call(&arguments).unwrap(), row(&[3_f32]));
}

/// A function of a user: the smallest one, with an error of its own.
#[derive(Deserialize, JsonSchema)]
struct Reverse {
    most: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("{0} values are too many")]
struct TooMany(usize);

impl ArrayFunction for Reverse {
    fn call(&self, arguments: &Arguments<'_>) -> Result<Output, Error> {
        let mut array = arguments.array("src")?.converted(DataType::Uint8);
        let Elements::Uint8(values) = array.elements_mut() else { unreachable!("was converted") };
        if values.len() > self.most {
            let reason: BoxError = TooMany(values.len()).into();
            return Err(Error::Failed { function: arguments.function().into(), reason });
        }
        values.reverse();
        Ok(array.into())
    }
}

inventory::submit! { Registration::of::<Reverse>("reverse") }

#[test]
fn own_functions_are_known_to_specs() {
    let reverse = function(json!({"@type": "reverse", "@mode": "partial", "most": 3}));
    assert_eq!(reverse.apply(row(&[1_u8, 2, 3])).unwrap(), row(&[3_u8, 2, 1]));
    let error = reverse.apply(row(&[0_u8; 4])).unwrap_err();
    assert_eq!(chain(&error), "reverse failed: 4 values are too many");
    assert_eq!(
        refused(json!({"@type": "reverse", "mots": 3})).1,
        r#"reverse has no parameter "mots"; did you mean "most"?"#
    );
    let names: Vec<_> = registered().iter().map(|registration| registration.name()).collect();
    assert_eq!(
        names,
        ["blur", "cast", "copy", "downsample", "mask", "normalise", "reverse", "statistics", "threshold"]
    );
}

#[test]
fn a_copy_is_the_same_array() {
    let source =
        Array::generate(DataType::Int64, Shape::new(2, Vec3::new(5, 4, 3)), |_, voxel| voxel[0] as f64);
    assert_eq!(function(json!({"@type": "copy"})).apply(source.clone()).unwrap(), source);
}
