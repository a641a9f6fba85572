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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_are_embedded_for_the_side_of_their_domain_whatever_they_are_searched_with() {
        let dir = tempfile::tempdir().expect("a temporary folder is created");
        let manifest = "path,split,labels,item_id,category,domain\n\
                        0.png,test,,A,tops,shop\n1.png,test,,A,tops,user\n2.png,test,,B,tops,shop\n3.png,test,,B,tops,user\n";
        std::fs::write(dir.path().join("manifest.csv"), manifest).expect("the manifest is written");
        let dataset = Dataset::open(dir.path()).expect("the dataset is valid");
        let embed = |rows: &[usize], side| {
            let value = |row: &usize| vec![*row as f32, f32::from(u8::from(side == Side::Shop))];
            Ok(rows.iter().map(value).collect())
        };
        for rows in [&[3, 0, 1, 2][..], &[2, 0], &[1], &[]] {
            let expected: Vec<Vec<f32>> = rows
                .iter()
                .map(|row| vec![*row as f32, ((row + 1) % 2) as f32])
                .collect();
            assert_eq!(
                by_side(&dataset, rows, embed).expect("nothing fails"),
                expected,
                "{rows:?}"
            );
        }
    }
}
