//! Finding out which of several allowed forms was meant, so that a problem can be told as one of
//! that form instead of "fits none".

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind as Kind;
use serde_json::Value as Json;

use crate::spec::checker::Complaint;
use crate::spec::describe::{found, quoted};
use crate::spec::nearest::{listed, nearest};
use crate::spec::path::{Focus, Segment, from_pointer};
use crate::spec::wording::{Wording, choice, expected, types, waived};

/// The errors of one allowed form.
type Branch = [ValidationError<'static>];

/// The complaints about a value at `path` that fits none of the forms.
pub(crate) fn complain<'e>(
    wording: &Wording<'_>,
    path: &[Segment],
    instance: &Json,
    branches: &'e [Vec<ValidationError<'static>>],
) -> Vec<Complaint> {
    let here =
        |error: &ValidationError<'_>| from_pointer(error.instance_path().as_str(), wording.value) == path;
    let wrong_types = |branch: &Branch| {
        branch.iter().find_map(|error| match error.kind() {
            Kind::Type { kind } if here(error) => Some(types(kind)),
            _ => None,
        })
    };
    let of_type: Vec<&'e Branch> =
        branches.iter().map(Vec::as_slice).filter(|branch| wrong_types(branch).is_none()).collect();
    if of_type.is_empty() {
        let mut names: Vec<&str> =
            branches.iter().filter_map(|branch| wrong_types(branch)).flatten().collect();
        names.sort_unstable();
        names.dedup();
        return vec![Complaint::new(path.to_vec(), Focus::Value, expected(&names, instance))];
    }
    // Constants, at this place or as the tag of an object, tell the forms apart.
    let mismatch = |branch: &&'e Branch| branch.iter().find_map(|error| mismatched(wording, path, error));
    let meant: Vec<&Branch> = of_type.iter().copied().filter(|branch| mismatch(branch).is_none()).collect();
    match meant.as_slice() {
        [] => {
            let mismatches: Vec<_> = of_type.iter().filter_map(mismatch).collect();
            let Some((place, tag, _)) = mismatches.first() else { return Vec::new() };
            let options: Vec<Json> =
                mismatches.iter().flat_map(|(_, _, options)| options.iter().cloned()).collect();
            // Other types only count where the value itself was to be the constant.
            let types: Vec<&str> =
                branches.iter().filter_map(|branch| wrong_types(branch)).flatten().collect();
            let types = if place == path { types.as_slice() } else { &[] };
            vec![choice(place.clone(), tag, &options, types)]
        }
        [one] => of_form(wording, one),
        several => by_fields(wording, path, instance, several),
    }
}

/// The place, value and options of a constant that differs.
fn mismatched<'e>(
    wording: &Wording<'_>,
    path: &[Segment],
    error: &'e ValidationError<'static>,
) -> Option<(Vec<Segment>, &'e Json, Vec<Json>)> {
    let options = match error.kind() {
        Kind::Constant { expected_value } => vec![expected_value.as_ref().clone()],
        Kind::Enum { options } => options.as_array()?.clone(),
        _ => return None,
    };
    let place = from_pointer(error.instance_path().as_str(), wording.value);
    (place.len() <= path.len() + 1).then_some((place, error.instance().as_ref(), options))
}

fn of_form(wording: &Wording<'_>, branch: &Branch) -> Vec<Complaint> {
    let counting = branch.iter().filter(|error| !waived(error, wording.leniency));
    counting.flat_map(|error| wording.complain(error)).collect()
}

/// Forms that differ by the fields they need: the one whose fields are there was meant.
fn by_fields(
    wording: &Wording<'_>,
    path: &[Segment],
    instance: &Json,
    branches: &[&Branch],
) -> Vec<Complaint> {
    let lacking = |branch: &Branch| -> Vec<String> {
        let required = branch.iter().filter_map(|error| match error.kind() {
            Kind::Required { property } => property.as_str().map(str::to_owned),
            _ => None,
        });
        required.collect()
    };
    let complete: Vec<&Branch> =
        branches.iter().copied().filter(|branch| lacking(branch).is_empty()).collect();
    if let Some(best) = complete.iter().min_by_key(|branch| branch.len()) {
        return of_form(wording, best);
    }
    let forms: Vec<String> = branches
        .iter()
        .map(|branch| {
            let names: Vec<String> = lacking(branch).iter().map(|name| quoted(name)).collect();
            listed(&names, "and")
        })
        .collect();
    let lacked: Vec<String> = branches.iter().flat_map(|branch| lacking(branch)).collect();
    let keys = instance.as_object().into_iter().flat_map(|fields| fields.keys());
    let misspelt =
        keys.filter_map(|key| Some((key, nearest(key, lacked.iter().map(String::as_str))?))).next();
    if let Some((key, name)) = misspelt {
        let path = path.iter().cloned().chain([Segment::Key(key.clone())]).collect();
        let message = format!("unknown field {}", quoted(key));
        return vec![Complaint {
            suggestion: Some(name.to_owned()),
            ..Complaint::new(path, Focus::Key, message)
        }];
    }
    let message = format!("expected an object with {}; found {}", listed(&forms, "or with"), found(instance));
    vec![Complaint::new(path.to_vec(), Focus::Value, message)]
}
