//! Results of an ablation so far: one cell per measurement, and the differences between variants.

use crate::plan::{Measurement, Plan};
use crate::run::{Measured, Runner};
use crate::variants::Row;
use anyhow::Context;
use evaluation::classifier::mean_of_numbers;
use evaluation::statistics::{Interval, Metric, differences};
use report::Record;

/// Result of one measurement.
#[derive(Debug, Clone)]
pub(crate) enum Cell {
    /// Not started.
    Waiting,
    /// Failed, with the reason.
    Failed(String),
    /// Finished.
    Done(Box<Done>),
}

/// Finished measurement of one run, or of several together.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    /// Result of the evaluation.
    pub(crate) measured: Measured,
    /// Score on the tuning rows that chose the epoch; the mean over several runs.
    pub(crate) tuned: Option<f64>,
    /// Seconds of training, evaluation on the tuning rows included.
    pub(crate) seconds: f64,
}

/// Results of the measurements of a plan, in its order.
#[derive(Debug)]
pub struct Results {
    cells: Vec<Cell>,
}

/// Difference of a variant from its reference.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    /// Mean difference over seeds with its interval over images.
    pub(crate) interval: Interval,
    /// Difference per seed that both were measured with.
    pub(crate) by_seed: Vec<f64>,
}

impl Results {
    /// Starts without results.
    pub fn new(plan: &Plan) -> Self {
        Self {
            cells: vec![Cell::Waiting; plan.measurements.len()],
        }
    }

    /// Returns a variant's cells, one per seed.
    pub(crate) fn cells<'a>(&'a self, plan: &'a Plan, variant: usize) -> impl Iterator<Item = &'a Cell> {
        plan.variants[variant].measurements.iter().map(|at| &self.cells[*at])
    }

