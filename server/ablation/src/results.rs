//! Results of an ablation so far: one cell per variant and seed, and the differences between variants.

use super::plan::{Measurement, Plan, Row};
use super::work::{Measured, Workshop};
use anyhow::Context;
use evaluation::classifier::mean_of_numbers;
use evaluation::statistics::{Interval, Metric, differences};
use report::Record;

/// A variant trained with one seed.
#[derive(Debug, Clone)]
pub enum Cell {
    /// Its turn has not come.
    Waiting,
    /// Why there is nothing.
    Failed(String),
    /// Finished result.
    Done(Box<Done>),
}

/// A measured run, or several together.
#[derive(Debug, Clone)]
pub struct Done {
    /// Its evaluation.
    pub measured: Measured,
    /// The score that its epoch was chosen by, on the tuning part; the mean of several.
    pub tuned: Option<f64>,
    /// Seconds of training and choosing.
    pub seconds: f64,
}

/// Measurements as they come in, by place in the plan.
#[derive(Debug)]
pub struct Results {
    cells: Vec<Cell>,
}

/// A variant against its reference.
#[derive(Debug, Clone)]
pub struct Difference {
    /// Mean difference over seeds with its interval over pictures.
    pub interval: Interval,
    /// Difference of each seed that both were measured with.
    pub by_seed: Vec<f64>,
}

impl Results {
    /// Nothing is known yet.
    pub fn new(plan: &Plan) -> Self {
        Self {
            cells: vec![Cell::Waiting; plan.measurements.len()],
        }
    }

    /// A variant's cells, one a seed.
    pub fn of<'a>(&'a self, plan: &'a Plan, variant: usize) -> impl Iterator<Item = &'a Cell> {
        plan.variants[variant].measurements.iter().map(|at| &self.cells[*at])
    }

