//! Retrieval datasets of other people in their own files, so that figures compare with published ones: DeepFashion's
//! In-shop and Consumer-to-Shop (Liu et al. 2016), Stanford Online Products (Song et al. 2016), and the retrieval task of
//! the JD AI Fashion Challenge 2018.
//!
//! Their protocols are `selvedge evaluate`'s: In-shop and Consumer-to-Shop search the split's shop photos with its users'
//! (`--direction worn-to-shop`), Online Products every photo among all others (`--direction all`).

use super::import::{Line, file_name};
use super::manifest::SHOP;
use anyhow::{Context, bail, ensure};
use shared::input::CropBox;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// The domain of photos that search.
const USER: &str = "user";
/// The challenge's classes, by number.
const CLASSES: [&str; 3] = ["tops", "bags", "shoes"];

/// Whose files they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// DeepFashion In-shop: a folder with `list_eval_partition.txt` and, if boxes are wanted, `list_bbox_inshop.txt`, beside
    /// `img` or in `Eval` and `Anno`.
    InShop,
    /// DeepFashion Consumer-to-Shop: as In-shop, with `list_bbox_consumer2shop.txt`.
    ConsumerToShop,
    /// Stanford Online Products: a folder with `Ebay_train.txt` and `Ebay_test.txt`.
    OnlineProducts,
    /// The challenge's pairs: a file of `user_url x1 y1 x2 y2 shop_url x1 y1 x2 y2 class`.
    Challenge,
}

/// A rectangle with its right and bottom edge outside.
type Corners = [u32; 4];

/// A photo as its dataset lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Path within the folder of images, or a url whose last part is the file's name.
    pub name: String,
    split: &'static str,
    item_id: String,
    category: String,
    domain: &'static str,
    corners: Option<Corners>,
}

/// A query or gallery photo of the challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boxed {
    /// Its url, which answers name it by.
    pub url: String,
    /// Where the item is.
    pub corners: Corners,
}

/// Reads a dataset's lists; `from` is its folder, or the challenge's file of pairs.
///
/// # Errors
/// Names the file and the line that is not as its format wants it; an item in the training and a test split; a photo in two
/// splits.
pub fn read(format: Format, from: &Path) -> anyhow::Result<Vec<Listed>> {
    let listed = match format {
        Format::InShop => in_shop(from)?,
        Format::ConsumerToShop => consumer_to_shop(from)?,
        Format::OnlineProducts => online_products(from)?,
        Format::Challenge => pairs(from)?,
    };
    let mut splits: HashMap<&str, &str> = HashMap::new();
    for Listed { item_id, split, .. } in &listed {
        let first = splits.entry(item_id).or_insert(split);
        ensure!(first == split, "item {item_id} is in '{first}' and in '{split}', so a figure would be too good");
    }
    Ok(listed)
}

/// The lines of an import: photos whose file is there, and the names of the others.
///
/// # Errors
/// If a picture's size cannot be read, or as [`one_file_each`].
pub fn lines(listed: Vec<Listed>, folder: &Path) -> anyhow::Result<(Vec<Line>, Vec<String>)> {
    let folder = std::fs::canonicalize(folder).with_context(|| format!("there is no folder {}", folder.display()))?;
    let found: Vec<Option<PathBuf>> = listed.iter().map(|photo| find(&folder, &photo.name)).collect();
    one_file_each(listed.iter().zip(&found).filter_map(|(photo, path)| Some((photo.name.as_str(), path.as_deref()?))))?;
    let (mut lines, mut missing) = (Vec::with_capacity(listed.len()), Vec::new());
    for (Listed { name, split, item_id, category, domain, corners }, path) in listed.into_iter().zip(found) {
        let Some(path) = path else {
            missing.push(name);
            continue;
        };
        let bounds = corners.map(|corners| inside(corners, &path)).transpose()?.flatten();
        let (split, domain) = (split.to_owned(), domain.to_owned());
        lines.push(Line { path, split, labels: String::new(), item_id, category, domain, bounds });
    }
    Ok((lines, missing))
}

