//! `coordinator plan`: counts the tasks of a spec without running any.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use bytesize::ByteSize;
use otaman::Resolve;

use super::catalog::Known;
use super::{Stop, input, print, print_json};
use crate::args::PlanArgs;
use crate::cli::Common;
use crate::display::{counted, table};
use crate::plan::{EstimatedFlow, Plan};

pub(crate) fn run(common: &Common, args: &PlanArgs) -> Result<ExitCode, Stop> {
    let text = input::read_spec(&args.spec.spec)?;
    let spool = input::Spool::new(&std::env::temp_dir())?;
    let known = Known::open(common)?.with_standard_input(spool.path().to_owned());
    let spec = known.parse(&text, &input::variables(&args.spec.variables)?)?;
    if input::reads_standard_input(&spec) {
        spool.fill(&text)?;
    }
    if !common.quiet {
        input::show_notes(&spec);
    }
    let root = crate::root::call(&spec.root);
    let resolver: Arc<dyn Resolve> = Arc::new(known.catalog);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting")?;
    let plan = runtime.block_on(crate::plan::plan(root, &resolver, None))?;
    if args.output.is_json() {
        print_json(&plan)?
    } else {
        show(&plan)?
    }
    Ok(ExitCode::SUCCESS)
}

fn show(plan: &Plan) -> Result<(), Stop> {
    let rows = plan.operations.iter().map(|planned| {
        [planned.operation.to_string(), planned.worker_type.to_string(), planned.tasks.to_string()]
    });
    let text = table(["OPERATION", "WORKER TYPE", "TASKS"], rows);
    print(|out| {
        writeln!(out, "{text}")?;
        writeln!(out, "{} in all", counted(plan.tasks, "task"))?;
        for EstimatedFlow { flow, estimate } in &plan.estimates {
            let [read, written, temporary] =
                [estimate.read_bytes, estimate.written_bytes, estimate.temporary_bytes].map(ByteSize);
            writeln!(out, "flow {flow} reads {read}, writes {written} and {temporary} of temporary files")?;
            estimate.remarks.iter().try_for_each(|remark| writeln!(out, "  {remark}"))?;
        }
        for flow in &plan.undecided {
            writeln!(out, "at least: flow {flow} decides by results what comes next")?;
        }
        for flow in &plan.failing {
            writeln!(out, "fails: flow {flow}")?;
        }
        Ok(())
    })
}
