//! Steps between a retrieval network's embeddings and the ranking: whitening, storage, augmentation, re-ranking.

use super::whiten::fit_whitening;
use burn::tensor::Device;
use dataset::Dataset;
use search::rerank::{Rerank, Reranking, augment};
use search::storage::{Storage, Stored};
use search::whitening::Whitening;
use serde::Serialize;
use shared::server_models::{Projection, Side};
use std::collections::HashMap;

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

impl Direction {
    /// Prefix of the names of metrics where several directions are measured.
    pub(super) fn prefix(self) -> String {
        let name = match self {
            Self::WornToShop => "worn_to_shop",
            Self::ShopToWorn => "shop_to_worn",
            Self::All => "all",
        };
        format!("{name}_")
    }
}

/// Steps between a network and a ranking, in the order of the fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Search {
    /// Direction of the search.
    pub direction: Direction,
    /// Whitening that is fitted on the training split; no whitening if `None`.
    pub whiten: Option<Whitening>,
    /// Mix each gallery embedding with its nearest neighbours.
    pub augment_gallery: bool,
    /// Storage type of the gallery.
    pub storage: Storage,
    /// Re-ranking of the hits.
    pub rerank: Reranking,
}

/// Lists the options that differ from the default, each after a comma.
impl std::fmt::Display for Search {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.direction {
            Direction::WornToShop => {}
            Direction::ShopToWorn => write!(f, ", shop to worn")?,
            Direction::All => write!(f, ", every photo among all others")?,
        }
        if let Some(whitening) = self.whiten {
            write!(f, ", whitened to {whitening}")?;
        }
        if self.augment_gallery {
            write!(f, ", gallery augmented")?;
        }
        if self.storage != Storage::F32 {
            write!(f, ", gallery kept as {:?}", self.storage)?;
        }
        if self.rerank.method != Rerank::None {
            write!(f, ", re-ranked by {}", self.rerank)?;
        }
        Ok(())
    }
}

impl Search {
    /// Fits a whitening on the dataset's `train` split. `split` is the measured split.
    ///
    /// # Errors
    /// If `split` is `train`, an item is in both splits, or there are too few embeddings.
    pub fn fit(
        &self,
        split: &str,
        whitening: Whitening,
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
        fit_whitening(dataset, whitening, embed, device)
    }

    /// Returns the query rows and the gallery rows of a split.
    ///
    /// # Errors
    /// If there are no queries or no gallery, or all photos search each other with re-ranking or augmentation.
    pub fn sides(&self, dataset: &Dataset, split: &str) -> anyhow::Result<(Vec<usize>, Vec<usize>)> {
        let rows = dataset.split(split, |_| true, "")?;
        if self.direction == Direction::All {
            anyhow::ensure!(
                self.rerank.method == Rerank::None && !self.augment_gallery,
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

    /// Returns the number of the product of every gallery photo. A photo without item is a product. `None` if every product has
    /// one photo, or if every photo searches all others.
    pub fn products(&self, dataset: &Dataset, gallery: &[usize]) -> Option<Vec<usize>> {
        if self.direction == Direction::All {
            return None;
        }
        let mut known: HashMap<&str, usize> = HashMap::new();
        let mut n = 0;
        let mut number = |row: &usize| {
            let item = dataset.rows[*row].item_id.as_str();
            let product = known.get(item).copied().unwrap_or(n);
            if product == n {
                n += 1;
                if !item.is_empty() {
                    known.insert(item, product);
                }
            }
            product
        };
        let products: Vec<usize> = gallery.iter().map(&mut number).collect();
        (n < gallery.len()).then_some(products)
    }

    /// Applies the steps for a gallery to its embeddings.
    pub fn gallery(&self, mut rows: Vec<Vec<f32>>, projection: Option<&Projection>) -> Stored {
        if let Some(projection) = projection {
            rows = projection.apply(&rows, Side::Shop);
        }
        if self.augment_gallery {
            rows = augment(rows, self.rerank.parameters);
        }
        Stored::new(self.storage, &rows)
    }

    /// Computes scores `[query][gallery]`; higher is better.
    pub fn scores(&self, queries: &[Vec<f32>], gallery: &Stored, projection: Option<&Projection>) -> Vec<Vec<f32>> {
        match projection {
            Some(projection) => self.rerank.scores(&projection.apply(queries, Side::Customer), gallery),
            None => self.rerank.scores(queries, gallery),
        }
    }
}
