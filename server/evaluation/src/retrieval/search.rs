//! Steps between a retrieval network's embeddings and the ranking: whitening, storage, augmentation, re-ranking.

use super::whiten::fit_whitening;
use burn::tensor::Device;
use dataset::Dataset;
use search::rerank::{Rerank, augment};
use search::storage::{Storage, Stored};
use serde::Serialize;
use shared::server_models::Projection;

/// Direction of the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Users' photos search the shop's photos.
    #[default]
    WornToShop,
    /// The shop's photos search the users' photos.
    ShopToWorn,
    /// Every photo is searched among all others, as in the protocol of Stanford Online Products.
    All,
}

/// Steps between a network and a ranking, in the order of the fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Search {
    /// Direction of the search.
    pub direction: Direction,
    /// Dimensions of a whitening that is fitted on the training split; no whitening if `None`.
    pub whiten: Option<usize>,
    /// Mix each gallery embedding with its nearest neighbours.
    pub augment_gallery: bool,
    /// Storage type of the gallery.
    pub storage: Storage,
    /// Re-ranking of the hits.
    pub rerank: Rerank,
}

/// Lists the options that differ from the default, each after a comma.
impl std::fmt::Display for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.direction {
            Direction::WornToShop => {}
            Direction::ShopToWorn => write!(f, ", shop to worn")?,
            Direction::All => write!(f, ", every photo among all others")?,
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
    /// Fits a whitening to `dims` dimensions on the dataset's `train` split. `split` is the measured split.
    ///
    /// # Errors
    /// If `split` is `train`, an item is in both splits, or there are too few embeddings.
    pub fn fit(
        &self,
        split: &str,
        dims: usize,
        dataset: &Dataset,
        embed: impl Fn(&[usize]) -> anyhow::Result<Vec<Vec<f32>>>,
        device: &Device,
    ) -> anyhow::Result<Projection> {
        anyhow::ensure!(
            split != "train",
            "the whitening is fitted on 'train'; measure it on another split"
        );
        if let Some(item) = dataset.shared_item("train", split) {
            anyhow::bail!("item {item} is in 'train' and in '{split}', so the metric would be too high");
        }
        fit_whitening(dataset, dims, embed, device)
    }

    /// Returns the query rows and the gallery rows of a split.
    ///
    /// # Errors
    /// If there are no queries or no gallery, or all photos search each other with re-ranking or augmentation.
    pub fn sides(&self, dataset: &Dataset, split: &str) -> anyhow::Result<(Vec<usize>, Vec<usize>)> {
        let rows = dataset.split(split, |_| true, "")?;
        if self.direction == Direction::All {
            anyhow::ensure!(
                self.rerank == Rerank::None && !self.augment_gallery,
                "where every photo searches all others, the nearest is the photo itself; leave out re-ranking and augmentation"
            );
            return Ok((rows.clone(), rows));
        }
        let (shop, user): (Vec<usize>, Vec<usize>) = rows.iter().partition(|row| dataset.rows[**row].is_shop());
        anyhow::ensure!(
            !shop.is_empty() && !user.is_empty(),
            "split '{split}' of {} needs both shop photos (domain 'shop') and others to search with",
            dataset.dir.display()
        );
        Ok(if self.direction == Direction::WornToShop {
            (user, shop)
        } else {
            (shop, user)
        })
    }

    /// Applies the steps for a gallery to its embeddings.
    pub fn gallery(&self, mut rows: Vec<Vec<f32>>, projection: Option<&Projection>) -> Stored {
        if let Some(projection) = projection {
            rows = projection.apply(&rows);
        }
        if self.augment_gallery {
            rows = augment(rows);
        }
        Stored::new(self.storage, &rows)
    }

    /// Computes scores `[query][gallery]`; higher is better.
    pub fn scores(&self, queries: &[Vec<f32>], gallery: &Stored, projection: Option<&Projection>) -> Vec<Vec<f32>> {
        match projection {
            Some(projection) => self.rerank.scores(&projection.apply(queries), gallery),
            None => self.rerank.scores(queries, gallery),
        }
    }
}
