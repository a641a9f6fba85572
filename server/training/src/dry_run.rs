//! Description of a training without training: rows, steps, effect of sampling, and a plot of the learning rate.

use crate::batch;
use crate::objective::TrainingData;
use crate::recipe::{Recipe, with_task};
use crate::stage::Stages;
use crate::task::Task;
use crate::train::readable;
use std::fmt::Write;

/// Maximum number of columns of the plot.
const WIDTH: usize = 72;
/// Number of lines of the plot.
const HEIGHT: usize = 12;

/// Describes what [`train`](crate::train) would do; writes no file.
///
/// # Errors
/// If data or recipe are invalid.
pub fn dry_run(recipe: &Recipe) -> anyhow::Result<String> {
    with_task!(&recipe.task, task => describe(task, recipe))
}

fn describe<T: Task>(task: &T, recipe: &Recipe) -> anyhow::Result<String> {
    let data = task.data(readable::<T>(recipe)?, recipe)?;
    batch::check(recipe, |epoch| data.batches(recipe, epoch))?;
    let plot = plot(recipe, |epoch| data.batches(recipe, epoch).len());
    let table = data.sampling_table(recipe);
    let table = table.map_or_else(String::new, |table| format!("rows per epoch\n{table}\n"));
    Ok(format!(
        "{} images to train on, {} to choose by\n\n{table}{plot}",
        data.n_train(),
        data.n_tune()
    ))
}

/// Plots the learning rate over all epochs in characters; `steps` returns the number of steps of an epoch.
fn plot(recipe: &Recipe, steps: impl Fn(usize) -> usize) -> String {
    let stages = Stages::new(&recipe.stages, &recipe.optimiser, recipe.epochs, steps);
    let rates: Vec<f64> = (0..recipe.epochs)
        .flat_map(|epoch| (0..stages.steps(epoch)).map(move |step| (epoch, step)))
        .map(|(epoch, step)| stages.rate(epoch, step))
        .collect();
    let total = rates.len();
    // A column shows the lowest and the highest rate of its steps, so that no cycle falls between two columns.
    let columns: Vec<(f64, f64)> = (0..WIDTH.min(total))
        .map(|column| {
            let (from, to) = (
                column * total / WIDTH.min(total),
                (column + 1) * total / WIDTH.min(total),
            );
            let extreme = |pick: fn(f64, f64) -> f64| rates[from..to].iter().copied().reduce(pick).unwrap_or(0.0);
            (extreme(f64::min), extreme(f64::max))
        })
        .collect();
    let top = rates.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let mut text = format!("{total} steps in {} epochs, learning rate\n", recipe.epochs);
    for line in (0..HEIGHT).rev() {
        let (below, above) = (
            top * line as f64 / HEIGHT as f64,
            top * (line + 1) as f64 / HEIGHT as f64,
        );
        let label = if line == HEIGHT - 1 {
            format!("{top:.2e}")
        } else {
            String::new()
        };
        let marks: String = columns
            .iter()
            .map(|(low, high)| {
                if *low <= above && (*high > below || line == 0) {
                    '█'
                } else {
                    ' '
                }
            })
            .collect();
        let _ = writeln!(text, "{label:>9} │{}", marks.trim_end());
    }
    let _ = writeln!(text, "{:>9} └{}", "0", "─".repeat(columns.len()));
    let end = format!("epoch {}", recipe.epochs);
    let _ = writeln!(
        text,
        "{:>9}  0{end:>width$}",
        "",
        width = columns.len().saturating_sub(1)
    );
    text
}
