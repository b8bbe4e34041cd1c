//! Looks for a root of x² − 2 by ever finer grids: each round's grid depends on the values that the
//! last round's tasks returned.

use otaman::{Flow, Result, flow, operation};

/// The value of x² − 2.
#[operation(version = "1.0.0", tags("math", "example"))]
async fn evaluate(
    /// Where to evaluate it.
    x: f64,
) -> Result<f64> {
    Ok(x * x - 2.0)
}

/// Where x² − 2 changes its sign, to within a tolerance.
#[flow(version = "1.0.0", tags("math", "example"))]
async fn search(
    flow: Flow,
    /// Left end of the first interval.
    from: f64,
    /// Right end of the first interval.
    to: f64,
    /// Width of the interval at which to stop.
    tolerance: f64,
) -> Result<Found> {
    let (mut from, mut to, mut rounds) = (from, to, 0);
    while to - from > tolerance {
        let grid: Vec<f64> = (0..=10).map(|step| from + (to - from) * f64::from(step) / 10.0).collect();
        let values = flow.tasks(grid.iter().map(|x| Evaluate { x: *x })).await?;
        flow.wait().await;
        let signs: Vec<bool> = values.iter().map(|value| Ok(value.value()? >= 0.0)).collect::<Result<_>>()?;
        let Some(change) = signs.windows(2).position(|pair| pair[0] != pair[1]) else {
            return Err(otaman::Error::permanent(format!("no change of sign between {from} and {to}")));
        };
        (from, to, rounds) = (grid[change], grid[change + 1], rounds + 1);
    }
    Ok(Found { root: (from + to) / 2.0, rounds })
}

/// What the search found.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Found {
    /// The root.
    pub root: f64,
    /// How many rounds it took.
    pub rounds: u32,
}
