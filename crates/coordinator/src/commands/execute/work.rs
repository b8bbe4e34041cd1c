//! What is to be run: a spec, new or known, and the checkpoint that remembers it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context as _;
use backends::store::{self, Checkpoint};
use otaman::spec::{FailurePolicy, Spec};
use otaman::{Registry, Resolve};
use protocol::{ExecutionId, ExecutionRecord, Status, to_unix_micros};
use serde_json::Value as Json;

use super::standard_input;
use crate::args::{ExecuteArgs, OnFailure};
use crate::cli::Common;
use crate::commands::again::resume_command;
use crate::commands::backend::{Backend, taken};
use crate::commands::catalog::Known;
use crate::commands::executions::remove;
use crate::commands::input::{self, Text};
use crate::commands::{Stop, say};

/// What is to be run: a checked spec and the checkpoint that remembers it.
pub(super) struct Work {
    pub(super) spec: Spec,
    pub(super) resolver: Arc<dyn Resolve>,
    pub(super) checkpoint: Arc<dyn Checkpoint>,
    /// What is remembered of the execution besides, as of now.
    pub(super) record: ExecutionRecord,
    /// Whether the execution was there before with another spec.
    pub(super) has_changed: bool,
    /// Whether the execution was there before.
    pub(super) is_resumed: bool,
    /// Standard input under the name that the catalog knows, if it is read; gone when this is dropped.
    _spool: Option<input::Spool>,
}

impl Work {
    /// Reads and checks the spec, and takes hold of its execution.
    pub(super) fn read(
        common: &Common,
        args: &ExecuteArgs,
        registry: &Arc<Registry>,
        backend: &Backend,
    ) -> Result<Self, Stop> {
        let store = backend.store();
        let earlier = args.resume.as_ref().map(|id| backend.view(id)).transpose()?.map(|view| view.record);
        let (text, variables) = source(args, earlier.as_ref())?;
        if let Some(directory) = earlier.as_ref().and_then(|record| record.directory.as_ref()) {
            return_to(directory, common, backend)?;
        }
        // The spec is checked with a place for standard input, which is filled only if it is read.
        let spool = input::Spool::new(&spool_directory(common, backend)?)?;
        let kept = match &earlier {
            Some(record) => standard_input::kept(backend, &record.id, &spool)?,
            None => None,
        };
        let place = kept.clone().unwrap_or_else(|| spool.path().to_owned());
        let known = Known::of(common, registry, backend)?.with_standard_input(place);
        let spec = known.parse(&text, &variables)?;
        let reads_input = input::reads_standard_input(&spec);
        match &kept {
            Some(_) if reads_input && !common.quiet => {
                say("lines of standard input are those of the first run")
            }
            Some(_) => {}
            None if reads_input => {
                spool.fill(&text)?;
                standard_input::check(backend, &spool)?;
            }
            None => {}
        }
        let (checkpoint, record) = match &earlier {
            Some(record) => {
                let checkpoint = backend
                    .block_on(store.resume(&record.id))
                    .map_err(|error| taken(error, common, backend))?;
                let incarnation = checkpoint.record().incarnation;
                let record = resumed(
                    ExecutionRecord { incarnation, ..record.clone() },
                    args,
                    &spec,
                    &text,
                    &variables,
                );
                backend.block_on(checkpoint.update(record.clone()))?;
                (checkpoint, record)
            }
            None => {
                let id = args
                    .id
                    .clone()
                    .or_else(|| spec.settings.execution_id.clone())
                    .unwrap_or_else(|| new_id(&text.name));
                let record = new_record(id, args, &spec, &text, variables);
                let created = match backend.block_on(store.create(record.clone())) {
                    Err(store::Error::Exists { .. }) if args.replace => replace(backend, record),
                    created => created,
                };
                let checkpoint = created.map_err(|error| match error {
                    store::Error::Exists { .. } => existing_execution(error, common),
                    other => taken(other, common, backend),
                })?;
                let record = checkpoint.record();
                (checkpoint, record)
            }
        };
        if reads_input && kept.is_none() {
            standard_input::keep(backend, &record.id, &spool)?;
        }
        let is_resumed = earlier.is_some();
        let has_changed = earlier
            .is_some_and(|earlier| earlier.spec != record.spec || earlier.variables != record.variables);
        Ok(Self {
            spec,
            resolver: Arc::new(known.catalog),
            checkpoint,
            record,
            has_changed,
            is_resumed,
            _spool: reads_input.then_some(spool),
        })
    }
}

/// Starts to remember an execution in place of an earlier one of its name.
fn replace(backend: &Backend, record: ExecutionRecord) -> Result<Arc<dyn Checkpoint>, store::Error> {
    remove(backend, &record.id)?;
    backend.block_on(backend.store().create(record))
}

