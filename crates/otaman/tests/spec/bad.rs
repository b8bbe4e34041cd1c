//! What bad specs are answered: where, what, and what to do.

use std::fmt::Write;

use otaman::spec;
use serde_json::{Value as Json, json};

use crate::fixtures::{catalog, parse, problems, variables};

/// One bad spec each; several lines where the line number matters.
const BAD: &[(&str, &str)] = &[
    // Not JSON.
    ("empty", "  \n"),
    ("cut off in an object", "{\"@type\": \"note\",\n \"data\": {\"a\": 1"),
    ("cut off after a colon", "{\"@type\":"),
    ("string that is not closed", "{\"@type\": \"note,\n \"data\": 1}"),
    ("comment", "{\n  // resize it\n  \"@type\": \"note\"\n}"),
    ("trailing comma", "{\"@type\": \"note\",\n \"data\": [1, 2,]}"),
    ("missing comma", "{\"@type\": \"note\"\n \"data\": 1}"),
    ("missing colon", "{\"@type\" \"note\"}"),
    ("key without quotes", "{type: \"note\"}"),
    ("single quotes", "{'@type': 'note'}"),
    ("typographic quotes", "{“@type”: “note”}"),
    ("NaN", "{\"@type\": \"note\", \"data\": NaN}"),
    ("minus infinity", "{\"@type\": \"note\", \"data\": -Infinity}"),
    ("Python's None", "{\"@type\": \"note\", \"data\": None}"),
    ("word without quotes", "{\"@type\": note}"),
    ("two roots", "{\"@type\": \"note\"}\n{\"@type\": \"note\"}"),
    ("bracket too many", "{\"@type\": \"note\", \"data\": [1]]}"),
    ("bad escape", "{\"@type\": \"note\", \"data\": \"C:\\data\"}"),
    ("half a surrogate pair", "{\"@type\": \"note\", \"data\": \"\\ud800\"}"),
    ("control character", "{\"@type\": \"note\", \"data\": \"a\tb\"}"),
    ("leading zero", "{\"@type\": \"note\", \"data\": 01}"),
    ("hexadecimal", "{\"@type\": \"note\", \"data\": 0xff}"),
    ("half a decimal", "{\"@type\": \"note\", \"data\": .5}"),
    ("too large an integer", "{\"@type\": \"note\", \"data\": 123456789012345678901234567890}"),
    ("too large a float", "{\"@type\": \"note\", \"data\": 1e999}"),
    ("key twice", "{\"@type\": \"note\",\n \"data\": 1,\n \"data\": 2}"),
    // The root.
    ("a list", "[{\"@type\": \"note\"}]"),
    ("no @type", "{\"data\": 1}"),
    ("no @type but a target", "{\"target\": {\"@type\": \"note\"}}"),
    ("@type is no string", "{\"@type\": 5}"),
    ("@type is unknown", "{\"@type\": \"frobnicate\", \"n\": 1}"),
    ("@type is misspelt", "{\"@type\": \"resise\", \"path\": \"a.png\", \"width\": 5}"),
    ("@type in another case", "{\"@type\": \"Resize\", \"path\": \"a.png\", \"width\": 5}"),
    // The other @ keys.
    ("unknown @ key", "{\"@type\": \"note\", \"@priority\": 3}"),
    ("misspelt @ key", "{\"@type\": \"note\", \"@runtime_limt\": \"30s\"}"),
    ("@ key without @type", "{\"@type\": \"note\", \"data\": {\"@version\": \"0.4\"}}"),
    ("misspelt @type inside", "{\"@type\": \"chain\", \"stages\": [{\"@typ\": \"note\"}]}"),
    ("@version is a number", "{\"@version\": 0.4, \"@type\": \"note\"}"),
    ("@version is malformed", "{\"@version\": \"v1\", \"@type\": \"note\"}"),
    ("@version that nothing is for", "{\"@version\": \"3.1\", \"@type\": \"import\"}"),
    (
        "@version that several are for",
        "{\"@version\": \"1.1\", \"@type\": \"chain\", \"stages\": [{\"@type\": \"import\"}]}",
    ),
    ("unknown @mode", "{\"@type\": \"note\", \"@mode\": \"lazy\"}"),
    ("empty @key", "{\"@type\": \"note\", \"@key\": \"\"}"),
    ("bad worker type", "{\"@type\": \"note\", \"@worker_type\": \"big gpu\"}"),
    ("bad duration", "{\"@type\": \"note\", \"@runtime_limit\": \"30 parsecs\"}"),
    ("runtime limit of 0", "{\"@type\": \"note\", \"@runtime_limit\": \"0s\"}"),
    ("unknown isolation", "{\"@type\": \"note\", \"@isolation\": \"container\"}"),
    ("bad amount of memory", "{\"@type\": \"note\", \"@memory_limit\": \"lots\"}"),
    ("memory limit of 0", "{\"@type\": \"note\", \"@memory_limit\": \"0B\"}"),
    ("runtime limit as a number", "{\"@type\": \"note\", \"@runtime_limit\": 30}"),
    (
        "bad retry policy",
        "{\"@type\": \"note\", \"@retry\": {\n  \"max_atempts\": 3,\n  \"max_losses\": 0,\n  \"multiplier\": 0.5,\n  \
         \"max_delay\": 5,\n  \"transient_exit_codes\": \"some\"\n}}",
    ),
    ("bad exit code", "{\"@type\": \"note\", \"@retry\": {\"transient_exit_codes\": [75, 300]}}"),
    ("one bad delay", "{\"@type\": \"note\", \"@retry\": {\"initial_delay\": \"soon\"}}"),
    ("bad semaphore", "{\"@type\": \"note\", \"@semaphores\": [\"cuda\", \"a/b\"]}"),
    ("semaphore twice", "{\"@type\": \"note\", \"@semaphores\": [\"cuda\", \"cuda\"]}"),
    ("semaphores as text", "{\"@type\": \"note\", \"@semaphores\": \"cuda\"}"),
    ("task option on a flow", "{\"@type\": \"chain\", \"@worker_type\": \"gpu\", \"stages\": []}"),
    // Arguments.
    ("missing argument", "{\"@type\": \"resize\", \"path\": \"a.png\"}"),
    ("missing arguments", "{\"@type\": \"resize\"}"),
    ("misspelt argument", "{\"@type\": \"resize\", \"path\": \"a.png\",\n \"widht\": 5}"),
    ("unknown argument", "{\"@type\": \"resize\", \"path\": \"a.png\", \"width\": 5,\n \"colour\": \"red\"}"),
    ("arguments where there are none", "{\"@version\": \"0\", \"@type\": \"import\", \"path\": 1}"),
    (
        "wrong types",
        "{\"@type\": \"resize\",\n \"path\": 7,\n \"width\": \"5\",\n \"tags\": \"a\",\n \"sharpen\": \"yes\"}",
    ),
    ("null", "{\"@type\": \"resize\", \"path\": null, \"width\": 5}"),
    (
        "wrong type inside a list",
        "{\"@type\": \"resize\", \"path\": \"a\", \"width\": 5, \"tags\": [\"a\",\n true]}",
    ),
    ("fraction for an integer", "{\"@type\": \"resize\", \"path\": \"a\", \"width\": 5.5}"),
    ("float for an integer", "{\"@type\": \"resize\", \"path\": \"a\", \"width\": 5.0}"),
    ("too small", "{\"@type\": \"resize\", \"path\": \"a\", \"width\": 0}"),
    ("too large", "{\"@type\": \"resize\", \"path\": \"a\", \"width\": 20000}"),
    (
        "too large for its bits",
        "{\"@type\": \"resize\", \"path\": \"a\", \"width\": 5, \"height\": 5000000000}",
    ),
    ("not one of the words", "{\"@type\": \"resize\", \"path\": \"a\", \"width\": 5, \"fit\": \"insde\"}"),
    ("what only the type knows", "{\"@type\": \"resize\", \"path\": \"a\", \"width\": 5, \"span\": [9, 3]}"),
    ("none of the forms", "{\"@type\": \"load\", \"from\": \"a.png\"}"),
    ("none of the forms by field", "{\"@type\": \"load\", \"from\": {}}"),
    ("misspelt form", "{\"@type\": \"load\", \"from\": {\"fil\": {\"path\": \"a\"}}}"),
    ("wrong inside a form", "{\"@type\": \"load\", \"from\": {\"url\": {\"url\": 5, \"timeot\": 3}}}"),
    (
        "unknown tag",
        "{\"@type\": \"load\", \"from\": {\"file\": {\"path\": \"a\"}}, \"draw\": {\"shape\": \"circel\", \"radius\": 1}}",
    ),
    (
        "wrong field of a tag",
        "{\"@type\": \"load\", \"from\": {\"file\": {\"path\": \"a\"}}, \"draw\": {\"shape\": \"circle\", \"side\": 1}}",
    ),
    // Targets and templates.
    ("a string for a target", "{\"@type\": \"chain\", \"stages\": [\"note\"]}"),
    ("an object for a target", "{\"@type\": \"chain\", \"stages\": [{\"data\": 1}]}"),
    ("a target for a list", "{\"@type\": \"chain\", \"stages\": {\"@type\": \"note\"}}"),
    ("a target for a number", "{\"@type\": \"resize\", \"path\": \"a\", \"width\": {\"@type\": \"note\"}}"),
    (
        "mistakes at several depths",
        "{\"@type\": \"chain\", \"stages\": [\n  {\"@type\": \"note\", \"dat\": 1},\n  {\"@type\": \"chain\", \"stages\": [\n    \
         {\"@type\": \"resize\", \"path\": \"a\", \"width\": -1},\n    {\"@type\": \"chian\"}\n  ]},\n  {\"@type\": \"note\"}\n]}",
    ),
    ("mistake in plain data", "{\"@type\": \"note\", \"data\": [{\"x\": {\"@type\": \"nope\"}}]}"),
    (
        "mistakes in a template",
        "{\"@type\": \"each\", \"items\": [1, 2], \"do\": {\"@type\": \"resize\",\n \"path\": \"{itm}.png\",\n \"width\": \"{index}px\",\n \
         \"@worker_type\": \"{item}\",\n \"@key\": \"same\"}}",
    ),
    (
        "items that do not suit the template",
        "{\"@type\": \"each\", \"items\": [4, \"a\", {\"x\": 1}, 0],\n \"do\": {\"@type\": \"resize\", \"path\": \"a\", \"width\": \"{item}\"}}",
    ),
    (
        "placeholder of another template",
        "{\"@type\": \"each\", \"items\": [1], \"do\": {\"@type\": \"note\"},\n \"then\": {\"@type\": \"resize\", \
         \"path\": \"{values.0}\", \"width\": \"{item}\", \"tags\": \"{value}\"}}",
    ),
    (
        "missing argument of a partial at a target",
        "{\"@type\": \"resize\", \"@mode\": \"partial\", \"path\": \"a\"}",
    ),
    // Entry points.
    ("no target", "{\"@type\": \"mazepa.execute\"}"),
    ("target is no object", "{\"@type\": \"mazepa.execute\", \"target\": \"note\"}"),
    (
        "misspelt parameter",
        "{\"@type\": \"mazepa.execute\", \"target\": {\"@type\": \"note\"}, \"exeuction_id\": \"a\"}",
    ),
    (
        "parameter of the other entry point",
        "{\"@type\": \"mazepa.execute\", \"target\": {\"@type\": \"note\"}, \"num_procs\": 4}",
    ),
    (
        "refused parameters",
        "{\"@type\": \"mazepa.execute_locally\", \"target\": {\"@type\": \"note\"},\n \"task_queue\": {\"@type\": \"SQSQueue\"},\n \
         \"outcome_queue\": null,\n \"checkpoint\": \"gs://a\",\n \"state_constructor\": {},\n \"semaphores_spec\": {\"cuda\": 1}}",
    ),
    (
        "bad parameters",
        "{\"@type\": \"mazepa.execute_locally\", \"target\": {\"@type\": \"note\"},\n \"num_procs\": 0,\n \"show_progress\": \"no\"}",
    ),
    (
        "bad execution id",
        "{\"@type\": \"mazepa.execute\", \"target\": {\"@type\": \"note\"}, \"execution_id\": \"My Run\"}",
    ),
    (
        "task option on an entry point",
        "{\"@type\": \"mazepa.execute\", \"@worker_type\": \"gpu\", \"target\": {\"@type\": \"note\"}}",
    ),
    (
        "entry point inside",
        "{\"@type\": \"chain\", \"stages\": [{\"@type\": \"mazepa.execute\", \"target\": {\"@type\": \"note\"}}]}",
    ),
    ("SLURM", "{\"@type\": \"mazepa.execute_on_slurm\", \"target\": {\"@type\": \"note\"}}"),
    ("GCP", "{\"@type\": \"mazepa.execute_on_gcp_with_sqs\", \"target\": {\"@type\": \"note\"}}"),
    ("worker manager", "{\"@type\": \"mazepa.run_worker_manager\"}"),
    ("Executor", "{\"@type\": \"mazepa.Executor\"}"),
    (
        "mistake in the target",
        "{\"@type\": \"mazepa.execute\",\n \"target\": {\"@type\": \"note\", \"dta\": 1}}",
    ),
];

