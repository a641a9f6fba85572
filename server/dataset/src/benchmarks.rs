//! Retrieval datasets of other people in their own files, so that figures compare with published ones: DeepFashion's
//! In-shop and Consumer-to-Shop (Liu et al. 2016), Stanford Online Products (Song et al. 2016), and the retrieval task of
//! the JD AI Fashion Challenge 2018.
//!
//! Their protocols are `selvedge evaluate`'s: In-shop and Consumer-to-Shop search the split's shop photos with its users'
//! (`--direction worn-to-shop`), Online Products every photo among all others (`--direction all`).
//!
//! **Boxes are in pixels of the upright picture**, as everywhere in a manifest. No list says whether its boxes are of the
//! stored or of the upright picture; the two differ only where a file's EXIF data ask for a turn, and whoever drew a box in
//! a program of today saw the picture upright.

use super::csv_text::text;
use super::folds::UnionFind;
use super::import::{Line, each_photo, file_name};
use super::manifest::SHOP;
use super::max_errors::MaxErrors;
use super::photo::Photo;
use anyhow::{Context, bail, ensure};
use shared::input::CropBox;
use shared::taxonomy::Category;
use std::collections::{BTreeSet, HashMap};
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
        ensure!(
            first == split,
            "item {item_id} is in '{first}' and in '{split}', so a figure would be too good; correct the list"
        );
    }
    Ok(listed)
}

