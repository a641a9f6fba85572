//! What a retrieval network's embeddings go through before they are ranked: whitening, storage, augmentation, re-ranking.

use super::whitening;
use crate::catalog::rerank::{Rerank, augment};
use crate::catalog::storage::{Storage, Stored};
use crate::data::Dataset;
use burn::tensor::Device;
use serde::Serialize;
use shared::model::Projection;

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
        device: &Device,
    ) -> anyhow::Result<Projection> {
        anyhow::ensure!(split != "train", "the whitening is fitted on 'train'; measure it on another split");
        let fitted = dataset.rows.iter().filter(|row| row.split == "train").map(|row| row.item_id.as_str());
        let fitted: std::collections::HashSet<&str> = fitted.collect();
        if let Some(row) = dataset.rows.iter().find(|row| row.split == split && fitted.contains(row.item_id.as_str())) {
            anyhow::bail!("item {} is in 'train' and in '{split}', so the figure would be too good", row.item_id);
        }
        whitening::fit(dataset, dims, embed, device)
    }

    /// Scores `[query][gallery]`, the higher the better.
    pub fn scores(
        &self,
        mut queries: Vec<Vec<f32>>,
        mut gallery: Vec<Vec<f32>>,
        projection: Option<&Projection>,
    ) -> Vec<Vec<f32>> {
        if let Some(projection) = projection {
            (queries, gallery) = (projection.apply(&queries), projection.apply(&gallery));
        }
        if self.augment_gallery {
            gallery = augment(gallery);
        }
        self.rerank.scores(&queries, &Stored::new(self.storage, &gallery))
    }
}