/// Specs with variables; `size` is 5 and `given` is a list.
const BAD_WITH_VARIABLES: &[(&str, &str)] = &[
    (
        "variable without a value",
        "{\"@type\": \"note\", \"data\": [\"${size} ${name}\", {\"@var\": \"name\"}, \"${given}\"]}",
    ),
    ("misspelt variable", "{\"@type\": \"note\", \"data\": [\"${sise}\", \"${given}\"]}"),
    ("unused variable", "{\"@type\": \"note\", \"data\": \"${size}\"}"),
    ("broken variable", "{\"@type\": \"note\", \"data\": \"${HOME:-/root} ${size} ${given}\"}"),
    ("list inside a text", "{\"@type\": \"note\", \"data\": \"${size}: ${given}\"}"),
    (
        "missing variables in many places",
        "{\"@type\": \"${kind}\", \"data\": {\"@type\": \"resize\", \"path\": \"${a}\", \"width\": {\"@var\": \"b\"}, \"tags\": \"${given}${size}\"}}",
    ),
    ("variable of the wrong type", "{\"@type\": \"resize\", \"path\": \"${size}\", \"width\": \"${given}\"}"),
    (
        "unknown key beside @var",
        "{\"@type\": \"note\", \"data\": [{\"@var\": \"size\", \"defualt\": 1}, \"${given}\"]}",
    ),
    ("@var is no name", "{\"@type\": \"note\", \"data\": [{\"@var\": 5}, \"${size}\", \"${given}\"]}"),
];