/// The lines of an import: photos whose file is there and can be read, and the names of those that are missing.
///
/// # Errors
/// If more photos cannot be read, or have a box outside of them, than `max_errors` allows; or as [`one_file_each`].
pub fn lines(listed: Vec<Listed>, folder: &Path, max_errors: MaxErrors) -> anyhow::Result<(Vec<Line>, Vec<String>)> {
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
            Some(corners) => Some(inside(corners, photo).with_context(|| {
                format!(
                    "the box {corners:?} lies outside its {} × {} pixels",
                    photo.width(),
                    photo.height()
                )
            })?),
            None => None,
        };
        let (split, domain) = (String::from(split), String::from(domain));
        Ok(Line {
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

/// The file of a photo: as it is named, below `Img` as DeepFashion is unpacked, below a url's host and folders as `wget -x`
/// saves it, or by the last part of a url.
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

/// A box within its picture, which is upright: lists have some that leave it by a pixel or two; `None` if nothing is left.
pub fn inside([x, y, right, bottom]: Corners, photo: &Photo) -> Option<CropBox> {
    let (right, bottom) = (right.min(photo.width()), bottom.min(photo.height()));
    (x < right && y < bottom).then(|| CropBox {
        x,
        y,
        width: right - x,
        height: bottom - y,
    })
}

fn in_shop(dir: &Path) -> anyhow::Result<Vec<Listed>> {
    let partition = Table::open(
        dir,
        "Eval",
        "list_eval_partition.txt",
        &["image_name", "item_id", "evaluation_status"],
    )?;
    let boxes = boxes(
        dir,
        "list_bbox_inshop.txt",
        &["image_name", "clothes_type", "pose_type"],
    )?;
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
    let partition = Table::open(dir, "Eval", "list_eval_partition.txt", &header)?;
    let boxes = boxes(
        dir,
        "list_bbox_consumer2shop.txt",
        &["image_name", "clothes_type", "source_type"],
    )?;
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
        let table = Table::open(dir, "", file, &["image_id", "class_id", "super_class_id", "path"])?;
        let mut shown = BTreeSet::new();
        all.extend(table.map(|[_, class, _, name]| {
            // There are no sides; training pairs an item's first photo with the others.
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

/// A line of the challenge's pairs.
struct Pair {
    number: usize,
    category: &'static str,
    user: (String, Corners),
    shop: (String, Corners),
}

fn pairs(file: &Path) -> anyhow::Result<Vec<Listed>> {
    let mut pairs = Vec::new();
    for (number, words) in words(file)? {
        let at = || format!("{} line {number}", file.display());
        let [user, ux0, uy0, ux1, uy1, shop, sx0, sy0, sx1, sy1, class] = &words[..] else {
            bail!(
                "{}: it has {} words; user_url x1 y1 x2 y2 shop_url x1 y1 x2 y2 class are 11",
                at(),
                words.len()
            )
        };
        let category = class.parse::<usize>().ok().and_then(|class| CLASSES.get(class));
        let category = category
            .with_context(|| format!("{}: the class '{class}' is none of 0 (tops), 1 (bags), 2 (shoes)", at()))?;
        let user = (user.clone(), corners([ux0, uy0, ux1, uy1]).with_context(at)?);
        let shop = (shop.clone(), corners([sx0, sy0, sx1, sy1]).with_context(at)?);
        pairs.push(Pair {
            number,
            category,
            user,
            shop,
        });
    }
    ensure!(!pairs.is_empty(), "{} has no lines", file.display());

    // A shop's photo names the item, and so does the box of a user's: whoever is paired with either shows the same.
    let mut places: HashMap<(&str, Option<Corners>), usize> = HashMap::new();
    let mut first = Vec::new();
    let mut joined = Vec::new();
    for pair in &pairs {
        let ends = [(pair.shop.0.as_str(), None), (pair.user.0.as_str(), Some(pair.user.1))];
        joined.push(ends.map(|end| {
            *places.entry(end).or_insert_with(|| {
                first.push(pair.number);
                first.len() - 1
            })
        }));
    }
    let mut sets = UnionFind::new(first.len());
    joined.iter().for_each(|[shop, user]| sets.join(*shop, *user));

    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for (pair, [shop, _]) in pairs.iter().zip(joined) {
        for ((name, corners), domain) in [(&pair.user, USER), (&pair.shop, SHOP)] {
            if seen.insert((name, *corners)) {
                all.push(Listed {
                    name: name.clone(),
                    split: "train",
                    item_id: format!("pair{}", first[sets.root(shop)]),
                    category: pair.category.to_owned(),
                    domain,
                    corners: Some(*corners),
                });
            }
        }
    }
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
        all.push(Boxed {
            url: url.clone(),
            corners: corners([x0, y0, x1, y1]).with_context(at)?,
        });
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
    ensure!(
        corners[0] < corners[2] && corners[1] < corners[3],
        "the box {corners:?} is empty; it is x1 y1 x2 y2"
    );
    Ok(corners)
}

/// The last but two parts of `img/WOMEN/Dresses/id_00000002/02_1_front.jpg`; in small letters where those are a category's.
fn category_in(name: &str) -> String {
    let folder = name.split('/').rev().nth(2).unwrap_or_default();
    let small = folder.to_lowercase();
    if small == "dress" || Category::from_id(&small).is_some() {
        small
    } else {
        folder.to_owned()
    }
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
                format!(
                    "{} line {number}: '{}' is neither a count nor the header",
                    path.display(),
                    words[0]
                )
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
                format!(
                    "{} line {number}: it has {found} words; {} are {N}",
                    path.display(),
                    header.join(" ")
                )
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
    [dir.join(folder).join(file), dir.join(file)]
        .into_iter()
        .find(|path| path.is_file())
}

/// The words of every line that has any, with the line's number.
fn words(path: &Path) -> anyhow::Result<Vec<(usize, Vec<String>)>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Vec::new());
    }
    let text = text(&bytes).map_err(|(line, what)| match line {
        Some(line) => anyhow::anyhow!("{} line {line}: {what}", path.display()),
        None => anyhow::anyhow!("{}: {what}", path.display()),
    })?;
    let of = |(at, line): (usize, &str)| (at + 1, line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    Ok(text
        .lines()
        .enumerate()
        .map(of)
        .filter(|(_, words)| !words.is_empty())
        .collect())
}
