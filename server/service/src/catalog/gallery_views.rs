//! Views of a gallery photo, whose embeddings are averaged.

use serde::{Deserialize, Serialize};
use shared::input::InputSpec;

/// Views of every gallery photo. Searches need no more time, because the views are averaged when the catalog is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GalleryViews {
    /// The photo without changes.
    #[default]
    None,
    /// The photo and its mirror image.
    Flip,
}

impl std::str::FromStr for GalleryViews {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "flip" => Ok(Self::Flip),
            _ => Err(format!("'{text}' is not one of the views none and flip")),
        }
    }
}

impl GalleryViews {
    /// True for the photo without changes.
    // Serde passes a reference.
    #[expect(clippy::trivially_copy_pass_by_ref)]
    pub(super) fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Returns the inputs of all photos for each view. An input has the values `[3, height, width]`.
    pub(super) fn inputs(self, inputs: Vec<Vec<f32>>, spec: &InputSpec) -> Vec<Vec<Vec<f32>>> {
        match self {
            Self::None => vec![inputs],
            Self::Flip => {
                let mirrored = inputs.iter().map(|input| mirror(input, spec.width)).collect();
                vec![inputs, mirrored]
            }
        }
    }

    /// Averages the embeddings of each photo over its views, `[view][photo]`. The means do not have unit length.
    pub(super) fn mean(views: Vec<Vec<Vec<f32>>>) -> Vec<Vec<f32>> {
        let n = views.len() as f32;
        let sum = |mut sum: Vec<Vec<f32>>, view: Vec<Vec<f32>>| {
            for (sum, embedding) in sum.iter_mut().zip(view) {
                sum.iter_mut().zip(embedding).for_each(|(sum, value)| *sum += value);
            }
            sum
        };
        let mut means = views.into_iter().reduce(sum).unwrap_or_default();
        means.iter_mut().flatten().for_each(|value| *value /= n);
        means
    }
}

/// Exchanges left and right of every row of pixels.
fn mirror(input: &[f32], width: usize) -> Vec<f32> {
    input.chunks(width).flat_map(|row| row.iter().rev().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_are_mirrored_by_row_and_their_embeddings_averaged() {
        assert_eq!(
            mirror(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3),
            [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]
        );
        let views = vec![
            vec![vec![1.0, 0.0], vec![0.0, 1.0]],
            vec![vec![0.0, 1.0], vec![0.0, 1.0]],
        ];
        assert_eq!(GalleryViews::mean(views), [[0.5, 0.5], [0.0, 1.0]]);
    }
}