    /// Measurements that failed: their names and why.
    pub fn failures<'a>(&'a self, plan: &'a Plan) -> Vec<(&'a str, &'a str)> {
        let of = |(at, cell): (usize, &'a Cell)| match cell {
            Cell::Failed(why) => Some((plan.measurements[at].name.as_str(), why.as_str())),
            _ => None,
        };
        self.cells.iter().enumerate().filter_map(of).collect()
    }

    /// All that are done.
    pub fn done(&self) -> impl Iterator<Item = &Done> {
        self.cells.iter().filter_map(Cell::done)
    }

    /// Trains and measures everything; `after` is called with the results so far whenever there is more.
    ///
    /// # Errors
    /// Only of `after`: what fails otherwise fails for its cells alone.
    pub fn work(
        &mut self,
        plan: &Plan,
        workshop: &Workshop<'_>,
        after: impl Fn(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let mut trained: Vec<Result<(), String>> = Vec::new();
        for (place, training) in plan.trainings.iter().enumerate() {
            eprintln!("[{}/{}] {}", place + 1, plan.trainings.len(), training.name);
            trained.push(workshop.train(training).map_err(|error| format!("{error:#}")));
            if let Some(Err(error)) = trained.last() {
                eprintln!("warning: {error}");
            }
            // An evaluation's turn comes with the last of its networks.
            let due = |measurement: &Measurement| measurement.trainings.iter().max() == Some(&place);
            for (at, measurement) in plan.measurements.iter().enumerate().filter(|(_, m)| due(m)) {
                self.cells[at] = match measurement.trainings.iter().find_map(|at| trained[*at].as_ref().err()) {
                    Some(error) => Cell::Failed(error.clone()),
                    None => match workshop.measure(measurement) {
                        Ok(measured) => {
                            let run = |at: &usize| Record::read(&workshop.run(&plan.trainings[*at]));
                            let records: Vec<Record> = measurement.trainings.iter().map(run).collect();
                            let scores = records
                                .iter()
                                .filter_map(|record| record.best().and_then(|epoch| epoch.score));
                            let tuned = Some(mean_of_numbers(scores)).filter(|score| !score.is_nan());
                            let seconds = records.iter().map(Record::seconds).sum();
                            Cell::Done(Box::new(Done {
                                measured,
                                tuned,
                                seconds,
                            }))
                        }
                        Err(error) => {
                            eprintln!("warning: {error:#}");
                            Cell::Failed(format!("{error:#}"))
                        }
                    },
                };
            }
            after(self)?;
        }
        Ok(())
    }

    /// The figure that is compared: `wanted`, or the first that evaluations know; `None` while nothing is measured.
    ///
    /// # Errors
    /// If no evaluation knows the one wanted.
    pub fn figure(&self, wanted: Option<&str>) -> anyhow::Result<Option<String>> {
        let Some(done) = self.done().next() else {
            return Ok(None);
        };
        let known = done.measured.outcomes.metric_names();
        let Some(wanted) = wanted else {
            return Ok(known.into_iter().next());
        };
        anyhow::ensure!(
            known.iter().any(|figure| figure == wanted),
            "there is no figure '{wanted}'; it is one of {}",
            known.join(", ")
        );
        Ok(Some(wanted.to_owned()))
    }

    /// The differences of rows, on the seeds that both variants were measured with; `None` where there is none.
    ///
    /// # Errors
    /// If evaluations asked about different pictures, which cannot be paired.
    pub fn differences(&self, plan: &Plan, rows: &[&Row], figure: &str) -> anyhow::Result<Vec<Option<Difference>>> {
        let mut paths: Option<&[String]> = None;
        let mut groups = Vec::new();
        let mut figures: Vec<Metric> = Vec::new();
        // Place among `figures` by place among cells.
        let mut places: Vec<Option<usize>> = vec![None; self.cells.len()];
        for (place, cell) in places.iter_mut().zip(&self.cells) {
            let Some(done) = cell.done() else { continue };
            let outcomes = &done.measured.outcomes;
            anyhow::ensure!(
                *paths.get_or_insert(outcomes.paths()) == outcomes.paths(),
                "evaluations asked about different pictures, so their figures cannot be compared\nhint: no switch may change which pictures are evaluated"
            );
            if figures.is_empty() {
                groups = outcomes.groups();
            }
            *place = Some(figures.len());
            figures.push(
                outcomes
                    .metric(figure)
                    .with_context(|| format!("an evaluation lacks the figure '{figure}'"))?,
            );
        }
        let pairs = |row: &Row| -> Vec<(usize, usize)> {
            let of = |variant: usize| plan.variants[variant].measurements.iter().map(|at| places[*at]);
            of(row.variant)
                .zip(of(row.reference))
                .filter_map(|(a, b)| Some((a?, b?)))
                .collect()
        };
        let by_row: Vec<Vec<(usize, usize)>> = rows.iter().map(|row| pairs(row)).collect();
        let comparisons: Vec<(Vec<usize>, Vec<usize>)> = by_row
            .iter()
            .filter(|pairs| !pairs.is_empty())
            .map(|pairs| pairs.iter().copied().unzip())
            .collect();
        let mut intervals = differences(&figures, &groups, &comparisons).into_iter();
        let values: Vec<f64> = figures
            .iter()
            .map(|figure| figure.value(&vec![1; groups.len()]))
            .collect();
        Ok(by_row
            .into_iter()
            .map(|pairs| {
                let by_seed: Vec<f64> = pairs.iter().map(|(a, b)| values[*a] - values[*b]).collect();
                if by_seed.is_empty() {
                    None
                } else {
                    Some(Difference {
                        interval: intervals.next()?,
                        by_seed,
                    })
                }
            })
            .collect())
    }
}

impl Cell {
    /// Result, if it is finished.
    pub fn done(&self) -> Option<&Done> {
        if let Self::Done(done) = self { Some(done) } else { None }
    }
}

/// Mean of values; NaN of none.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Standard deviation of a sample; `None` of fewer than two values, which do not spread.
pub fn spread(values: &[f64]) -> Option<f64> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}
