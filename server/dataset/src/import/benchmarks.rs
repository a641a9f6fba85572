//! Import of published retrieval benchmarks, so that metrics are comparable with published ones.
//!
//! These are DeepFashion In-shop and Consumer-to-Shop (Liu et al. 2016), Stanford Online Products (Song et al. 2016), and
//! the retrieval task of the JD AI Fashion Challenge 2018. With In-shop and Consumer-to-Shop, user images search the shop
//! images of the split (`selvedge evaluate --direction worn-to-shop`). With Online Products, every image searches all
//! others (`--direction all`).
//!
//! **Boxes are in pixels of the upright image**, as in every manifest. The lists do not say whether a box refers to the
//! stored or to the upright image. The two differ only for files with an EXIF rotation, which annotation programs apply.

use super::list_file::{ListFile, read_boxes};
use super::listed::USER;
use super::retrieval_challenge::read_pairs;
use super::{ManifestLine, each_photo, file_name};
use crate::decode::Photo;
use crate::manifest::SHOP;
use crate::max_errors::MaxErrors;
use anyhow::{Context, bail, ensure};
use shared::taxonomy::Category;
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

pub use super::listed::{Listed, crop_box};
pub use super::retrieval_challenge::{Boxed, read_boxed, submission};

/// Source of a benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// DeepFashion In-shop: a folder with `list_eval_partition.txt` and, for boxes, `list_bbox_inshop.txt`, next to `img` or
    /// in `Eval` and `Anno`.
    InShop,
    /// DeepFashion Consumer-to-Shop: like In-shop, with `list_bbox_consumer2shop.txt`.
    ConsumerToShop,
    /// Stanford Online Products: a folder with `Ebay_train.txt` and `Ebay_test.txt`.
    OnlineProducts,
    /// JD AI Fashion Challenge: a file of pairs `user_url x1 y1 x2 y2 shop_url x1 y1 x2 y2 class`.
    Challenge,
}

/// Reads the lists of a benchmark. `from` is its folder, or the challenge's file of pairs.
///
/// # Errors
/// If a line is malformed, or an item or image is in several splits. Names the file and the line.
pub fn read(format: Format, from: &Path) -> anyhow::Result<Vec<Listed>> {
    let listed = match format {
        Format::InShop => in_shop(from)?,
        Format::ConsumerToShop => consumer_to_shop(from)?,
        Format::OnlineProducts => online_products(from)?,
        Format::Challenge => read_pairs(from)?,
    };
    let mut splits: HashMap<&str, &str> = HashMap::new();
    for Listed { item_id, split, .. } in &listed {
        let first = splits.entry(item_id).or_insert(split);
        ensure!(
            first == split,
            "item {item_id} is in '{first}' and in '{split}', so metrics would be too optimistic; correct the list"
        );
    }
    Ok(listed)
}

/// Returns manifest lines for the images whose files exist and are readable, and the names of missing images.
///
/// # Errors
/// If more images than `max_errors` allows are unreadable or have a box outside; see also [`one_file_each`].
pub fn lines(
    listed: Vec<Listed>,
    folder: &Path,
    max_errors: MaxErrors,
) -> anyhow::Result<(Vec<ManifestLine>, Vec<String>)> {
    let folder = std::fs::canonicalize(folder).with_context(|| format!("there is no folder {}", folder.display()))?;
    let found: Vec<Option<PathBuf>> = listed.iter().map(|photo| find(&folder, &photo.name)).collect();
    one_file_each(
        listed
            .iter()
            .zip(&found)
            .filter_map(|(photo, path)| Some((photo.name.as_str(), path.as_deref()?))),
    )?;
    let (mut there, mut missing) = (Vec::with_capacity(listed.len()), Vec::new());
    for (photo, path) in listed.into_iter().zip(found) {
        match path {
            Some(path) => there.push((photo, path)),
            None => missing.push(photo.name),
        }
    }
    let line = |(
        Listed {
            split,
            item_id,
            category,
            domain,
            corners,
            ..
        },
        path,
    ),
                photo: &Photo| {
        let bounds = match corners {
            Some(corners) => Some(crop_box(corners, photo).with_context(|| {
                format!(
                    "the box {corners:?} lies outside its {} × {} pixels",
                    photo.width(),
                    photo.height()
                )
            })?),
            None => None,
        };
        let (split, domain) = (String::from(split), String::from(domain));
        Ok(ManifestLine {
            path,
            split,
            labels: String::new(),
            item_id,
            category,
            domain,
            bounds,
        })
    };
    Ok((each_photo(there, |(_, path)| path, line, max_errors)?, missing))
}

