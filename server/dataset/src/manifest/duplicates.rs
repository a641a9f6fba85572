//! Near-duplicates: images whose difference hashes (Krawetz 2013) are close and whose colours correlate.

use super::dataset::Dataset;
use super::union_find::UnionFind;
use crate::decode::Photo;
use rayon::prelude::*;
use shared::input::{Fit, InputError, InputSpec};
use std::collections::HashMap;

/// Width in pixels of the shrunk image that is hashed, one more than the number of bits per row.
const WIDTH: usize = 9;
/// Height in pixels of the shrunk image.
const HEIGHT: usize = 8;
/// Minimum correlation of the shrunk images of near-duplicates.
const CORRELATION: f32 = 0.97;

/// Features for the comparison of images. Size, compression and brightness hardly change them. Crops and mirroring do.
#[derive(Debug, Clone, PartialEq)]
struct Fingerprint {
    /// Difference hash: 8 × 8 bits, set if the image, shrunk to 9 × 8 grey values, gets darker to the right.
    hash: u64,
    /// Shrunk image `[3, 8, 9]` of mean 0 and length 1, or zeros for an image of one colour.
    small: Vec<f32>,
}

impl Fingerprint {
    /// Computes the fingerprint of an image.
    ///
    /// # Errors
    /// Never for a decoded image.
    fn from_photo(photo: &Photo) -> Result<Self, InputError> {
        let spec = InputSpec {
            mean: [0.0; 3],
            std: [1.0; 3],
            ..InputSpec::new(WIDTH, HEIGHT, Fit::Stretch)
        };
        let mut small = spec.to_chw(photo.pixels()?, None)?;
        let plane = WIDTH * HEIGHT;
        // Luma of ITU-R BT.601.
        let luma = |at: usize| 0.299 * small[at] + 0.587 * small[plane + at] + 0.114 * small[2 * plane + at];
        let grey: Vec<f32> = (0..plane).map(luma).collect();
        let bits = grey
            .chunks_exact(WIDTH)
            .flat_map(|row| row.windows(2).map(|pair| u64::from(pair[0] > pair[1])));
        let hash = bits.fold(0, |hash, bit| hash << 1 | bit);
        let mean = small.iter().sum::<f32>() / small.len() as f32;
        small.iter_mut().for_each(|value| *value -= mean);
        let length = small.iter().map(|value| value * value).sum::<f32>().sqrt();
        if length > 0.0 {
            small.iter_mut().for_each(|value| *value /= length);
        }
        Ok(Self { hash, small })
    }

    /// True if the hashes differ in at most `bits` of 64 bits and the colours correlate.
    fn is_like(&self, other: &Self, bits: u32) -> bool {
        let correlation = || self.small.iter().zip(&other.small).map(|(a, b)| a * b).sum::<f32>();
        (self.hash ^ other.hash).count_ones() <= bits && (self == other || correlation() >= CORRELATION)
    }
}

impl Dataset {
    /// Assigns a common `dup_group` to near-duplicates among `rows`. Their hashes differ in at most `bits` of 64 bits, and
    /// their colours correlate. The relation is transitive and includes existing groups. Returns the number of images with a
    /// near-duplicate.
    ///
    /// # Errors
    /// If an image cannot be read. Names it.
    pub fn mark_near_duplicates(&mut self, rows: &[usize], bits: u32) -> anyhow::Result<usize> {
        let read = |row: &usize| -> anyhow::Result<Fingerprint> {
            Ok(Fingerprint::from_photo(&Photo::read(
                &self.dir.join(&self.rows[*row].path),
            )?)?)
        };
        let prints: Vec<Fingerprint> = rows.par_iter().map(read).collect::<anyhow::Result<_>>()?;
        let mut sets = UnionFind::new(rows.len());
        let mut alike = vec![false; rows.len()];
        for (at, print) in prints.iter().enumerate() {
            for (other, other_print) in prints.iter().enumerate().skip(at + 1) {
                if print.is_like(other_print, bits) {
                    sets.join(at, other);
                    (alike[at], alike[other]) = (true, true);
                }
            }
        }
        let mut first: HashMap<&str, usize> = HashMap::new();
        for (at, row) in rows.iter().enumerate() {
            let known = &self.rows[*row].dup_group;
            if !known.is_empty() {
                sets.join(at, *first.entry(known).or_insert(at));
            }
        }
        let names: Vec<String> = (0..rows.len())
            .map(|at| {
                let first = sets.root(at);
                let grouped = alike[at] || !self.rows[rows[at]].dup_group.is_empty();
                if grouped {
                    format!("like {}", self.rows[rows[first]].path)
                } else {
                    String::new()
                }
            })
            .collect();
        for (row, name) in rows.iter().zip(names) {
            self.rows[*row].dup_group = name;
        }
        Ok(alike.into_iter().filter(|alike| *alike).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, Rgb, RgbImage, imageops::FilterType};

    /// Image of coarse blocks with colours drawn from `seed`. Images of different seeds are unrelated.
    fn blocks(seed: u32) -> DynamicImage {
        DynamicImage::from(RgbImage::from_fn(96, 128, |x, y| {
            let block = (x / 12).wrapping_mul(2_654_435_761) ^ (y / 16).wrapping_mul(40_503) ^ seed.wrapping_mul(977);
            let value = (block.wrapping_mul(2_246_822_519) >> 13) as u8;
            Rgb([value, value / 2 + 40, 200 - value / 2])
        }))
    }

    #[test]
    fn resized_and_brightened_copies_are_grouped_and_unrelated_images_are_not() {
        let dir = tempfile::tempdir().expect("a temporary folder can be created");
        let save =
            |name: &str, image: &DynamicImage| image.save(dir.path().join(name)).expect("the file can be written");
        for seed in 0..6 {
            save(&format!("{seed}.png"), &blocks(seed));
        }
        save("small.jpg", &blocks(0).resize_exact(50, 60, FilterType::Triangle));
        save("bright.jpg", &blocks(0).brighten(20));
        let paths = [
            "0.png",
            "1.png",
            "2.png",
            "3.png",
            "4.png",
            "5.png",
            "small.jpg",
            "bright.jpg",
        ];
        // 4 and 5 have a group already.
        let group = |path: &str| {
            if path == "4.png" || path == "5.png" {
                "known"
            } else {
                ""
            }
        };
        let lines: String = paths
            .iter()
            .map(|path| format!("{path},train,{}\n", group(path)))
            .collect();
        std::fs::write(
            dir.path().join("manifest.csv"),
            format!("path,split,dup_group\n{lines}"),
        )
        .expect("the file can be written");

        let mut dataset = Dataset::open(dir.path()).expect("the manifest is valid");
        let rows: Vec<usize> = (0..paths.len()).collect();
        assert_eq!(
            dataset.mark_near_duplicates(&rows, 6).expect("the images can be read"),
            3
        );
        assert_eq!(dataset.groups(&rows), [0, 1, 2, 3, 4, 4, 0, 0]);
        std::fs::write(dir.path().join("2.png"), "not an image").expect("the file can be written");
        let error = format!("{:#}", dataset.mark_near_duplicates(&rows, 6).expect_err("damaged"));
        assert!(error.contains("2.png"), "{error}");
    }
}
