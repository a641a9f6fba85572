//! Files of the retrieval task of the JD AI Fashion Challenge 2018: training pairs, boxes to search, and the submission.

use super::list_file::read_words;
use super::listed::{Corners, Listed, USER, parse_corners};
use crate::manifest::{SHOP, UnionFind};
use anyhow::{Context, bail, ensure};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// Categories by the challenge's class numbers.
const CLASSES: [&str; 3] = ["tops", "bags", "shoes"];

/// Query or gallery image of the challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boxed {
    /// URL, by which the submission names the image.
    pub url: String,
    /// Box of the item, `[x0, y0, x1, y1]` in pixels.
    pub corners: Corners,
}

/// Line of the list of pairs.
struct Pair {
    number: usize,
    category: &'static str,
    user: (String, Corners),
    shop: (String, Corners),
}

/// Reads training pairs. Pairs with a common shop image or a common box of a user image show the same item.
///
/// # Errors
/// Names the file and the line.
pub(super) fn read_pairs(file: &Path) -> anyhow::Result<Vec<Listed>> {
    let pairs = parse_pairs(file)?;
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

fn parse_pairs(file: &Path) -> anyhow::Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for (number, words) in read_words(file)? {
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
            .with_context(|| format!("{}: the class '{class}' is not 0 (tops), 1 (bags) or 2 (shoes)", at()))?;
        let user = (user.clone(), parse_corners([ux0, uy0, ux1, uy1]).with_context(at)?);
        let shop = (shop.clone(), parse_corners([sx0, sy0, sx1, sy1]).with_context(at)?);
        pairs.push(Pair {
            number,
            category,
            user,
            shop,
        });
    }
    ensure!(!pairs.is_empty(), "{} has no lines", file.display());
    Ok(pairs)
}

/// Reads the queries or the gallery: lines of `url x1 y1 x2 y2`.
///
/// # Errors
/// Names the file and the line.
pub fn read_boxed(file: &Path) -> anyhow::Result<Vec<Boxed>> {
    let mut all = Vec::new();
    for (number, words) in read_words(file)? {
        let at = || format!("{} line {number}", file.display());
        let [url, x0, y0, x1, y1] = &words[..] else {
            bail!("{}: it has {} words; url x1 y1 x2 y2 are 5", at(), words.len())
        };
        all.push(Boxed {
            url: url.clone(),
            corners: parse_corners([x0, y0, x1, y1]).with_context(at)?,
        });
    }
    ensure!(!all.is_empty(), "{} has no lines", file.display());
    Ok(all)
}

/// Formats the submission: the URL of each query, then a line `rank url` per answer.
pub fn submission<'a>(answers: impl Iterator<Item = (&'a str, Vec<&'a str>)>) -> String {
    let block = |(query, found): (&str, Vec<&str>)| {
        let ranks: String = (1..).zip(found).map(|(rank, url)| format!("{rank} {url}\n")).collect();
        format!("{query}\n{ranks}")
    };
    answers.map(block).collect()
}
