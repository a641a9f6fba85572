//! Training embeddings over batches of P identities × K photos that always pair a user's photo with a shop's.

use super::embedding_loss::{Identified, On};
use super::engine::{Figures, Objective, Step};
use super::recipe::{Recipe, RetrievalRecipe};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Int, Tensor, TensorData};
use dataset::{Dataset, Images};
use evaluation::forward::forward_all;
use evaluation::retrieval::{mean_ap_at_10, rank, recall_at};
use rand::SeedableRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use shared::model::RetrievalNet;
use shared::model::retrieval::Parts;
use shared::weights::{Precision, save};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// One product's photos.
#[derive(Debug, Default, Clone)]
struct Identity {
    user: Vec<usize>,
    shop: Vec<usize>,
}

/// Rows by identity: which train and which choose the epoch.
#[derive(Debug)]
pub struct Identities {
    /// The pictures.
    pub images: Arc<Images>,
    train: Vec<Identity>,
    class: HashMap<usize, usize>,
    tune: Vec<usize>,
}

impl Identities {
    /// Splits a dataset as the recipe says; items without both a user's and a shop's photo are left out of training.
    ///
    /// # Errors
    /// If a split is empty, or holds too few identities for one batch.
    pub fn new(dataset: Dataset, recipe: &Recipe, task: &RetrievalRecipe) -> anyhow::Result<Self> {
        let rows = dataset.split("train", |row| !row.item_id.is_empty(), " with an item_id")?;
        let (tune, rows) = if recipe.data.holdout > 0.0 {
            dataset.hold_out(&rows, recipe.data.holdout, recipe.seed)
        } else {
            (
                dataset.split("val", |row| !row.item_id.is_empty(), " with an item_id")?,
                rows,
            )
        };
        let has = |shop: bool| tune.iter().any(|row| dataset.rows[*row].is_shop() == shop);
        anyhow::ensure!(
            has(true) && has(false),
            "the photos of {} that choose the epoch lack shop photos (domain 'shop') or others to search with, so every \
             epoch would score 0\nhint: set data.holdout to a share of the training items, such as 0.1",
            dataset.dir.display()
        );
        let mut by_item: BTreeMap<&str, Identity> = BTreeMap::new();
        for &row in &rows {
            let identity = by_item.entry(dataset.rows[row].item_id.as_str()).or_default();
            if dataset.rows[row].is_shop() {
                identity.shop.push(row)
            } else {
                identity.user.push(row)
            }
        }
        let items = by_item.len();
        let train: Vec<Identity> = by_item
            .into_values()
            .filter(|id| !id.user.is_empty() && !id.shop.is_empty())
            .collect();
        if train.len() < items {
            eprintln!(
                "{} of {items} items have no shop photo or no user's photo to pair, and are left out of training",
                items - train.len()
            );
        }
        anyhow::ensure!(
            train.len() >= task.identities,
            "{} has {} items with both a shop's and a user's photo to train on, and a batch takes {}; lower task.identities",
            dataset.dir.display(),
            train.len(),
            task.identities
        );
        let waiting = train.len() % task.identities;
        if waiting > 0 {
            eprintln!(
                "an epoch shows {} of {} items in batches of {}; the other {waiting} wait for a later epoch",
                train.len() - waiting,
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
        })
    }

    /// Images to learn from.
    pub fn n_train(&self) -> usize {
        self.class.len()
    }

    /// Images to choose by.
    pub fn n_tune(&self) -> usize {
        self.tune.len()
    }

    /// Number of identities to tell apart.
    pub fn n_classes(&self) -> usize {
        self.train.len()
    }
}

/// The network with what exists for training only: the identity classifiers of its losses.
#[derive(Module, Debug)]
pub struct RetrievalTrainee {
    net: RetrievalNet,
    /// Loss by loss in the recipe's order, and of each part by part.
    classifiers: Vec<Linear>,
}

impl RetrievalTrainee {
    /// `net` with identity classifiers of random weights.
    pub fn new(net: RetrievalNet, task: &RetrievalRecipe, n_classes: usize) -> Self {
        let device = net.devices().into_iter().next().unwrap_or_default();
        let model = &task.model;
        let classifiers = task.losses.iter().flat_map(|loss| {
            let (times, dim) = match loss.on() {
                On::Parts => (model.n_parts(), model.part_dim),
                On::Whole => (1, model.embedding_dim()),
            };
            let classifier = loss.classifier(dim, n_classes, model.neck);
            classifier
                .into_iter()
                .flat_map(move |classifier| std::iter::repeat_n(classifier, times))
        });
        Self {
            net,
            classifiers: classifiers.map(|classifier| classifier.init(&device)).collect(),
        }
    }
}

