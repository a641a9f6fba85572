//! Division of rows into batches of at least [`SMALLEST_BATCH`] images.

use crate::recipe::{Recipe, SMALLEST_BATCH, Supervision};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

/// Returns the generator of an epoch's order of rows; it depends on the seed and the epoch only.
pub(crate) fn epoch_rng(seed: u64, epoch: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(u64::MAX - epoch as u64);
    rng
}

/// Returns the rows in the random order of an epoch.
pub(crate) fn shuffled(rows: &[usize], seed: u64, epoch: usize) -> Vec<usize> {
    let mut rows = rows.to_vec();
    rows.shuffle(&mut epoch_rng(seed, epoch));
    rows
}

/// Divides rows into batches of `size`, at least [`SMALLEST_BATCH`], in their order.
///
/// The last batch has the remaining rows. A single remaining row joins the batch before it. There is no batch if there are
/// fewer than two rows.
pub(crate) fn batches(rows: &[usize], size: usize) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = rows.chunks(size.max(SMALLEST_BATCH)).map(<[usize]>::to_vec).collect();
    if let Some(single) = batches.pop_if(|last| last.len() < SMALLEST_BATCH)
        && let Some(before) = batches.last_mut()
    {
        before.extend(single);
    }
    batches
}

/// Checks that every epoch has a batch.
///
/// # Errors
/// Names the first epoch without a batch, and the kind of photos that are too few.
pub(crate) fn check(recipe: &Recipe, batches: impl Fn(usize) -> Vec<Vec<usize>>) -> anyhow::Result<()> {
    for epoch in 0..recipe.epochs {
        let photos = match recipe.supervision(epoch) {
            Supervision::All => "training photos",
            Supervision::Masks => "training photos with a mask",
        };
        anyhow::ensure!(
            !batches(epoch).is_empty(),
            "epoch {epoch} has fewer than {SMALLEST_BATCH} {photos}, and batch norm needs {SMALLEST_BATCH} in a batch\nhint: add photos to \
             the split 'train', or lower data.holdout, data.folds or sampling.undersample.drop"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_a_batch_of_two_or_more() {
        for (rows, size, sizes) in [
            (0, 8, vec![]),
            (1, 8, vec![]),
            (2, 8, vec![2]),
            (9, 8, vec![9]),
            (10, 8, vec![8, 2]),
            (17, 8, vec![8, 9]),
            (3, 2, vec![3]),
            (9, 1000, vec![9]),
            (9, usize::MAX, vec![9]),
        ] {
            let all: Vec<usize> = (0..rows).collect();
            let made = batches(&all, size);
            assert_eq!(
                made.iter().map(Vec::len).collect::<Vec<_>>(),
                sizes,
                "{rows} rows by {size}"
            );
            assert_eq!(
                made.concat().len(),
                if rows == 1 { 0 } else { rows },
                "{rows} rows by {size}"
            );
        }
    }
}
