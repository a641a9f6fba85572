//! Views of a photo, whose embeddings are averaged.

use serde::{Deserialize, Serialize};
use shared::input::InputSpec;

/// Views of every photo. Averages of a catalog's views are made once, so that searches need no more time. Views of queries take
/// as many forward passes as views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PhotoViews {
    /// The photo without changes.
    #[default]
    None,
    /// The photo and its mirror image.
    Flip,
}

impl std::str::FromStr for PhotoViews {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "flip" => Ok(Self::Flip),
            _ => Err(format!("'{text}' is not one of the views none and flip")),
        }
    }
}

impl PhotoViews {
    /// True for the photo without changes.
    // Serde passes a reference.
    #[expect(clippy::trivially_copy_pass_by_ref)]
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// Embeds inputs `[3, height, width]` with `embed`, and averages the embeddings of each photo over its views. The means of
    /// several views do not have unit length.
    ///
    /// # Errors
    /// Those of `embed`.
    pub(crate) fn embed(
        self,
        inputs: Vec<Vec<f32>>,
        spec: &InputSpec,
        mut embed: impl FnMut(Vec<Vec<f32>>) -> anyhow::Result<Vec<Vec<f32>>>,
    ) -> anyhow::Result<Vec<Vec<f32>>> {
        match self {
            Self::None => embed(inputs),
            Self::Flip => {
                let mirrored = inputs.iter().map(|input| mirror(input, spec.width)).collect();
                let mut means = embed(inputs)?;
                for (mean, other) in means.iter_mut().zip(embed(mirrored)?) {
                    mean.iter_mut()
                        .zip(other)
                        .for_each(|(mean, other)| *mean = (*mean + other) / 2.0);
                }
                Ok(means)
            }
        }
    }
}

/// Exchanges left and right of every row of pixels.
fn mirror(input: &[f32], width: usize) -> Vec<f32> {
    input.chunks(width).flat_map(|row| row.iter().rev().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::input::Fit;

    #[test]
    fn views_are_mirrored_by_row_and_their_embeddings_averaged() {
        assert_eq!(
            mirror(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3),
            [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]
        );
        let spec = InputSpec::new(2, 1, Fit::Stretch);
        let input = vec![vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]];
        let doubled = |inputs: Vec<Vec<f32>>| {
            Ok(inputs
                .iter()
                .map(|input| input.iter().map(|v| v * 2.0).collect())
                .collect())
        };
        let embedded = |views: PhotoViews| views.embed(input.clone(), &spec, doubled).expect("nothing fails");
        assert_eq!(embedded(PhotoViews::None), [[2.0, 4.0, 6.0, 8.0, 10.0, 12.0]]);
        assert_eq!(embedded(PhotoViews::Flip), [[3.0, 3.0, 7.0, 7.0, 11.0, 11.0]]);
    }
}
