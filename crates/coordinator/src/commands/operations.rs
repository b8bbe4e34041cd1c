//! `coordinator operations`: what specs may use.

use std::process::ExitCode;

use otaman::{Info, Kind};
use serde_json::{Value as Json, json};

use super::announced::Announced;
use super::catalog::Known;
use super::{Stop, print, print_json};
use crate::args::OperationsArgs;
use crate::cli::Common;
use crate::display::table;

pub(crate) fn run(common: &Common, args: &OperationsArgs) -> Result<ExitCode, Stop> {
    let known = Known::open(common)?;
    let mut infos: Vec<&Info> =
        known.catalog.infos().filter(|info| args.tags.iter().all(|tag| info.tags.contains(tag))).collect();
    infos.sort_by(|a, b| (a.kind.as_str(), &a.name, &a.version).cmp(&(b.kind.as_str(), &b.name, &b.version)));
    match &args.name {
        None if args.output.is_json() => print_json(&shown(&infos, &known))?,
        None => match &known.announced {
            None => list(&infos)?,
            Some(announced) => list_with_workers(&infos, announced)?,
        },
        Some(name) => {
            let found: Vec<&Info> = infos.into_iter().filter(|info| info.name.as_str() == name).collect();
            if found.is_empty() {
                let problem =
                    format!("error: no operation or flow is named {name:?}; see `coordinator operations`");
                return Err(Stop::Usage(problem));
            }
            if args.output.is_json() {
                print_json(&shown(&found, &known))?
            } else {
                show(&found, known.announced.as_ref())?
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// As JSON; with servers, each operation with how many live workers announce it.
fn shown(infos: &[&Info], known: &Known) -> Vec<Json> {
    let one = |info: &&Info| {
        let mut shown = json!(info);
        let announced = known.announced.as_ref().filter(|_| info.kind == Kind::Operation);
        shown["workers"] = announced.map(|announced| announced.workers_of(info)).into();
        shown
    };
    infos.iter().map(one).collect()
}

fn row(info: &Info) -> [String; 6] {
    let summary = info.description.lines().next().unwrap_or_default();
    let worker_type = if info.kind == Kind::Operation { info.worker_type.as_str() } else { "" };
    [
        info.kind.as_str().to_owned(),
        info.name.to_string(),
        info.version.to_string(),
        worker_type.to_owned(),
        info.tags.join(" "),
        summary.to_owned(),
    ]
}

fn list(infos: &[&Info]) -> Result<(), Stop> {
    let rows = infos.iter().map(|info| row(info));
    let text = table(["KIND", "NAME", "VERSION", "WORKER TYPE", "TAGS", "DESCRIPTION"], rows);
    print(|out| writeln!(out, "{text}"))
}

fn list_with_workers(infos: &[&Info], announced: &Announced) -> Result<(), Stop> {
    let rows = infos.iter().map(|info| {
        let [kind, name, version, worker_type, tags, summary] = row(info);
        let workers = match info.kind {
            Kind::Operation => announced.workers_of(info).to_string(),
            Kind::Flow => String::new(),
        };
        [kind, name, version, worker_type, workers, tags, summary]
    });
    let text = table(["KIND", "NAME", "VERSION", "WORKER TYPE", "WORKERS", "TAGS", "DESCRIPTION"], rows);
    print(|out| writeln!(out, "{text}"))
}

fn show(infos: &[&Info], announced: Option<&Announced>) -> Result<(), Stop> {
    print(|out| {
        for info in infos {
            writeln!(out, "{} {} {}", info.kind.as_str(), info.name, info.version)?;
            if !info.description.is_empty() {
                writeln!(out, "\n{}", info.description.trim_end())?;
            }
            writeln!(out)?;
            if info.kind == Kind::Operation {
                writeln!(out, "worker type: {}", info.worker_type)?;
                if let Some(announced) = announced {
                    writeln!(out, "workers: {} that have it are alive", announced.workers_of(info))?;
                }
            }
            for (label, text) in [
                ("tags", info.tags.join(", ")),
                ("author", info.author.clone().unwrap_or_default()),
                ("requires", requirements(info)),
            ] {
                if !text.is_empty() {
                    writeln!(out, "{label}: {text}")?;
                }
            }
            writeln!(out, "arguments:")?;
            for (name, line) in arguments(&info.arguments) {
                writeln!(out, "  {name}: {line}")?;
            }
            writeln!(out)?;
        }
        Ok(())
    })
}

fn requirements(info: &Info) -> String {
    let each =
        info.requires.iter().map(|requirement| format!("{}@{}", requirement.name, requirement.versions));
    each.collect::<Vec<_>>().join(", ")
}

/// Each argument with its type, whether it must be given, and its description.
fn arguments(schema: &Json) -> Vec<(String, String)> {
    let empty = json!({});
    let properties = schema.get("properties").unwrap_or(&empty).as_object();
    let is_required = |name: &str| {
        schema
            .get("required")
            .and_then(Json::as_array)
            .is_some_and(|names| names.iter().any(|known| known == name))
    };
    let line = |name: &str, argument: &Json| {
        let of_type = match argument.get("type") {
            Some(Json::String(name)) => name.clone(),
            Some(Json::Array(names)) => {
                names.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(" or ")
            }
            _ => "any".to_owned(),
        };
        let need = if is_required(name) { "required" } else { "optional" };
        let description = argument.get("description").and_then(Json::as_str).unwrap_or_default();
        format!("{of_type}, {need}. {}", description.replace('\n', " ")).trim_end().to_owned()
    };
    properties.into_iter().flatten().map(|(name, argument)| (name.clone(), line(name, argument))).collect()
}
