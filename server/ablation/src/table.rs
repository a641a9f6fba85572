//! An ablation's tables and plot: `ablation.csv`, `ablation.md`, `ablation.svg`.

use super::plan::{Group, Plan, Row};
use super::results::{Cell, Difference, Results, mean, spread};
use dataset::atomic;
use dataset::run::Invocation;
use report::{Dot, intervals};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// Writes what is known so far; returns the Markdown.
///
/// # Errors
/// If a figure is not known, pictures differ between evaluations, or a file cannot be written.
pub fn write(plan: &Plan, results: &Results, out: &Path, invocation: &Invocation) -> anyhow::Result<String> {
    let rows: Vec<&Row> = plan.groups.iter().flat_map(|group| &group.rows).collect();
    let figure = results.figure(plan.ablation.figure.as_deref())?;
    let differences = match &figure {
        Some(figure) => results.differences(plan, &rows, figure)?,
        None => vec![None; rows.len()],
    };
    let figure = figure.unwrap_or_else(|| "no figure yet".to_owned());
    std::fs::create_dir_all(out)?;
    let text = markdown(plan, results, &differences, &figure, invocation);
    atomic::write(&out.join("ablation.csv"), &csv(plan, results)?)?;
    atomic::write(&out.join("ablation.svg"), plot(plan, &differences, &figure).as_bytes())?;
    atomic::write(&out.join("ablation.md"), text.as_bytes())?;
    Ok(text)
}

fn csv(plan: &Plan, results: &Results) -> anyhow::Result<Vec<u8>> {
    let figures: BTreeSet<&String> = results.done().flat_map(|done| done.measured.figures.keys()).collect();
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
    table.write_record(fixed.into_iter().chain(figures.iter().map(|figure| figure.as_str())))?;
    for (at, variant) in plan.variants.iter().enumerate() {
        let on: Vec<&str> = variant
            .on
            .iter()
            .map(|on| plan.ablation.switches[*on].name.as_str())
            .collect();
        for ((cell, seed), measurement) in results.of(plan, at).zip(&plan.seeds).zip(&variant.measurements) {
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
                figures
                    .iter()
                    .map(|f| number(done.and_then(|done| done.measured.figures.get(*f).copied()))),
            );
            table.write_record(record)?;
        }
    }
    Ok(table.into_inner()?)
}

/// A variant's values of a figure, one a seed that is done.
fn values(plan: &Plan, results: &Results, variant: usize, figure: &str) -> Vec<f64> {
    let done = results.of(plan, variant).filter_map(Cell::done);
    done.filter_map(|done| done.measured.figures.get(figure).copied())
        .collect()
}

fn markdown(
    plan: &Plan,
    results: &Results,
    differences: &[Option<Difference>],
    figure: &str,
    invocation: &Invocation,
) -> String {
    let ablation = &plan.ablation;
    let seeds: Vec<String> = plan.seeds.iter().map(u64::to_string).collect();
    let base = plan.trainings.first();
    let data = base.map_or_else(String::new, |training| training.recipe.data.dir.display().to_string());
    let n = results
        .done()
        .next()
        .map_or(0, |done| done.measured.outcomes.paths().len());
    let mut text = format!(
        "# Ablation of {}\n\n{figure} on {n} pictures of the split `{}` of `{data}`, which nothing is chosen by; seeds {}.\n\n    {}\n\n",
        base.map_or("", |training| &training.recipe.name),
        ablation.split,
        seeds.join(", "),
        invocation.command
    );
    let _ = writeln!(text, "commit {}\n", invocation.commit);
    let guesses = results
        .done()
        .next()
        .map(|done| &done.measured.guesses)
        .into_iter()
        .flatten();
    for (name, value) in guesses.filter(|(name, _)| name.starts_with(figure)) {
        let _ = writeln!(text, "guess: {name} {value:.4}\n");
    }
    let left = plan
        .variants
        .iter()
        .flat_map(|variant| &variant.measurements)
        .collect::<BTreeSet<_>>()
        .len();
    let (done, failed) = (results.done().count(), results.failures(plan));
    if done + failed.len() < left {
        let _ = writeln!(
            text,
            "**Not finished: {done} of {left} evaluations are done.** The same command goes on.\n"
        );
    }
    if !failed.is_empty() {
        let _ = writeln!(text, "**Failed**, and missing in all means below:\n");
        for (name, why) in &failed {
            let _ = writeln!(text, "- `{name}`: {}", why.replace('\n', " "));
        }
        text.push('\n');
    }
    let mut differences = differences.iter();
    for Group { title, rows } in &plan.groups {
        let _ = writeln!(text, "## {title}\n");
        text += "| | mean | ± seeds | against | difference | 95 % interval | ± seeds | better in | chosen by |\n";
        text += "|---|---|---|---|---|---|---|---|---|\n";
        for (row, difference) in rows.iter().zip(differences.by_ref()) {
            text += &line(plan, results, row, difference.as_ref(), figure);
        }
        text.push('\n');
    }
    text += "mean: over seeds, ± their standard deviation. difference: of the means, over the seeds that both have. 95 % \
             interval: paired bootstrap over pictures, for these very networks; it does not know that other seeds would \
             give others, which ± seeds, the standard deviation of the differences of single seeds, is there to say. \
             chosen by: mean of the score on the tuning part that epochs were chosen by. No correction is made for the \
             number of comparisons.\n\n![differences](ablation.svg)\n";
    text
}

fn line(plan: &Plan, results: &Results, row: &Row, difference: Option<&Difference>, figure: &str) -> String {
    let values = values(plan, results, row.variant, figure);
    let tuned: Vec<f64> = results
        .of(plan, row.variant)
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
        average(&self::values(plan, results, row.reference, figure)),
        average(&tuned)
    )
}

fn plot(plan: &Plan, differences: &[Option<Difference>], figure: &str) -> String {
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
    intervals(
        "What each technique is worth",
        &format!("difference of {figure}"),
        &groups,
    )
}
