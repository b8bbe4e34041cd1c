//! `coordinator view`: a slice of a volume as a picture.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, Args, FromArgMatches};
use coordinator::Extra;
use volumetric::geometry::Resolution;
use volumetric::picture::{Axis, Shading};
use volumetric::view::View;

/// Write a slice of a volume as a PNG
///
/// PATH is a Neuroglancer precomputed or (OME-)Zarr volume: a local path or an s3://, gs://, az:// or http(s):// URL.
#[derive(Debug, Args)]
struct ViewArgs {
    /// Where the volume is
    path: String,
    /// Across which axis to cut: x, y or z
    #[arg(long, default_value = "z")]
    axis: Axis,
    /// Which slice, in voxels of the resolution shown [default: the middle one]
    #[arg(long, allow_negative_numbers = true)]
    index: Option<i64>,
    /// Size of a voxel in nm, such as 4,4,40 [default: the finest with at most 2048 voxels on a side]
    #[arg(long, value_name = "X,Y,Z", value_parser = resolution)]
    resolution: Option<Resolution>,
    /// One channel alone, from 0
    #[arg(long)]
    channel: Option<usize>,
    /// The values that are black and white, such as 0,255
    #[arg(long, value_name = "BLACK,WHITE", value_parser = range, allow_hyphen_values = true, conflicts_with = "labels")]
    range: Option<Range>,
    /// Give each whole number a colour of its own
    #[arg(long)]
    labels: bool,
    /// Where to write the picture
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, Clone, Copy)]
struct Range {
    black: f64,
    white: f64,
}

/// The command, for the coordinator's command line.
pub(crate) fn extra() -> Extra {
    Extra { command: ViewArgs::augment_args(clap::Command::new("view")), run }
}

fn run(matches: &ArgMatches) -> ExitCode {
    let args = match ViewArgs::from_arg_matches(matches) {
        Ok(args) => args,
        Err(error) => error.exit(),
    };
    let shading = match (args.labels, args.range) {
        (true, _) => Shading::Labels,
        (false, Some(Range { black, white })) => Shading::Contrast { black, white },
        (false, None) => Shading::Natural,
    };
    let view = View {
        path: args.path,
        resolution: args.resolution,
        axis: args.axis,
        index: args.index,
        channel: args.channel,
        shading,
    };
    let picture = match view.render() {
        Ok(picture) => picture,
        Err(error) => return refuse(&error, 2),
    };
    if let Err(error) = std::fs::write(&args.output, &picture.png) {
        return refuse(&format!("{} cannot be written: {error}", args.output.display()), 3);
    }
    tell(&format!(
        "{}: slice {} across {} at {}",
        args.output.display(),
        picture.index,
        args.axis,
        picture.resolution
    ));
    for scale in &picture.unusable {
        tell(&format!("note: the scale of {} cannot be shown: {}", scale.resolution, scale.reason));
    }
    ExitCode::SUCCESS
}

fn refuse(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    tell(&format!("error: {error}"));
    ExitCode::from(code)
}

#[expect(clippy::print_stderr, reason = "a command tells people what it has done")]
fn tell(text: &str) {
    eprintln!("{text}");
}

fn numbers<const N: usize>(text: &str) -> Result<[f64; N], String> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse::<f64>()).collect();
    let numbers = numbers.ok().and_then(|numbers| <[f64; N]>::try_from(numbers).ok());
    numbers.ok_or_else(|| format!("expected {N} numbers with commas between them"))
}

fn resolution(text: &str) -> Result<Resolution, String> {
    Resolution::from_nanometres(numbers(text)?).map_err(|error| error.to_string())
}

fn range(text: &str) -> Result<Range, String> {
    let [black, white] = numbers(text)?;
    Ok(Range { black, white })
}
