//! What a retrieval network's embeddings go through before they are ranked: whitening, storage, augmentation, re-ranking.

use super::rerank::{Rerank, augment};
use super::storage::Storage;
use super::whitening::Projection;
use crate::data::Dataset;
use serde::Serialize;

/// Who looks for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Users' photos are looked up among the shop's.
    #[default]
    WornToShop,
    /// The shop's photos are looked up among the users'.
    ShopToWorn,
}

impl std::str::FromStr for Direction {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "worn-to-shop" => Ok(Self::WornToShop),
            "shop-to-worn" => Ok(Self::ShopToWorn),
            _ => Err(format!("'{text}' is neither worn-to-shop nor shop-to-worn")),
        }
    }
}

/// The steps between a network and a ranking, in the order of the fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Search {
    /// Who looks for whom.
    pub direction: Direction,
    /// Dimensions of a whitening that is fitted on the training split.
    pub whiten: Option<usize>,
    /// Mix each gallery embedding with its nearest.
    pub augment_gallery: bool,
    /// How the gallery is kept.
    pub storage: Storage,
    /// How it is ranked.
    pub rerank: Rerank,
}

/// What is not as it would be without options, each behind a comma.
impl std::fmt::Display for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.direction == Direction::ShopToWorn {
            write!(f, ", shop to worn")?;
        }
        if let Some(dims) = self.whiten {
            write!(f, ", whitened to {dims}")?;
        }
        if self.augment_gallery {
            write!(f, ", gallery augmented")?;
        }
        if self.storage != Storage::F32 {
            write!(f, ", gallery kept as {:?}", self.storage)?;
        }
        if self.rerank != Rerank::None {
            write!(f, ", re-ranked by {:?}", self.rerank)?;
        }
        Ok(())
    }
}

impl Search {
    /// A whitening to `dims` fitted on the dataset's `train` split; `split` is the one that is measured.
    ///
    /// # Errors
    /// If `split` is `train` itself, an identity is in both, or there is too little to fit on.
    pub fn fit(
        &self,
        split: &str,
        dims: usize,
        dataset: &Dataset,
        embed: impl Fn(&[usize]) -> anyhow::Result<Vec<Vec<f32>>>,
    ) -> anyhow::Result<Projection> {
        anyhow::ensure!(split != "train", "the whitening is fitted on 'train'; measure it on another split");
        let rows = dataset.split("train", |_| true, "")?;
        let ids: Vec<&str> = rows.iter().map(|row| dataset.rows[*row].item_id.as_str()).collect();
        let fitted: std::collections::HashSet<&str> = ids.iter().copied().collect();
        if let Some(row) = dataset.rows.iter().find(|row| row.split == split && fitted.contains(row.item_id.as_str())) {
            anyhow::bail!("item {} is in 'train' and in '{split}', so the figure would be too good", row.item_id);
        }
        Projection::whitening(&embed(&rows)?, &ids, dims)
    }

    /// Scores `[query][gallery]`, the higher the better.
    pub fn scores(
        &self,
        mut queries: Vec<Vec<f32>>,
        mut gallery: Vec<Vec<f32>>,
        projection: Option<&Projection>,
    ) -> Vec<Vec<f32>> {
        if let Some(projection) = projection {
            queries.iter_mut().chain(&mut gallery).for_each(|row| *row = projection.apply(row));
        }
        if self.augment_gallery {
            gallery = augment(&gallery);
        }
        let stored: Vec<Vec<f32>> = gallery.iter().map(|row| self.storage.round_trip(row)).collect();
        self.rerank.scores(&queries, &stored)
    }
}