/// The file of a photo: as it is named, below `Img` as DeepFashion is unpacked, below a url's host and folders as `wget -x`
/// saves it, or by the last part of a url.
pub fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let without_scheme = name.split_once("://").map_or(name, |(_, rest)| rest);
    [folder.join(name), folder.join("Img").join(name), folder.join(without_scheme), folder.join(file_name(name))]
        .into_iter()
        .find(|path| path.is_file())
}

/// Checks that photos, each a name and its file, do not share one: urls of other folders can end alike.
///
/// # Errors
/// Names two that do.
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

/// A box within its picture: lists have some that leave it by a pixel or two; `None` if nothing is left.
///
/// # Errors
/// If the picture's size cannot be read.
pub fn inside([x, y, right, bottom]: Corners, path: &Path) -> anyhow::Result<Option<CropBox>> {
    let (width, height) =
        image::image_dimensions(path).with_context(|| format!("cannot read the size of {}", path.display()))?;
    let (right, bottom) = (right.min(width), bottom.min(height));
    Ok((x < right && y < bottom).then(|| CropBox { x, y, width: right - x, height: bottom - y }))
}

fn in_shop(dir: &Path) -> anyhow::Result<Vec<Listed>> {
    let partition =
        Table::open(dir, "Eval", "list_eval_partition.txt", &["image_name", "item_id", "evaluation_status"])?;
    let boxes = boxes(dir, "list_bbox_inshop.txt", &["image_name", "clothes_type", "pose_type"])?;
    let mut shown = BTreeSet::new();
    partition.map(|[name, item, status]| {
        let (split, domain) = match status.as_str() {
            // Training pairs a user's with a shop photo; an item's first photo stands for the shop's.
            "train" => ("train", if shown.insert(item.clone()) { SHOP } else { USER }),
            "query" => ("test", USER),
            "gallery" => ("test", SHOP),
            other => bail!("'{other}' is none of train, query and gallery"),
        };
        let corners = boxes.get(&name).copied();
        Ok(vec![Listed { category: category_in(&name), name, split, item_id: item, domain, corners }])
    })
}

fn consumer_to_shop(dir: &Path) -> anyhow::Result<Vec<Listed>> {
    let header = ["image_pair_name_1", "image_pair_name_2", "item_id", "evaluation_status"];
    let partition = Table::open(dir, "Eval", "list_eval_partition.txt", &header)?;
    let boxes = boxes(dir, "list_bbox_consumer2shop.txt", &["image_name", "clothes_type", "source_type"])?;
    // Photos come in as many lines as they have partners.
    let mut known: HashMap<String, (String, String)> = HashMap::new();
    partition.map(|[user, shop, item, status]| {
        let split = match status.as_str() {
            "train" => "train",
            "val" => "val",
            "test" => "test",
            other => bail!("'{other}' is none of train, val and test"),
        };
        let mut photos = Vec::new();
        for (name, domain) in [(user, USER), (shop, SHOP)] {
            if let Some((before, of)) = known.get(&name) {
                ensure!(before == split, "{name} is in '{before}' and in '{split}'");
                ensure!(*of == item, "{name} shows {of} and {item}");
                continue;
            }
            known.insert(name.clone(), (split.to_owned(), item.clone()));
            let corners = boxes.get(&name).copied();
            photos.push(Listed { category: category_in(&name), name, split, item_id: item.clone(), domain, corners });
        }
        Ok(photos)
    })
}

