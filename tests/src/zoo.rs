//! Synthetic zoos: predictions of imaginary networks with known accuracy.

use dataset::predictions::{OOF, Row, Table};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Parameters of a zoo.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// Number of out-of-fold images; every fourth item has two.
    pub pictures: usize,
    /// Number of models; the last two are nearly equal.
    pub runs: usize,
    /// Epochs per model; the middle ones are best.
    pub epochs: u32,
    /// Number of folds.
    pub folds: u32,
    /// Number of labels; each is rarer than the previous one.
    pub labels: usize,
    /// True if the probabilities depend on the labels.
    pub informative: bool,
    /// Random seed.
    pub seed: u64,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            pictures: 400,
            runs: 6,
            epochs: 3,
            folds: 5,
            labels: 3,
            informative: true,
            seed: 1,
        }
    }
}

/// A zoo with out-of-fold rows, and a split `val` with half as many.
pub fn zoo(recipe: Recipe) -> Table {
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
    let mut normal = move || (0..6).map(|_| rng.random_range(-1.0f32..1.0)).sum::<f32>() / 1.414;
    let labels: Vec<String> = (0..recipe.labels).map(|label| format!("label{label}")).collect();
    let mut table = Table {
        labels,
        rows: Vec::new(),
    };
    for picture in 0..recipe.pictures + recipe.pictures / 2 {
        let oof = picture < recipe.pictures;
        // Images 0 and 1 show one item, as do 4 and 5, and so on.
        let item = if picture % 4 == 1 { picture - 1 } else { picture };
        let home = (item as u32 / 2) % recipe.folds;
        let latent: Vec<f32> = (0..recipe.labels).map(|_| normal()).collect();
        let truth: Vec<Option<bool>> = (0..recipe.labels)
            // Each label also depends on the next one, which only stacking over labels can use.
            .map(|l| Some(latent[l] + latent[(l + 1) % recipe.labels] + 0.3 * normal() > 0.4 + 0.2 * l as f32))
            .collect();
        // Errors of a run in all epochs. The last run has those of the previous one.
        let mut wrong: Vec<Vec<f32>> = (0..recipe.runs)
            .map(|_| (0..recipe.labels).map(|_| normal()).collect())
            .collect();
        if let [.., before, last] = &mut wrong[..] {
            last.clone_from(before);
        }
        let signal: Vec<f32> = latent
            .iter()
            .map(|l| if recipe.informative { *l } else { normal() })
            .collect();
        for (run, wrong) in wrong.iter().enumerate() {
            for epoch in 1..=recipe.epochs {
                let off_peak = (epoch as f32 - (recipe.epochs as f32 + 1.0) / 2.0).abs();
                for fold in (0..recipe.folds).filter(|fold| !oof || *fold == home) {
                    let seen = signal.iter().zip(wrong).map(|(signal, wrong)| {
                        signal + (0.7 + 0.02 * run as f32) * wrong + (0.1 + 0.1 * off_peak) * normal()
                    });
                    table.rows.push(Row {
                        run: format!("net{run}").into(),
                        fold: Some(fold),
                        epoch,
                        part: if oof { OOF } else { "val" }.into(),
                        path: format!("{picture:05}.jpg").into(),
                        item_id: format!("item{item}").into(),
                        truth: truth.clone(),
                        probs: seen.map(|x| 1.0 / (1.0 + (-2.0 * x).exp())).collect(),
                    });
                }
            }
        }
    }
    table
}
