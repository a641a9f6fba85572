//! Embedding of customers' photos and shop photos, each for its side.

use dataset::Dataset;
use shared::server_models::Side;

/// Embeds rows of a dataset with `embed`, which is called once per side with that side's rows. The result is in the order of
/// `rows`.
///
/// # Errors
/// Those of `embed`.
pub(crate) fn by_side(
    dataset: &Dataset,
    rows: &[usize],
    embed: impl Fn(&[usize], Side) -> anyhow::Result<Vec<Vec<f32>>>,
) -> anyhow::Result<Vec<Vec<f32>>> {
    let mut embedded = vec![Vec::new(); rows.len()];
    for side in [Side::Customer, Side::Shop] {
        let is_of_side = |place: &usize| dataset.rows[rows[*place]].is_shop() == (side == Side::Shop);
        let places: Vec<usize> = (0..rows.len()).filter(is_of_side).collect();
        if places.is_empty() {
            continue;
        }
        let own: Vec<usize> = places.iter().map(|place| rows[*place]).collect();
        for (place, embedding) in places.into_iter().zip(embed(&own, side)?) {
            embedded[place] = embedding;
        }
    }
    Ok(embedded)
}