    /// Returns the names of failed measurements with the reasons.
    pub fn failures<'a>(&'a self, plan: &'a Plan) -> Vec<(&'a str, &'a str)> {
        let failure = |(at, cell): (usize, &'a Cell)| match cell {
            Cell::Failed(why) => Some((plan.measurements[at].name.as_str(), why.as_str())),
            _ => None,
        };
        self.cells.iter().enumerate().filter_map(failure).collect()
    }

    /// Returns the finished measurements.
    pub(crate) fn done(&self) -> impl Iterator<Item = &Done> {
        self.cells.iter().filter_map(Cell::done)
    }

    /// Trains and measures everything; calls `after` with the results so far after every training.
    ///
    /// # Errors
    /// If `after` fails. A failed training or measurement only fails its cells.
    pub fn run(
        &mut self,
        plan: &Plan,
        runner: &Runner<'_>,
        after: impl Fn(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut trained: Vec<Result<(), String>> = Vec::new();
        for (place, training) in plan.trainings.iter().enumerate() {
            eprintln!("[{}/{}] {}", place + 1, plan.trainings.len(), training.name);
            trained.push(runner.train(training).map_err(|error| format!("{error:#}")));
            if let Some(Err(error)) = trained.last() {
                eprintln!("warning: {error}");
            }
            // A measurement is due with the last of its trainings.
            let is_due = |measurement: &Measurement| measurement.trainings.iter().max() == Some(&place);
            for (at, measurement) in plan.measurements.iter().enumerate().filter(|(_, m)| is_due(m)) {
                self.cells[at] = match measurement.trainings.iter().find_map(|at| trained[*at].as_ref().err()) {
                    Some(error) => Cell::Failed(error.clone()),
                    None => measure(plan, runner, measurement),
                };
            }
            after(self)?;
        }
        Ok(())
    }

    /// Returns the metric that is compared: `wanted`, or the first of the evaluations; `None` before the first result.
    ///
    /// # Errors
    /// If the evaluations lack the wanted metric.
    pub(crate) fn metric(&self, wanted: Option<&str>) -> anyhow::Result<Option<String>> {
        let Some(done) = self.done().next() else {
            return Ok(None);
        };
        let known = done.measured.outcomes.metric_names();
        let Some(wanted) = wanted else {
            return Ok(known.into_iter().next());
        };
        anyhow::ensure!(
            known.iter().any(|metric| metric == wanted),
            "there is no metric '{wanted}'; choose one of {}",
            known.join(", ")
        );
        Ok(Some(wanted.to_owned()))
    }

    /// Returns the differences of rows, on the seeds that both variants were measured with, or `None` without such a seed.
    ///
    /// # Errors
    /// If evaluations used different images, which cannot be paired.
    pub(crate) fn differences(
        &self,
        plan: &Plan,
        rows: &[&Row],
        metric: &str,
    ) -> anyhow::Result<Vec<Option<Difference>>> {
        let Paired {
            groups,
            metrics,
            places,
        } = self.pair(metric)?;
        let pairs = |row: &Row| -> Vec<(usize, usize)> {
            let places = |variant: usize| plan.variants[variant].measurements.iter().map(|at| places[*at]);
            places(row.variant)
                .zip(places(row.reference))
                .filter_map(|(a, b)| Some((a?, b?)))
                .collect()
        };
        let by_row: Vec<Vec<(usize, usize)>> = rows.iter().map(|row| pairs(row)).collect();
        let comparisons: Vec<(Vec<usize>, Vec<usize>)> = by_row
            .iter()
            .filter(|pairs| !pairs.is_empty())
            .map(|pairs| pairs.iter().copied().unzip())
            .collect();
        let mut intervals = differences(&metrics, &groups, &comparisons).into_iter();
        let values: Vec<f64> = metrics
            .iter()
            .map(|metric| metric.value(&vec![1; groups.len()]))
            .collect();
        let difference = |pairs: Vec<(usize, usize)>| {
            let by_seed: Vec<f64> = pairs.iter().map(|(a, b)| values[*a] - values[*b]).collect();
            if by_seed.is_empty() {
                return None;
            }
            Some(Difference {
                interval: intervals.next()?,
                by_seed,
            })
        };
        Ok(by_row.into_iter().map(difference).collect())
    }

    /// Collects a metric per image of all finished measurements.
    fn pair(&self, metric: &str) -> anyhow::Result<Paired> {
        let mut paths: Option<&[String]> = None;
        let mut paired = Paired {
            groups: Vec::new(),
            metrics: Vec::new(),
            places: vec![None; self.cells.len()],
        };
        for (place, cell) in paired.places.iter_mut().zip(&self.cells) {
            let Some(done) = cell.done() else { continue };
            let outcomes = &done.measured.outcomes;
            anyhow::ensure!(
                *paths.get_or_insert(outcomes.paths()) == outcomes.paths(),
                "evaluations used different images, so their metrics cannot be compared\nhint: no switch may change the evaluated images"
            );
            if paired.metrics.is_empty() {
                paired.groups = outcomes.groups();
            }
            *place = Some(paired.metrics.len());
            let values = outcomes.metric(metric);
            paired
                .metrics
                .push(values.with_context(|| format!("an evaluation lacks the metric '{metric}'"))?);
        }
        Ok(paired)
    }
}

/// A metric per image of all finished measurements.
struct Paired {
    /// Group of every image.
    groups: Vec<usize>,
    metrics: Vec<Metric>,
    /// Index among `metrics` of every measurement.
    places: Vec<Option<usize>>,
}

/// Measures finished runs.
fn measure(plan: &Plan, runner: &Runner<'_>, measurement: &Measurement) -> Cell {
    let measured = match runner.measure(measurement) {
        Ok(measured) => measured,
        Err(error) => {
            eprintln!("warning: {error:#}");
            return Cell::Failed(format!("{error:#}"));
        }
    };
    let record = |at: &usize| Record::read(&runner.run_folder(&plan.trainings[*at]));
    let records: Vec<Record> = measurement.trainings.iter().map(record).collect();
    let scores = records
        .iter()
        .filter_map(|record| record.best().and_then(|epoch| epoch.score));
    Cell::Done(Box::new(Done {
        measured,
        tuned: Some(mean_of_numbers(scores)).filter(|score| !score.is_nan()),
        seconds: records.iter().map(Record::seconds).sum(),
    }))
}

impl Cell {
    /// Returns the result of a finished measurement.
    pub(crate) fn done(&self) -> Option<&Done> {
        if let Self::Done(done) = self { Some(done) } else { None }
    }
}

/// Returns the mean of values; NaN without a value.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Returns the standard deviation of a sample; `None` for fewer than two values.
pub(crate) fn spread(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}
