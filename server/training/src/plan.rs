//! What a training would do, without doing it: rows, steps, what sampling changes, and the learning rate as a picture.

use super::recipe::Recipe;
use super::stage::Stages;
use std::fmt::Write;

/// Columns and lines of the plot.
const WIDTH: usize = 72;
const HEIGHT: usize = 12;

/// The learning rate over all epochs of as many steps as `steps` says, drawn in characters.
///
/// # Errors
/// If the recipe's stages make no sense.
pub fn plot(recipe: &Recipe, steps: impl Fn(usize) -> usize) -> anyhow::Result<String> {
    let stages = Stages::new(&recipe.stages, &recipe.optimiser, recipe.epochs, steps)?;
    let rates: Vec<f64> = (0..recipe.epochs)
        .flat_map(|epoch| (0..stages.steps(epoch)).map(move |step| (epoch, step)))
        .map(|(epoch, step)| stages.rate(epoch, step))
        .collect();
    let total = rates.len();
    // A column shows the highest and the lowest rate of its steps, so that no cycle is lost between two columns.
    let columns: Vec<(f64, f64)> = (0..WIDTH.min(total))
        .map(|column| {
            let (from, to) = (
                column * total / WIDTH.min(total),
                (column + 1) * total / WIDTH.min(total),
            );
            let of = |pick: fn(f64, f64) -> f64| rates[from..to].iter().copied().reduce(pick).unwrap_or(0.0);
            (of(f64::min), of(f64::max))
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
    Ok(text)
}