/// Finds the file of an image. Candidates are its name, its name below `Img` (DeepFashion), the host and folders of its URL
/// (`wget -x`), and the last part of its URL.
pub fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let without_scheme = name.split_once("://").map_or(name, |(_, rest)| rest);
    [
        folder.join(name),
        folder.join("Img").join(name),
        folder.join(without_scheme),
        folder.join(file_name(name)),
    ]
    .into_iter()
    .find(|path| path.is_file())
}

/// Checks that no two images, given as name and file, have the same file. URLs of different folders may end alike.
///
/// # Errors
/// Names two images with the same file.
pub fn one_file_each<'a>(photos: impl IntoIterator<Item = (&'a str, &'a Path)>) -> anyhow::Result<()> {
    let mut taken: HashMap<&Path, &str> = HashMap::new();
    for (name, path) in photos {
        let first = *taken.entry(path).or_insert(name);
        ensure!(
            first == name,
            "{first} and {name} would both be {}\nhint: save images below their url's host and folders, as `wget -x` does",
            path.display()
        );
    }
    Ok(())
}

fn in_shop(dir: &Path) -> anyhow::Result<Vec<Listed>> {
    let partition = ListFile::open(
        dir,
        "Eval",
        "list_eval_partition.txt",
        &["image_name", "item_id", "evaluation_status"],
    )?;
    let boxes = read_boxes(
        dir,
        "list_bbox_inshop.txt",
        &["image_name", "clothes_type", "pose_type"],
    )?;
    let mut shown = BTreeSet::new();
    partition.convert(|[name, item, status]| {
        let (split, domain) = match status.as_str() {
            // Training needs pairs of a user and a shop image, so the first image of an item counts as the shop's.
            "train" => ("train", if shown.insert(item.clone()) { SHOP } else { USER }),
            "query" => ("test", USER),
            "gallery" => ("test", SHOP),
            other => bail!("'{other}' is not train, query or gallery"),
        };
        let corners = boxes.get(&name).copied();
        Ok(vec![Listed {
            category: category_in(&name),
            name,
            split,
            item_id: item,
            domain,
            corners,
        }])
    })
}

fn consumer_to_shop(dir: &Path) -> anyhow::Result<Vec<Listed>> {
    let header = ["image_pair_name_1", "image_pair_name_2", "item_id", "evaluation_status"];
    let partition = ListFile::open(dir, "Eval", "list_eval_partition.txt", &header)?;
    let boxes = read_boxes(
        dir,
        "list_bbox_consumer2shop.txt",
        &["image_name", "clothes_type", "source_type"],
    )?;
    // An image is listed once per partner.
    let mut known: HashMap<String, (String, String)> = HashMap::new();
    partition.convert(|[user, shop, item, status]| {
        let split = match status.as_str() {
            "train" => "train",
            "val" => "val",
            "test" => "test",
            other => bail!("'{other}' is not train, val or test"),
        };
        let mut photos = Vec::new();
        for (name, domain) in [(user, USER), (shop, SHOP)] {
            if let Some((before, shown)) = known.get(&name) {
                ensure!(before == split, "{name} is in '{before}' and in '{split}'");
                ensure!(*shown == item, "{name} shows {shown} and {item}");
                continue;
            }
            known.insert(name.clone(), (split.to_owned(), item.clone()));
            let corners = boxes.get(&name).copied();
            photos.push(Listed {
                category: category_in(&name),
                name,
                split,
                item_id: item.clone(),
                domain,
                corners,
            });
        }
        Ok(photos)
    })
}

fn online_products(dir: &Path) -> anyhow::Result<Vec<Listed>> {
    let mut all = Vec::new();
    for (file, split) in [("Ebay_train.txt", "train"), ("Ebay_test.txt", "test")] {
        let list = ListFile::open(dir, "", file, &["image_id", "class_id", "super_class_id", "path"])?;
        let mut shown = BTreeSet::new();
        all.extend(list.convert(|[_, class, _, name]| {
            // The benchmark has no domains, so the first image of an item counts as the shop's in training.
            let domain = if shown.insert(class.clone()) { SHOP } else { USER };
            let category = name
                .split('/')
                .next()
                .unwrap_or_default()
                .trim_end_matches("_final")
                .to_owned();
            Ok(vec![Listed {
                name,
                split,
                item_id: class,
                category,
                domain,
                corners: None,
            }])
        })?);
    }
    Ok(all)
}

/// Returns the third part from the end, such as `Dresses` of `img/WOMEN/Dresses/id_00000002/02_1_front.jpg`. Known
/// categories are in lower case.
fn category_in(name: &str) -> String {
    let folder = name.split('/').rev().nth(2).unwrap_or_default();
    let small = folder.to_lowercase();
    if small == "dress" || Category::from_id(&small).is_some() {
        small
    } else {
        folder.to_owned()
    }
}