/// Where standard input is put while this process runs: beside what it is kept with, which may be a
/// second name for the same file.
fn spool_directory(common: &Common, backend: &Backend) -> Result<PathBuf, Stop> {
    if backend.is_distributed() { Ok(std::env::temp_dir()) } else { input::state_dir(common) }
}

/// Goes to the directory in which the execution was first started: its relative paths begin there.
fn return_to(directory: &str, common: &Common, backend: &Backend) -> Result<(), Stop> {
    let here = std::env::current_dir().ok();
    if here.as_deref() == Some(Path::new(directory)) {
        return Ok(());
    }
    if backend.is_distributed() && !Path::new(directory).is_dir() {
        // It was started on another machine.
        if !common.quiet {
            say(&format!(
                "{directory}, in which the execution was first started, is not on this machine; relative paths of \
                 its flows begin here"
            ));
        }
        return Ok(());
    }
    std::env::set_current_dir(directory).with_context(|| {
        format!("going to {directory}, in which the execution was started and its relative paths begin")
    })?;
    if !common.quiet {
        say(&format!("relative paths begin in {directory}, where the execution was first started"));
    }
    Ok(())
}

/// The spec to run: the one given, or that of the execution to be resumed.
fn source(
    args: &ExecuteArgs,
    earlier: Option<&ExecutionRecord>,
) -> Result<(Text, BTreeMap<String, Json>), Stop> {
    let given = input::variables(&args.variables)?;
    match (&args.spec, earlier) {
        (Some(path), _) => {
            let text = input::read_spec(path)?;
            let variables =
                if given.is_empty() { earlier.map(|record| record.variables.clone()) } else { None };
            Ok((text, variables.unwrap_or(given)))
        }
        (None, Some(record)) => {
            let text = Text { name: record.source.clone(), bytes: record.spec.clone().into_bytes() };
            let mut variables = record.variables.clone();
            variables.extend(given);
            Ok((text, variables))
        }
        (None, None) => Err(Stop::Usage("error: name a spec, or an execution with --resume".to_owned())),
    }
}

fn existing_execution(error: store::Error, common: &Common) -> Stop {
    match error {
        store::Error::Exists { id } => Stop::Usage(format!(
            "error: an execution named {id} exists already; choose another --id, or --replace to forget that one; once \
             nobody runs it, it goes on with: {}",
            resume_command(common, &id)
        )),
        other => other.into(),
    }
}

/// A name from the spec's file name and a little chance.
fn new_id(source: &str) -> ExecutionId {
    let stem =
        Path::new(source).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_lowercase();
    let allowed =
        |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c) { c } else { '-' };
    let stem: String = stem.chars().map(allowed).take(40).collect();
    let stem = stem.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let stem = if stem.is_empty() { "execution" } else { stem };
    let chance = rand::random::<u32>() & 0x00ff_ffff;
    format!("{stem}-{chance:06x}").parse().expect("made of allowed characters")
}

fn new_record(
    id: ExecutionId,
    args: &ExecuteArgs,
    spec: &Spec,
    text: &Text,
    variables: BTreeMap<String, Json>,
) -> ExecutionRecord {
    let now = to_unix_micros(SystemTime::now());
    let new = ExecutionRecord::new(id, &*text.name, String::from_utf8_lossy(&text.bytes), now);
    ExecutionRecord {
        variables,
        directory: std::env::current_dir().ok().and_then(|path| path.into_os_string().into_string().ok()),
        continues_on_failure: match args.how.on_failure {
            Some(chosen) => chosen == OnFailure::Continue,
            None => spec.settings.on_failure == Some(FailurePolicy::Continue),
        },
        ..new
    }
}

/// The record of an execution that goes on, perhaps with another spec.
fn resumed(
    record: ExecutionRecord,
    args: &ExecuteArgs,
    spec: &Spec,
    text: &Text,
    variables: &BTreeMap<String, Json>,
) -> ExecutionRecord {
    ExecutionRecord {
        source: text.name.clone(),
        spec: String::from_utf8_lossy(&text.bytes).into_owned(),
        variables: variables.clone(),
        continues_on_failure: match (args.how.on_failure, spec.settings.on_failure) {
            (Some(chosen), _) => chosen == OnFailure::Continue,
            // A spec that was given anew counts for what it says of this, too.
            (None, Some(policy)) if args.spec.is_some() => policy == FailurePolicy::Continue,
            (None, _) => record.continues_on_failure,
        },
        status: Status::Running,
        updated_at_us: to_unix_micros(SystemTime::now()),
        result: None,
        flow_failures: Vec::new(),
        ..record
    }
}