fn online_products(dir: &Path) -> anyhow::Result<Vec<Listed>> {
    let mut all = Vec::new();
    for (file, split) in [("Ebay_train.txt", "train"), ("Ebay_test.txt", "test")] {
        let table = Table::open(dir, "", file, &["image_id", "class_id", "super_class_id", "path"])?;
        let mut shown = BTreeSet::new();
        all.extend(table.map(|[_, class, _, name]| {
            // There are no sides; training pairs an item's first photo with the others.
            let domain = if shown.insert(class.clone()) { SHOP } else { USER };
            let category = name.split('/').next().unwrap_or_default().trim_end_matches("_final").to_owned();
            Ok(vec![Listed { name, split, item_id: class, category, domain, corners: None }])
        })?);
    }
    Ok(all)
}

fn pairs(file: &Path) -> anyhow::Result<Vec<Listed>> {
    // A shop's photo names the item: whoever else is paired with it shows the same.
    let mut items: BTreeMap<String, String> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for (number, words) in words(file)? {
        let at = || format!("{} line {number}", file.display());
        let [user, ux0, uy0, ux1, uy1, shop, sx0, sy0, sx1, sy1, class] = &words[..] else {
            bail!("{}: it has {} words; user_url x1 y1 x2 y2 shop_url x1 y1 x2 y2 class are 11", at(), words.len())
        };
        let category = class.parse::<usize>().ok().and_then(|class| CLASSES.get(class));
        let category = category
            .with_context(|| format!("{}: the class '{class}' is none of 0 (tops), 1 (bags), 2 (shoes)", at()))?;
        let item = items.entry(shop.clone()).or_insert_with(|| format!("pair{number}")).clone();
        for (name, numbers, domain) in [(user, [ux0, uy0, ux1, uy1], USER), (shop, [sx0, sy0, sx1, sy1], SHOP)] {
            let corners = corners(numbers).with_context(at)?;
            if seen.insert((name.clone(), corners, item.clone())) {
                all.push(Listed {
                    name: name.clone(),
                    split: "train",
                    item_id: item.clone(),
                    category: (*category).to_owned(),
                    domain,
                    corners: Some(corners),
                });
            }
        }
    }
    ensure!(!all.is_empty(), "{} has no lines", file.display());
    Ok(all)
}

/// The challenge's queries or gallery: lines of `url x1 y1 x2 y2`.
///
/// # Errors
/// Names the file and the line.
pub fn boxed(file: &Path) -> anyhow::Result<Vec<Boxed>> {
    let mut all = Vec::new();
    for (number, words) in words(file)? {
        let at = || format!("{} line {number}", file.display());
        let [url, x0, y0, x1, y1] = &words[..] else {
            bail!("{}: it has {} words; url x1 y1 x2 y2 are 5", at(), words.len())
        };
        all.push(Boxed { url: url.clone(), corners: corners([x0, y0, x1, y1]).with_context(at)? });
    }
    ensure!(!all.is_empty(), "{} has no lines", file.display());
    Ok(all)
}

/// The challenge's submission: a query's url, then its answers, `rank url`.
pub fn submission<'a>(answers: impl Iterator<Item = (&'a str, Vec<&'a str>)>) -> String {
    let of = |(query, found): (&str, Vec<&str>)| {
        let ranks: String = (1..).zip(found).map(|(rank, url)| format!("{rank} {url}\n")).collect();
        format!("{query}\n{ranks}")
    };
    answers.map(of).collect()
}

fn corners(numbers: [&String; 4]) -> anyhow::Result<Corners> {
    let mut corners = [0; 4];
    for (corner, text) in corners.iter_mut().zip(numbers) {
        // Some lists have decimals, or begin a pixel outside.
        let value: f64 = text
            .parse()
            .ok()
            .filter(|value: &f64| value.is_finite())
            .with_context(|| format!("'{text}' is no coordinate; a box is x1 y1 x2 y2 in pixels"))?;
        *corner = value.round().max(0.0) as u32;
    }
    ensure!(corners[0] < corners[2] && corners[1] < corners[3], "the box {corners:?} is empty; it is x1 y1 x2 y2");
    Ok(corners)
}