fn shown(title: &str, text: &str, answer: &str) -> String {
    let spec: String = text.lines().fold(String::new(), |mut shown, line| {
        writeln!(shown, "    {line}").unwrap();
        shown
    });
    format!("# {title}\n{spec}{answer}\n\n")
}

#[test]
fn every_mistake_is_answered_with_place_and_cure() {
    let mut answers = String::new();
    for (title, text) in BAD {
        let problems = problems(text);
        answers += &shown(title, text, &problems);
    }
    insta::assert_snapshot!("bad", answers);
}

#[test]
fn mistakes_with_variables_are_answered_alike() {
    let given = variables(&[("size", json!(5)), ("given", json!([1, 2]))]);
    let mut answers = String::new();
    for (title, text) in BAD_WITH_VARIABLES {
        let problems = spec::parse("spec.json", text, &given, &catalog()).unwrap_err();
        answers += &shown(title, text, &problems.to_string());
    }
    insta::assert_snapshot!("bad_with_variables", answers);
}

#[test]
fn bytes_that_are_no_text_are_answered_with_their_place() {
    let mut latin = b"{\"@type\": \"note\",\n \"data\": \"caf".to_vec();
    latin.extend([0xe9, b'"', b'}']);
    assert_eq!(problems(latin), "spec.json:2:14: $: byte 0xe9 is not UTF-8; save the spec as UTF-8");
    let utf16 = [0xff, 0xfe, b'{', 0, b'}', 0];
    assert_eq!(problems(utf16), "spec.json:1:1: $: the spec is UTF-16; save it as UTF-8");
    let deep = "[".repeat(100_000);
    assert_eq!(problems(deep), "spec.json:1:65: $: objects and lists nest deeper than 64 here");
    let large = vec![b' '; (64 << 20) + 1];
    assert!(problems(large).starts_with("spec.json:1:1: $: the spec has 67108865 bytes, at most 67108864"));
}

#[test]
fn columns_count_characters_not_bytes() {
    let text = "{\"@type\": \"note\", \"data\": \"😀é\", \"dota\": 1}";
    assert_eq!(
        problems(text),
        "spec.json:1:33: $.dota: unknown argument \"dota\" of operation \"note\"; did you mean \"data\"?"
    );
}

#[test]
fn a_hundred_problems_are_shown_and_the_rest_counted() {
    let stages: Vec<Json> = (0..2500).map(|_| json!({"@type": "nope"})).collect();
    let problems = parse(json!({"@type": "chain", "stages": stages}).to_string()).unwrap_err();
    assert_eq!((problems.list().len(), problems.more()), (100, 2400));
    assert!(problems.to_string().ends_with("\nand 2400 more"));
    assert_eq!(problems.to_json().as_array().map(Vec::len), Some(100));
    assert_eq!(
        problems.to_json()[1],
        json!({
            "file": "spec.json", "line": 1, "column": 54, "path": "$.stages[1]",
            "message": "unknown operation or flow \"nope\"", "suggestion": "note"
        })
    );
}
