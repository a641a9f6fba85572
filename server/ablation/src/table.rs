//! Tables and plot of an ablation: `ablation.csv`, `ablation.md`, `ablation.svg`.

use crate::plan::Plan;
use crate::results::{Cell, Difference, Results, mean, spread};
use crate::variants::{Group, Row};
use dataset::atomic;
use dataset::run::Invocation;
use report::{Dot, intervals};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// Writes tables and plot of the results so far into the folder `out`; returns the Markdown.
///
/// # Errors
/// If the metric is unknown, evaluations used different images, or a file cannot be written.
pub fn write(plan: &Plan, results: &Results, out: &Path, invocation: &Invocation) -> anyhow::Result<String> {
    let rows: Vec<&Row> = plan.groups.iter().flat_map(|group| &group.rows).collect();
    let metric = results.metric(plan.ablation.metric.as_deref())?;
    let differences = match &metric {
        Some(metric) => results.differences(plan, &rows, metric)?,
        None => vec![None; rows.len()],
    };
    let metric = metric.unwrap_or_else(|| "no metric yet".to_owned());
    std::fs::create_dir_all(out)?;
    let text = markdown(plan, results, &differences, &metric, invocation);
    atomic::write(&out.join("ablation.csv"), &csv(plan, results)?)?;
    atomic::write(&out.join("ablation.svg"), plot(plan, &differences, &metric).as_bytes())?;
    atomic::write(&out.join("ablation.md"), text.as_bytes())?;
    Ok(text)
}

fn csv(plan: &Plan, results: &Results) -> anyhow::Result<Vec<u8>> {
    let metrics: BTreeSet<&String> = results.done().flat_map(|done| done.measured.metrics.keys()).collect();
    let mut table = csv::Writer::from_writer(Vec::new());
    let fixed = [
        "variant",
        "switches",
        "seed",
        "status",
        "run",
        "tuned_score",
        "train_seconds",
    ];
    table.write_record(fixed.into_iter().chain(metrics.iter().map(|metric| metric.as_str())))?;
    for (at, variant) in plan.variants.iter().enumerate() {
        let on: Vec<&str> = variant
            .on
            .iter()
            .map(|on| plan.ablation.switches[*on].name.as_str())
            .collect();
        for ((cell, seed), measurement) in results.cells(plan, at).zip(&plan.seeds).zip(&variant.measurements) {
            let status = match cell {
                Cell::Waiting => "waiting".to_owned(),
                Cell::Failed(why) => format!("failed: {why}"),
                Cell::Done(_) => "done".to_owned(),
            };
            let run = plan.trainings[plan.measurements[*measurement].trainings[0]]
                .name
                .clone();
            let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
            let done = cell.done();
            let tuned = number(done.and_then(|done| done.tuned));
            let seconds = done.map_or_else(String::new, |done| format!("{:.1}", done.seconds));
            let mut record = vec![
                variant.name.clone(),
                on.join("; "),
                seed.to_string(),
                status,
                run,
                tuned,
                seconds,
            ];
            record.extend(
                metrics
                    .iter()
                    .map(|metric| number(done.and_then(|done| done.measured.metrics.get(*metric).copied()))),
            );
            table.write_record(record)?;
        }
    }
    Ok(table.into_inner()?)
}

/// Returns a variant's values of a metric, one per finished seed.
fn values(plan: &Plan, results: &Results, variant: usize, metric: &str) -> Vec<f64> {
    let done = results.cells(plan, variant).filter_map(Cell::done);
    done.filter_map(|done| done.measured.metrics.get(metric).copied())
        .collect()
}

/// Formats the report.
fn markdown(
    plan: &Plan,
    results: &Results,
    differences: &[Option<Difference>],
    metric: &str,
    invocation: &Invocation,
) -> String {
    let mut text = introduction(plan, results, metric, invocation);
    text += &state(plan, results);
    let mut differences = differences.iter();
    for Group { title, rows } in &plan.groups {
        let _ = writeln!(text, "## {title}\n");
        text += "| | mean | ± seeds | against | difference | 95 % interval | ± seeds | better in | chosen by |\n";
        text += "|---|---|---|---|---|---|---|---|---|\n";
        for (row, difference) in rows.iter().zip(differences.by_ref()) {
            text += &line(plan, results, row, difference.as_ref(), metric);
        }
        text.push('\n');
    }
    text += "mean: over seeds, ± their standard deviation. difference: between the means over the seeds that both variants \
             have. 95 % interval: paired bootstrap over images for these trained networks; it does not include the variation \
             between seeds. ± seeds: standard deviation of the differences of single seeds, which shows that variation. \
             chosen by: mean of the score on the tuning rows that chose the epochs. The number of comparisons is not \
             corrected for.\n\n![differences](ablation.svg)\n";
    text
}

