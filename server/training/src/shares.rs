//! Shares of several datasets in the rows of an epoch.

use crate::batch::epoch_rng;
use crate::sources::Origin;
use rand::seq::SliceRandom;

/// Returns the numbers of rows of an epoch of `total` rows, one per dataset with its own number `n` of rows.
///
/// Datasets without a share divide the rest in proportion to their rows.
fn numbers(origins: &[(Option<f64>, usize)], total: usize) -> Vec<usize> {
    let named: f64 = origins.iter().filter_map(|(share, _)| *share).sum();
    let others: usize = origins
        .iter()
        .filter(|(share, _)| share.is_none())
        .map(|(_, n)| n)
        .sum();
    let share = |(share, n): &(Option<f64>, usize)| match share {
        Some(share) if others == 0 => share / named,
        Some(share) => *share,
        None => (1.0 - named).max(0.0) * *n as f64 / others.max(1) as f64,
    };
    let number = |origin| (share(origin) * total as f64).round() as usize;
    origins.iter().map(number).collect()
}

/// Changes the rows of an epoch so that each dataset has its share of them, in every batch as well.
///
/// The number of rows stays about the same. The rows of a dataset repeat if it has too few, each as often as another up to
/// one time. Without any share the rows stay as they are.
pub(crate) fn mix(rows: Vec<usize>, origins: &[Origin], seed: u64, epoch: usize) -> Vec<usize> {
    if origins.iter().all(|origin| origin.share.is_none()) {
        return rows;
    }
    let of_origin = |origin: &Origin| -> Vec<usize> {
        let own = rows.iter().filter(|row| origin.rows.contains(row));
        own.copied().collect()
    };
    let mut own: Vec<Vec<usize>> = origins.iter().map(of_origin).collect();
    let sizes: Vec<_> = origins
        .iter()
        .zip(&own)
        .map(|(origin, own)| (origin.share, own.len()))
        .collect();
    let mut rng = epoch_rng(seed, epoch);
    let mut placed: Vec<(f64, usize)> = Vec::with_capacity(rows.len());
    for (own, number) in own.iter_mut().zip(numbers(&sizes, rows.len())) {
        for at in 0..number {
            let round = at % own.len().max(1);
            if at > 0 && round == 0 {
                own.shuffle(&mut rng);
            }
            if let Some(row) = own.get(round) {
                placed.push(((at as f64 + 0.5) / number as f64, *row));
            }
        }
    }
    placed.sort_by(|a, b| a.0.total_cmp(&b.0));
    placed.into_iter().map(|(_, row)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(shares: [Option<f64>; 2]) -> [Origin; 2] {
        let [first, second] = shares;
        [
            Origin {
                rows: 0..90,
                share: first,
            },
            Origin {
                rows: 90..100,
                share: second,
            },
        ]
    }

    #[test]
    fn every_batch_has_the_shares_of_the_recipe() {
        let rows: Vec<usize> = (0..100).collect();
        for (shares, second) in [
            ([None, Some(0.5)], 5),
            ([Some(0.5), None], 5),
            ([Some(0.3), Some(0.3)], 5),
            ([None, Some(0.2)], 2),
        ] {
            let mixed = mix(rows.clone(), &origins(shares), 1, 0);
            assert_eq!(mixed.len(), 100, "{shares:?}");
            for batch in mixed.chunks(10) {
                let found = batch.iter().filter(|row| **row >= 90).count();
                assert!(found.abs_diff(second) <= 1, "{shares:?}: {batch:?}");
            }
            for row in 90..100 {
                let times = mixed.iter().filter(|other| **other == row).count();
                assert_eq!(times, second, "{shares:?}: rows repeat equally often");
            }
        }
        assert_eq!(mix(rows.clone(), &origins([None, None]), 1, 0), rows);
    }
}