/// The last but two parts of `img/WOMEN/Dresses/id_00000002/02_1_front.jpg`.
fn category_in(name: &str) -> String {
    name.split('/').rev().nth(2).unwrap_or_default().to_owned()
}

/// The boxes of a list, if the dataset has it: the header's first words and `x_1 y_1 x_2 y_2`.
fn boxes(dir: &Path, file: &str, first: &[&str; 3]) -> anyhow::Result<HashMap<String, Corners>> {
    let Some(path) = locate(dir, "Anno", file) else {
        eprintln!("there is no {file}, so photos are taken whole");
        return Ok(HashMap::new());
    };
    let [a, b, c] = first;
    let table = Table::read(path, &[a, b, c, "x_1", "y_1", "x_2", "y_2"])?;
    let boxes = table.map(|[name, _, _, x0, y0, x1, y1]| Ok(vec![(name, corners([&x0, &y0, &x1, &y1])?)]))?;
    Ok(boxes.into_iter().collect())
}

/// A list whose first lines may be a count and are a header.
struct Table<const N: usize> {
    path: PathBuf,
    lines: Vec<(usize, [String; N])>,
}

impl<const N: usize> Table<N> {
    fn open(dir: &Path, folder: &str, file: &str, header: &[&str; N]) -> anyhow::Result<Self> {
        let path = locate(dir, folder, file).with_context(|| {
            format!(
                "there is no {file} in {}{}",
                dir.display(),
                if folder.is_empty() { "" } else { " or its folder Eval" }
            )
        })?;
        Self::read(path, header)
    }

    fn read(path: PathBuf, header: &[&str; N]) -> anyhow::Result<Self> {
        let mut lines = words(&path)?.into_iter().peekable();
        let counted = match lines.next_if(|(_, words)| words.len() == 1) {
            None => None,
            Some((number, words)) => Some(words[0].parse::<usize>().ok().with_context(|| {
                format!("{} line {number}: '{}' is neither a count nor the header", path.display(), words[0])
            })?),
        };
        let titled = lines.next().map(|(_, words)| words).unwrap_or_default();
        ensure!(
            titled == *header,
            "{}: the header is '{}', not '{}'",
            path.display(),
            titled.join(" "),
            header.join(" ")
        );
        let line = |(number, words): (usize, Vec<String>)| {
            let found = words.len();
            let words: [String; N] = words.try_into().ok().with_context(|| {
                format!("{} line {number}: it has {found} words; {} are {N}", path.display(), header.join(" "))
            })?;
            Ok((number, words))
        };
        let lines = lines.map(line).collect::<anyhow::Result<Vec<_>>>()?;
        ensure!(!lines.is_empty(), "{} has no lines", path.display());
        if let Some(counted) = counted {
            ensure!(
                counted == lines.len(),
                "{} announces {counted} lines and has {}; it is cut short, or was edited",
                path.display(),
                lines.len()
            );
        }
        Ok(Self { path, lines })
    }

    /// What is made of every line.
    fn map<T>(self, mut of: impl FnMut([String; N]) -> anyhow::Result<Vec<T>>) -> anyhow::Result<Vec<T>> {
        let mut all = Vec::with_capacity(self.lines.len());
        for (number, words) in self.lines {
            all.extend(of(words).with_context(|| format!("{} line {number}", self.path.display()))?);
        }
        Ok(all)
    }
}

/// A file in a folder or in one of its folders.
fn locate(dir: &Path, folder: &str, file: &str) -> Option<PathBuf> {
    [dir.join(folder).join(file), dir.join(file)].into_iter().find(|path| path.is_file())
}

/// The words of every line that has any, with the line's number.
fn words(path: &Path) -> anyhow::Result<Vec<(usize, Vec<String>)>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let of = |(at, line): (usize, &str)| (at + 1, line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text.lines().enumerate().map(of).filter(|(_, words)| !words.is_empty()).collect())
}