/// What the recipe's losses say of batches of identities.
#[derive(Debug)]
pub struct RetrievalObjective<'a> {
    /// The data.
    pub data: &'a Identities,
    /// The recipe.
    pub recipe: &'a Recipe,
    /// Its task.
    pub task: &'a RetrievalRecipe,
    /// Where evaluation computes.
    pub device: &'a Device,
}

impl Objective for RetrievalObjective<'_> {
    type Net = RetrievalTrainee;

    /// The first P rows are users' photos, the next P the same identities' shop photos, then users' again; no photo comes
    /// twice in a batch while its identity has others of its side. Identities that do not fill a batch wait for the next epoch.
    fn batches(&self, epoch: usize) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.recipe.seed);
        rng.set_stream(u64::MAX - epoch as u64);
        let mut order: Vec<usize> = (0..self.data.train.len()).collect();
        order.shuffle(&mut rng);
        let batch = |identities: &[usize]| {
            // What a batch has not shown yet, a side at a time.
            let mut left: Vec<Identity> = vec![Identity::default(); identities.len()];
            let mut rows = Vec::with_capacity(self.task.photos * identities.len());
            for photo in 0..self.task.photos {
                for (id, left) in identities.iter().zip(&mut left) {
                    let identity = &self.data.train[*id];
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
        order.chunks_exact(self.task.identities).map(batch).collect()
    }

    fn loss(&self, trainee: &RetrievalTrainee, images: Tensor<4>, step: &Step<'_>) -> anyhow::Result<Tensor<1>> {
        let device = images.device();
        let classes: Vec<i32> = step.rows.iter().map(|row| self.data.class[row] as i32).collect();
        let classes = Tensor::<1, Int>::from_data(TensorData::new(classes, [step.rows.len()]), &device);
        let batch = Identified {
            classes,
            block: self.task.identities,
        };
        let Parts { compared, embedding } = trainee.net.forward_parts(images);
        let mut classifiers = trainee.classifiers.iter();
        let mut sum = Tensor::<1>::zeros([1], &device);
        for loss in &self.task.losses {
            let classifies = loss.classifier(1, 1, false).is_some();
            let parts = if classifies { &embedding } else { &compared };
            let seen = match loss.on() {
                On::Parts => parts.clone(),
                On::Whole => vec![Tensor::cat(parts.clone(), 1)],
            };
            let n = seen.len() as f64;
            for x in seen {
                let classifier = if classifies { classifiers.next() } else { None };
                sum = sum + loss.of(x, classifier, &batch)? / n * loss.weight();
            }
        }
        Ok(sum)
    }

    fn evaluate(&self, trainee: &RetrievalTrainee, _epoch: usize) -> anyhow::Result<Figures> {
        let dataset = self.data.images.dataset();
        let (shop, user): (Vec<usize>, Vec<usize>) =
            self.data.tune.iter().partition(|row| dataset.rows[**row].is_shop());
        let embed = |rows: &[usize]| {
            forward_all(&self.data.images, rows, &self.recipe.input, self.device, |x| {
                trainee.net.forward(x)
            })
        };
        let ranked = rank(&embed(&user)?, &embed(&shop)?, |q, g| {
            dataset.rows[user[q]].item_id == dataset.rows[shop[g]].item_id
        });
        let all: Vec<usize> = (0..ranked.len()).collect();
        let score = mean_ap_at_10(&ranked, &all);
        let figures = [
            ("tune_mean_ap_at_10", score),
            ("tune_recall_at_1", recall_at(1, &ranked, &all)),
            ("tune_recall_at_10", recall_at(10, &ranked, &all)),
        ];
        Ok(Figures {
            score,
            figures: figures
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        })
    }

    fn weights(&self, trainee: &RetrievalTrainee) -> anyhow::Result<Vec<u8>> {
        Ok(save(&trainee.net, Precision::F32)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::TaskRecipe;
    use std::collections::BTreeSet;
    use std::fmt::Write;

    /// Items 0–5: `user[i]` and `shop[i]` photos.
    fn rows(user: [usize; 6], shop: [usize; 6]) -> String {
        let mut text = "path,split,item_id,domain\n".to_owned();
        for item in 0..6 {
            for (domain, photos) in [("user", user[item]), ("shop", shop[item])] {
                for photo in 0..photos {
                    let _ = writeln!(text, "{item}-{domain}-{photo}.jpg,train,i{item},{domain}");
                }
            }
        }
        text + "v.jpg,val,v,user\nw.jpg,val,v,shop\n"
    }

    fn of_two_identities(photos: usize) -> anyhow::Result<Recipe> {
        let recipe = "name = 'a'\nseed = 1\nepochs = 1\n[data]\ndir = 'a'\n[input]\nwidth = 8\nheight = 8\n[optimiser]\n\
                      batch = 4\nrate = 0.1\n[task]\nkind = 'retrieval'\nidentities = 2\nphotos = 2\n\
                      [task.model]\nbackbone = 'resnet10_w16'\n";
        Recipe::parse(
            recipe,
            &[
                format!("optimiser.batch={}", 2 * photos),
                format!("task.photos={photos}"),
            ],
        )
    }

    #[test]
    fn an_epoch_cannot_be_chosen_by_one_side_alone() -> anyhow::Result<()> {
        let dir = tempfile::tempdir()?;
        let manifest = rows([1; 6], [1; 6]).replace("val,v,shop", "val,v,user");
        std::fs::write(dir.path().join(dataset::manifest::MANIFEST), manifest)?;
        let recipe = of_two_identities(2)?;
        let TaskRecipe::Retrieval(task) = &recipe.task else {
            panic!("a retrieval")
        };
        let error = Identities::new(Dataset::open(dir.path())?, &recipe, task)
            .expect_err("no shop photo")
            .to_string();
        assert!(
            error.contains("lack shop photos") && error.contains("data.holdout"),
            "{error}"
        );
        Ok(())
    }

    #[test]
    fn every_batch_pairs_sides_and_repeats_no_photo_without_need() -> anyhow::Result<()> {
        let (user, shop) = ([1, 2, 3, 4, 2, 1], [1, 1, 2, 3, 1, 0]);
        let dir = tempfile::tempdir()?;
        std::fs::write(dir.path().join(dataset::manifest::MANIFEST), rows(user, shop))?;
        for photos in 2..=6 {
            let recipe = of_two_identities(photos)?;
            let TaskRecipe::Retrieval(task) = &recipe.task else {
                panic!("a retrieval")
            };
            let data = Identities::new(Dataset::open(dir.path())?, &recipe, task)?;
            // Item 5 has no shop photo to pair with.
            assert_eq!((data.n_classes(), data.n_train()), (5, 20));
            let device = Device::flex();
            let objective = RetrievalObjective {
                data: &data,
                recipe: &recipe,
                task,
                device: &device,
            };
            let mut seen = BTreeSet::new();
            for epoch in 0..64 {
                let batches = objective.batches(epoch);
                assert_eq!(batches, objective.batches(epoch), "an epoch is the same again");
                assert_eq!(batches.len(), 2, "five identities fill two batches of two");
                for batch in batches {
                    seen.extend(batch.iter().copied());
                    assert_eq!(batch.len(), 2 * photos);
                    let table = &data.images.dataset().rows;
                    for place in 0..2 {
                        let item = &table[batch[place]].item_id;
                        let shown: Vec<usize> = batch.iter().skip(place).step_by(2).copied().collect();
                        for (photo, row) in shown.iter().enumerate() {
                            assert_eq!((&table[*row].item_id, table[*row].is_shop()), (item, photo % 2 == 1));
                        }
                        for (side, all) in [(0, &user), (1, &shop)] {
                            let number: usize = item[1..].parse()?;
                            let distinct: BTreeSet<usize> = shown.iter().skip(side).step_by(2).copied().collect();
                            let places = (photos - side).div_ceil(2);
                            assert_eq!(distinct.len(), places.min(all[number]), "{item}, {photos} photos");
                        }
                    }
                }
            }
            assert_eq!(seen.len(), data.n_train(), "every photo has its turn");
        }
        Ok(())
    }
}
