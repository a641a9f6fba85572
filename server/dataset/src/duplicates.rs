//! Photos that look alike although they are other files: difference hashes (Krawetz 2013) at a small distance, confirmed by
//! the colours.

use super::folds::UnionFind;
use super::manifest::Dataset;
use super::photo::Photo;
use rayon::prelude::*;
use shared::input::{Fit, InputError, InputSpec};
use std::collections::HashMap;

/// Columns of the small picture that is hashed, one more than the bits of a row.
const WIDTH: usize = 9;
/// Its rows.
const HEIGHT: usize = 8;
/// Correlation of two small pictures' colours below which they show different things, however near their hashes are.
const CORRELATION: f32 = 0.97;

/// What a photo is compared by. Size, quality and light hardly change it; a crop or a mirror image does.
#[derive(Debug, Clone, PartialEq)]
pub struct Fingerprint {
    /// The difference hash: for 8 × 8 places whether the picture, shrunk to 9 × 8 grey values, gets darker to the right.
    pub hash: u64,
    /// The shrunk picture, `[3, 8, 9]`, of mean 0 and length 1; all 0 for a picture of one colour.
    small: Vec<f32>,
}

impl Fingerprint {
    /// The fingerprint of a photo.
    ///
    /// # Errors
    /// [`InputError`], which a decoded photo does not cause.
    pub fn of(photo: &Photo) -> Result<Self, InputError> {
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

    /// Whether two photos look alike: hashes that differ in at most `bits` of 64, and colours that go together.
    pub fn is_like(&self, other: &Self, bits: u32) -> bool {
        let correlation = || self.small.iter().zip(&other.small).map(|(a, b)| a * b).sum::<f32>();
        (self.hash ^ other.hash).count_ones() <= bits && (self == other || correlation() >= CORRELATION)
    }
}

impl Dataset {
    /// Gives those of `rows` whose photos look alike one `dup_group`, also by way of others and of the groups they had:
    /// see [`Fingerprint::is_like`]. Returns how many photos look like another.
    ///
    /// # Errors
    /// If a photo cannot be read; names it.
    pub fn mark_near_duplicates(&mut self, rows: &[usize], bits: u32) -> anyhow::Result<usize> {
        let read = |row: &usize| -> anyhow::Result<Fingerprint> {
            Ok(Fingerprint::of(&Photo::read(&self.dir.join(&self.rows[*row].path))?)?)
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

    /// Coarse blocks of a colour each, drawn from `seed`: pictures of different seeds have nothing in common.
    fn picture(seed: u32) -> DynamicImage {
        DynamicImage::from(RgbImage::from_fn(96, 128, |x, y| {
            let block = (x / 12).wrapping_mul(2_654_435_761) ^ (y / 16).wrapping_mul(40_503) ^ seed.wrapping_mul(977);
            let value = (block.wrapping_mul(2_246_822_519) >> 13) as u8;
            Rgb([value, value / 2 + 40, 200 - value / 2])
        }))
    }

    #[test]
    fn other_files_of_one_photo_are_grouped_and_other_photos_are_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let save = |name: &str, picture: &DynamicImage| picture.save(dir.path().join(name)).expect("writes");
        for seed in 0..6 {
            save(&format!("{seed}.png"), &picture(seed));
        }
        save("small.jpg", &picture(0).resize_exact(50, 60, FilterType::Triangle));
        save("bright.jpg", &picture(0).brighten(20));
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
        // 4 and 5 were known to be alike before, by another eye.
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
        .expect("written");

        let mut dataset = Dataset::open(dir.path()).expect("valid");
        let rows: Vec<usize> = (0..paths.len()).collect();
        assert_eq!(dataset.mark_near_duplicates(&rows, 6).expect("readable"), 3);
        assert_eq!(dataset.groups(&rows), [0, 1, 2, 3, 4, 4, 0, 0]);
        std::fs::write(dir.path().join("2.png"), "no picture").expect("written");
        let error = format!("{:#}", dataset.mark_near_duplicates(&rows, 6).expect_err("damaged"));
        assert!(error.contains("2.png"), "{error}");
    }
}
