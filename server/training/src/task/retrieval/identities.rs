//! Training rows of a retrieval network by identity, and its batches.

use crate::batch::epoch_rng;
use crate::objective::TrainingData;
use crate::recipe::{Recipe, RetrievalRecipe};
use dataset::{Dataset, Images};
use rand::seq::{IndexedRandom, SliceRandom};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Photos of one item.
#[derive(Debug, Default, Clone)]
struct Identity {
    user: Vec<usize>,
    shop: Vec<usize>,
}

/// Training rows by identity, and tuning rows.
#[derive(Debug)]
pub(crate) struct Identities {
    pub(super) images: Arc<Images>,
    train: Vec<Identity>,
    /// Number of the identity of every training row.
    pub(super) class: HashMap<usize, usize>,
    pub(super) tune: Vec<usize>,
    /// Identities per batch.
    per_batch: usize,
    /// Photos per identity in a batch.
    photos: usize,
}

impl Identities {
    /// Divides a dataset as the recipe says. Items without both a user's and a shop's photo are left out of training.
    ///
    /// # Errors
    /// If a split is empty, or has too few identities for one batch.
    pub(super) fn new(dataset: Dataset, recipe: &Recipe, task: &RetrievalRecipe) -> anyhow::Result<Self> {
        let rows = dataset.split("train", |row| !row.item_id.is_empty(), " with an item_id")?;
        let (tune, rows) = recipe.data.divide_items(&dataset, rows, recipe.seed)?;
        let has = |shop: bool| tune.iter().any(|row| dataset.rows[*row].is_shop() == shop);
        anyhow::ensure!(
            has(true) && has(false),
            "the photos of {} that choose the epoch lack shop photos (domain 'shop') or others to search with, so every \
             epoch would score 0\nhint: set data.holdout to a share of the training items, such as 0.1",
            dataset.dir.display()
        );
        let train = pairable(&dataset, &rows);
        anyhow::ensure!(
            train.len() >= task.identities,
            "{} has {} items with both a shop's and a user's photo to train on, and a batch takes {}; lower task.identities",
            dataset.dir.display(),
            train.len(),
            task.identities
        );
        let left_out = train.len() % task.identities;
        if left_out > 0 {
            eprintln!(
                "an epoch shows {} of {} items in batches of {}; every epoch leaves out other {left_out}",
                train.len() - left_out,
                train.len(),
                task.identities
            );
        }
        let class = train
            .iter()
            .enumerate()
            .flat_map(|(class, id)| id.user.iter().chain(&id.shop).map(move |row| (*row, class)))
            .collect();
        let images = Arc::new(Images::new(Arc::new(dataset)).with_margin_of(&recipe.input));
        Ok(Self {
            images,
            train,
            class,
            tune,
            per_batch: task.identities,
            photos: task.photos,
        })
    }

    /// Number of training identities.
    pub(super) fn n_identities(&self) -> usize {
        self.train.len()
    }
}

/// Groups rows by item, and leaves out items that lack a user's or a shop's photo.
fn pairable(dataset: &Dataset, rows: &[usize]) -> Vec<Identity> {
    let mut by_item: BTreeMap<&str, Identity> = BTreeMap::new();
    for &row in rows {
        let identity = by_item.entry(dataset.rows[row].item_id.as_str()).or_default();
        if dataset.rows[row].is_shop() {
            identity.shop.push(row);
        } else {
            identity.user.push(row);
        }
    }
    let items = by_item.len();
    let pairable: Vec<Identity> = by_item
        .into_values()
        .filter(|id| !id.user.is_empty() && !id.shop.is_empty())
        .collect();
    if pairable.len() < items {
        eprintln!(
            "{} of {items} items have no shop photo or no user's photo to pair, and are left out of training",
            items - pairable.len()
        );
    }
    pairable
}

impl TrainingData for Identities {
    fn images(&self) -> &Arc<Images> {
        &self.images
    }

    fn n_train(&self) -> usize {
        self.class.len()
    }

    fn n_tune(&self) -> usize {
        self.tune.len()
    }

    /// The first P rows are users' photos, the next P the same identities' shop photos, and so on. A photo repeats within a
    /// batch only if its identity has no other of its side. An epoch leaves out identities that do not fill a batch.
    fn batches(&self, recipe: &Recipe, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = epoch_rng(recipe.seed, epoch);
        let mut order: Vec<usize> = (0..self.train.len()).collect();
        order.shuffle(&mut rng);
        let batch = |identities: &[usize]| {
            // Photos that the batch has not shown yet.
            let mut left: Vec<Identity> = vec![Identity::default(); identities.len()];
            let mut rows = Vec::with_capacity(self.photos * identities.len());
            for photo in 0..self.photos {
                for (id, left) in identities.iter().zip(&mut left) {
                    let identity = &self.train[*id];
                    let (all, left) = if photo % 2 == 0 {
                        (&identity.user, &mut left.user)
                    } else {
                        (&identity.shop, &mut left.shop)
                    };
                    if left.is_empty() {
                        left.clone_from(all);
                    }
                    let row = left.choose(&mut rng).copied();
                    left.retain(|other| Some(*other) != row);
                    rows.extend(row);
                }
            }
            rows
        };
        order.chunks_exact(self.per_batch).map(batch).collect()
    }
}