/// Formats title, data, command and guesses.
fn introduction(plan: &Plan, results: &Results, metric: &str, invocation: &Invocation) -> String {
    let seeds: Vec<String> = plan.seeds.iter().map(u64::to_string).collect();
    let base = plan.trainings.first();
    let data = base.map_or_else(String::new, |training| training.recipe.data.dir.display().to_string());
    let first = results.done().next().map(|done| &done.measured);
    let mut text = format!(
        "# Ablation of {}\n\n{metric} on {} images of {} of `{data}`{}; seeds {}.\n\n    {}\n\n",
        base.map_or("", |training| &training.recipe.name),
        first.map_or(0, |measured| measured.outcomes.paths().len()),
        plan.measured(),
        chosen_by(plan),
        seeds.join(", "),
        invocation.command
    );
    let _ = writeln!(text, "commit {}\n", invocation.commit);
    let guesses = first.map(|measured| &measured.guesses).into_iter().flatten();
    for (name, value) in guesses.filter(|(name, _)| name.starts_with(metric)) {
        let _ = writeln!(text, "guess: {name} {value:.4}\n");
    }
    text
}

/// Formats the relation between the measured images and the choice of epochs.
fn chosen_by(plan: &Plan) -> &'static str {
    let holds_out = plan.trainings.iter().all(|training| training.recipe.data.holdout > 0.0);
    if plan.measures_folds && !holds_out {
        ", which also choose the epochs"
    } else {
        ", by which nothing is chosen"
    }
}

/// Formats the numbers of missing and failed evaluations.
fn state(plan: &Plan, results: &Results) -> String {
    let mut text = String::new();
    let measurements: BTreeSet<&usize> = plan.variants.iter().flat_map(|v| &v.measurements).collect();
    let (total, done, failed) = (measurements.len(), results.done().count(), results.failures(plan));
    if done + failed.len() < total {
        let _ = writeln!(
            text,
            "**Not finished: {done} of {total} evaluations are done.** The same command resumes.\n"
        );
    }
    if !failed.is_empty() {
        let _ = writeln!(text, "**Failed**, and missing in all means below:\n");
        for (name, why) in &failed {
            let _ = writeln!(text, "- `{name}`: {}", why.replace('\n', " "));
        }
        text.push('\n');
    }
    text
}

/// Formats a row of a table.
fn line(plan: &Plan, results: &Results, row: &Row, difference: Option<&Difference>, metric: &str) -> String {
    let values = values(plan, results, row.variant, metric);
    let tuned: Vec<f64> = results
        .cells(plan, row.variant)
        .filter_map(|cell| cell.done()?.tuned)
        .collect();
    let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"));
    let average = |values: &[f64]| number((!values.is_empty()).then(|| mean(values)));
    let differs = match difference {
        Some(Difference { interval, by_seed }) => format!(
            "{:+.4} | {:+.4} … {:+.4} | {} | {}/{}",
            interval.value,
            interval.low,
            interval.high,
            number(spread(by_seed)),
            by_seed.iter().filter(|difference| **difference > 0.0).count(),
            by_seed.len()
        ),
        None => "– | – | – | –".to_owned(),
    };
    format!(
        "| {} | {} | {} | {} {} | {differs} | {} |\n",
        row.name,
        average(&values),
        number(spread(&values)),
        plan.variants[row.reference].name,
        average(&self::values(plan, results, row.reference, metric)),
        average(&tuned)
    )
}

/// Draws the differences with their intervals.
fn plot(plan: &Plan, differences: &[Option<Difference>], metric: &str) -> String {
    let mut differences = differences.iter();
    let groups: Vec<(String, Vec<Dot>)> = plan
        .groups
        .iter()
        .map(|Group { title, rows }| {
            let dots = rows.iter().zip(differences.by_ref()).filter_map(|(row, difference)| {
                let Difference { interval, by_seed } = difference.as_ref()?;
                let seeds = spread(by_seed).map_or_else(String::new, |spread| format!(" ± {spread:.4} seeds"));
                let note = format!(
                    "{:+.4} [{:+.4}, {:+.4}]{seeds}",
                    interval.value, interval.low, interval.high
                );
                Some(Dot {
                    name: row.name.clone(),
                    value: interval.value,
                    interval: Some((interval.low, interval.high)),
                    note,
                })
            });
            (title.clone(), dots.collect())
        })
        .collect();
    intervals("Effect of each technique", &format!("difference of {metric}"), &groups)
}
