//! Rows to batches of at least two pictures: batch norm needs a second picture for a variance.

use super::recipe::Recipe;
use super::stage::Lessons;

/// The fewest pictures of a batch.
pub const SMALLEST: usize = 2;

/// Batches of `size` rows, at least [`SMALLEST`], in the rows' order. The last batch has the rows that are left; a single row
/// that is left joins the batch before it. There is no batch if there are fewer than two rows.
pub fn batches(rows: &[usize], size: usize) -> Vec<Vec<usize>> {
    let mut batches: Vec<Vec<usize>> = rows.chunks(size.max(SMALLEST)).map(<[usize]>::to_vec).collect();
    if let Some(single) = batches.pop_if(|last| last.len() < SMALLEST)
        && let Some(before) = batches.last_mut()
    {
        before.extend(single);
    }
    batches
}

/// Checks that every epoch has something to learn from, before anything is computed.
///
/// # Errors
/// Names the first epoch without a batch, and what is too few.
pub fn check(recipe: &Recipe, batches: impl Fn(usize) -> Vec<Vec<usize>>) -> anyhow::Result<()> {
    for epoch in 0..recipe.epochs {
        let photos = match recipe.lessons(epoch) {
            Lessons::All => "training photos",
            Lessons::Masks => "training photos with a mask",
        };
        anyhow::ensure!(
            !batches(epoch).is_empty(),
            "epoch {epoch} has fewer than {SMALLEST} {photos}, and batch norm needs {SMALLEST} in a batch\nhint: add photos to \
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
